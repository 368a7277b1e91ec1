//! Bodies on their way through: counted, never kept, broken off with the session.
//!
//! A frame goes on as it came, when the other side has room for it. Nothing is buffered here,
//! but for the few letters with which the credential may begin (`veil`); nothing is added but
//! what the policy asks for (`banner`).

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use futures::Stream;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};

use super::{
    exchange::Exchange, file::Transfer, headers, pool::Own, sample::Sample, veil::Veil,
    visit::Visit,
};
use crate::model::{refusal::Refusal, session::KillReason};

pub enum Body {
    Empty,
    /// What the gateway says itself.
    Whole(Option<Bytes>),
    /// The same, as it happens.
    Words(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    /// Over which connection it comes, where somebody waits until it is read.
    ToTarget(Passing, Weak<Visit>),
    ToPerson(Passing, Way),
}

/// Somebody else's body.
pub struct Passing {
    /// None once it was cut.
    inner: Option<Incoming>,
    exchange: Arc<Exchange>,
    watch: Watch,
    ended: bool,
    over: Over,
    /// What stands behind the last data.
    trailers: Option<Frame<Bytes>>,
}

/// What the gateway does to an answer.
#[derive(Default)]
pub struct Over {
    /// Where the credential could be in it.
    pub veil: Option<Veil>,
    /// What is written behind it.
    pub banner: Option<Bytes>,
}

/// What is written down of a body when it has passed.
#[derive(Default)]
pub struct Watch {
    /// Where it is a file.
    pub file: Option<Transfer>,
    /// Where bodies are recorded.
    pub sample: Option<Sample>,
}

/// The connection of an answer, given back when the answer was read.
pub struct Way(pub Option<Own>);

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("{0}")]
    Killed(KillReason),
    #[error("{0}")]
    TooMuch(Refusal),
    #[error("the body broke off")]
    Broken(#[from] hyper::Error),
}

impl Body {
    pub fn text(text: String) -> Self {
        Self::Whole(Some(Bytes::from(text)))
    }

    pub fn words(words: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self::Words(Box::pin(words))
    }

    pub fn to_target(
        inner: Incoming,
        exchange: Arc<Exchange>,
        watch: Watch,
        visit: &Arc<Visit>,
    ) -> Self {
        Self::ToTarget(Passing::new(inner, exchange, watch), Arc::downgrade(visit))
    }

    pub fn to_person(
        inner: Incoming,
        exchange: Arc<Exchange>,
        watch: Watch,
        way: Option<Own>,
        over: Over,
    ) -> Self {
        let mut passing = Passing::new(inner, exchange, watch);
        passing.over = over;
        Self::ToPerson(passing, Way(way))
    }
}

impl Over {
    /// What follows when no more data comes.
    fn rest(&mut self) -> Option<Bytes> {
        let held = self.veil.as_mut().and_then(Veil::rest);
        match (held, self.banner.take()) {
            (Some(held), Some(banner)) => Some([held, banner].concat().into()),
            (held, banner) => held.or(banner),
        }
    }

    fn is_done(&self) -> bool {
        self.banner.is_none() && self.veil.as_ref().is_none_or(Veil::is_empty)
    }
}

impl Passing {
    fn new(inner: Incoming, exchange: Arc<Exchange>, watch: Watch) -> Self {
        Self {
            inner: Some(inner),
            exchange,
            watch,
            ended: false,
            over: Over::default(),
            trailers: None,
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        count: impl FnOnce(&Exchange, u64),
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // What is on its way to a peer that still reads goes no further either.
        if let Some(reason) = self.exchange.killed() {
            return Poll::Ready(Some(Err(BodyError::Killed(reason))));
        }
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        match ready!(Pin::new(inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    count(&self.exchange, data.len() as u64);
                    if let Err(refusal) = self.exchange.within_room() {
                        return Poll::Ready(Some(Err(BodyError::TooMuch(refusal))));
                    }
                    if let Some(file) = &mut self.watch.file {
                        file.add(data);
                    }
                    if let Some(sample) = &mut self.watch.sample {
                        sample.add(data);
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.exchange.broke_off(&error);
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    /// The same as the person gets it.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(trailers)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = ready!(self.poll(cx, Exchange::count_out));
        Poll::Ready(match polled {
            Some(Ok(frame)) => Some(Ok(match (frame.into_data(), &mut self.over.veil) {
                (Ok(data), Some(veil)) => Frame::data(veil.cover(data)),
                (Ok(data), None) => Frame::data(data),
                (Err(trailers), _) => match self.over.rest() {
                    Some(rest) => {
                        self.trailers = Some(trailers);
                        Frame::data(rest)
                    }
                    None => trailers,
                },
            })),
            Some(Err(error)) => Some(Err(error)),
            None => self.over.rest().map(|rest| Ok(Frame::data(rest))),
        })
    }

    fn is_at_end(&self) -> bool {
        self.over.is_done()
            && self.trailers.is_none()
            && self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn is_read(&self) -> bool {
        self.ended || self.inner.as_ref().is_some_and(HttpBody::is_end_stream)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Words(words) => {
                let word = ready!(words.as_mut().poll_next(cx));
                Poll::Ready(word.map(|word| Ok(Frame::data(word))))
            }
            Self::ToTarget(passing, _) => {
                let polled = passing.poll(cx, Exchange::count_in);
                polled.map_ok(|frame| match frame.into_trailers() {
                    Ok(mut trailers) => {
                        headers::of_trailers(&mut trailers);
                        Frame::trailers(trailers)
                    }
                    Err(data) => data,
                })
            }
            Self::ToPerson(passing, _) => passing.poll_over(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(None) => true,
            Self::Whole(Some(_)) | Self::Words(_) => false,
            Self::ToTarget(passing, _) | Self::ToPerson(passing, _) => passing.is_at_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Whole(None) => SizeHint::with_exact(0),
            Self::Whole(Some(text)) => SizeHint::with_exact(text.len() as u64),
            Self::Words(_) => SizeHint::default(),
            // It is longer than the target says.
            Self::ToPerson(passing, _) if passing.over.banner.is_some() => SizeHint::default(),
            Self::ToTarget(passing, _) | Self::ToPerson(passing, _) => {
                let hint = passing.inner.as_ref().map(HttpBody::size_hint);
                hint.unwrap_or_default()
            }
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let whole = self.is_read();
        let Watch { file, sample } = std::mem::take(&mut self.watch);
        if let Some(file) = file {
            self.exchange.moved(file, whole);
        }
        if let Some(sample) = sample {
            self.exchange.sampled(sample, whole);
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        match self {
            Self::ToPerson(passing, way) => {
                let whole = passing.is_read();
                passing.exchange.answered(whole);
                if let (Some(way), true) = (way.0.take(), whole) {
                    passing.exchange.give_back(way);
                }
            }
            // Refused, cut, or the target has heard enough: the answer is still to be read.
            Self::ToTarget(passing, visit) if !passing.is_read() => {
                if let (Some(rest), Some(visit)) = (passing.inner.take(), visit.upgrade()) {
                    visit.let_finish(rest);
                }
            }
            _ => {}
        }
    }
}
