//! The kill over real sockets: whatever the peer and our own tasks do, a pulled switch
//! leaves nothing open. Deadlines here stand against hanging, never for measuring.
#![allow(
    clippy::disallowed_methods,
    reason = "the peer's end of a loopback connection"
)]

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use proptest::prelude::*;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex, split},
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::timeout,
};

use super::*;
use crate::model::{
    ids::{CheckoutId, SessionId, TargetId, UserId},
    time::Timestamp,
};

const DEADLINE: Duration = Duration::from_secs(30);
/// A grace that never runs out within a test.
const FOREVER: Duration = Duration::from_secs(3_600);
const BRIEF: Duration = Duration::from_millis(20);

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future)
        .await
        .expect("the kill must not hang")
}

/// Our end and the peer's end of one TCP connection.
async fn pair() -> (TcpStream, TcpStream) {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let listener = TcpListener::bind(any).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (peer, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (accepted.unwrap().0, peer.unwrap())
}

/// Reads until the end, and says what came and how it ended.
async fn rest(peer: &mut TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut came = Vec::new();
    let ended = in_time(peer.read_to_end(&mut came)).await;
    (came, ended.map(drop))
}

fn assert_reset(ended: io::Result<()>) {
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

fn assert_cut<T: std::fmt::Debug>(result: io::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    assert_eq!(error.to_string(), KillReason::UserDisabled.to_string());
}

/// Writes until the peer's and our buffers are full.
async fn fill(stream: &mut (impl AsyncWrite + Unpin)) -> usize {
    let mut written = 0;
    while let Ok(count) = timeout(BRIEF, stream.write(&[7; 65_536])).await {
        written += count.unwrap();
    }
    written
}

#[tokio::test]
async fn an_idle_stream_is_cut_and_its_reader_wakes() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::new(ours, switch.clone());
    let reader = tokio::spawn(async move { leashed.read_u8().await });
    yield_now().await;
    assert!(switch.pull(KillReason::UserDisabled));
    assert_cut(in_time(reader).await.unwrap());
    assert_reset(rest(&mut peer).await.1);
    in_time(switch.severed()).await;
}

#[tokio::test]
async fn a_peer_that_stopped_reading_gets_nothing_after_the_pull() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::new(ours, switch.clone());
    let written = fill(&mut leashed).await;
    assert_eq!(leashed.meter().bytes_out(), written as u64);
    let writer = tokio::spawn(async move { leashed.write_all(&[7; 65_536]).await });
    yield_now().await;
    switch.pull(KillReason::UserDisabled);
    assert_cut(in_time(writer).await.unwrap());
    in_time(switch.severed()).await;
    // It starts to read again: what had not left this machine's send buffer never comes.
    let (came, ended) = rest(&mut peer).await;
    assert_reset(ended);
    assert!(came.len() < written, "{} of {written}", came.len());
}

#[tokio::test]
async fn a_flooding_peer_is_cut() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::new(ours, switch.clone());
    let meter = leashed.meter();
    let flood = tokio::spawn(async move { while peer.write_all(&[7; 65_536]).await.is_ok() {} });
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        loop {
            if let Err(error) = leashed.read_exact(&mut buffer).await {
                break error;
            }
        }
    });
    in_time(async {
        while meter.bytes_in() < 1 << 20 {
            yield_now().await;
        }
    })
    .await;
    switch.pull(KillReason::UserDisabled);
    assert_cut::<()>(Err(in_time(reader).await.unwrap()));
    in_time(flood).await.unwrap();
}

#[tokio::test]
async fn a_pull_before_the_first_poll_lets_no_byte_through() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::new(ours, switch.clone());
    switch.pull(KillReason::UserDisabled);
    assert_cut(leashed.write_all(b"too late").await);
    assert_cut(leashed.flush().await);
    assert_cut(leashed.read_u8().await);
    let (came, ended) = rest(&mut peer).await;
    assert_reset(ended);
    assert_eq!(came, b"");
}

#[tokio::test]
async fn a_pull_before_the_stream_exists_lets_no_byte_through() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    switch.pull(KillReason::UserDisabled);
    let mut leashed = Leashed::new(ours, switch.clone());
    assert_cut(leashed.write_all(b"too late").await);
    assert_reset(rest(&mut peer).await.1);
    in_time(switch.severed()).await;
}

#[tokio::test]
async fn a_stream_that_nobody_polls_is_cut_from_outside() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let leashed = Leashed::new(ours, switch.clone());
    let stuck = tokio::spawn(async move {
        let _held = leashed;
        std::future::pending::<()>().await;
    });
    // From a thread that knows nothing of the runtime, as a signal handler may.
    let from_outside = switch.clone();
    std::thread::spawn(move || from_outside.pull(KillReason::UserDisabled))
        .join()
        .unwrap();
    assert_reset(rest(&mut peer).await.1);
    in_time(switch.severed()).await;
    assert!(!stuck.is_finished());
    stuck.abort();
}

#[tokio::test]
async fn both_halves_of_a_split_stream_wake() {
    let (ours, _peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::new(ours, switch.clone());
    fill(&mut leashed).await;
    let (mut read, mut write) = split(leashed);
    let reader = tokio::spawn(async move { read.read_u8().await });
    let writer = tokio::spawn(async move { write.write_all(&[7; 65_536]).await });
    yield_now().await;
    switch.pull(KillReason::UserDisabled);
    assert_cut(in_time(reader).await.unwrap());
    assert_cut(in_time(writer).await.unwrap());
}

#[tokio::test]
async fn the_last_words_arrive_within_the_grace() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::with_grace(ours, switch.clone(), FOREVER);
    switch.pull(KillReason::UserDisabled);
    leashed.write_all(b"Access ended").await.unwrap();
    drop(leashed);
    let (came, ended) = rest(&mut peer).await;
    assert_eq!(came, b"Access ended");
    ended.expect("a farewell is a close, not a reset");
    drop(peer);
    // The grace of an hour is over as soon as both sides have closed.
    in_time(switch.severed()).await;
}

#[tokio::test]
async fn the_last_words_come_whole_even_if_the_peer_is_slow_to_read() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::with_grace(ours, switch.clone(), FOREVER);
    let written = fill(&mut leashed).await;
    switch.pull(KillReason::UserDisabled);
    drop(leashed);
    let (came, ended) = rest(&mut peer).await;
    ended.expect("a farewell is a close, not a reset");
    assert_eq!(came.len(), written);
}

#[tokio::test]
async fn the_grace_ends_though_nobody_polls() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let leashed = Leashed::with_grace(ours, switch.clone(), BRIEF);
    switch.pull(KillReason::UserDisabled);
    in_time(switch.severed()).await;
    assert_reset(rest(&mut peer).await.1);
    drop(leashed);
}

#[tokio::test]
async fn the_grace_ends_for_a_peer_that_stopped_reading() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::with_grace(ours, switch.clone(), BRIEF);
    let written = fill(&mut leashed).await;
    switch.pull(KillReason::UserDisabled);
    drop(leashed);
    in_time(switch.severed()).await;
    let (came, ended) = rest(&mut peer).await;
    assert_reset(ended);
    assert!(came.len() < written, "{} of {written}", came.len());
}

#[tokio::test]
async fn the_grace_ends_for_a_peer_that_floods() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let leashed = Leashed::with_grace(ours, switch.clone(), BRIEF);
    let flood = tokio::spawn(async move { while peer.write_all(&[7; 65_536]).await.is_ok() {} });
    switch.pull(KillReason::UserDisabled);
    drop(leashed);
    in_time(switch.severed()).await;
    in_time(flood).await.unwrap();
}

#[tokio::test]
async fn a_stream_made_after_the_pull_may_still_say_goodbye() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    switch.pull(KillReason::UserDisabled);
    let mut leashed = Leashed::with_grace(ours, switch, FOREVER);
    leashed.write_all(b"Access ended").await.unwrap();
    drop(leashed);
    assert_eq!(rest(&mut peer).await.0, b"Access ended");
}

#[tokio::test]
async fn a_grace_that_begins_after_the_pull_ends_as_well() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    switch.pull(KillReason::UserDisabled);
    let mut leashed = Leashed::with_grace(ours, switch.clone(), BRIEF);
    in_time(switch.severed()).await;
    assert_cut(leashed.write_all(b"more").await);
    assert_reset(rest(&mut peer).await.1);
}

#[tokio::test]
async fn a_session_that_ends_by_itself_closes_as_the_peer_expects() {
    let (ours, mut peer) = pair().await;
    let switch = KillSwitch::new();
    let mut leashed = Leashed::new(ours, switch.clone());
    leashed.write_all(b"bye").await.unwrap();
    drop(leashed);
    let (came, ended) = rest(&mut peer).await;
    assert_eq!(came, b"bye");
    ended.expect("a plain end is no reset");
    switch.pull(KillReason::UserDisabled);
    assert_eq!(in_time(switch.severed()).await, Duration::ZERO);
}

/// A stream whose poll panics once, as a library's bug would.
struct Panics(tokio::io::DuplexStream);

impl AsyncRead for Panics {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        panic!("a bug in a stream");
    }
}

impl AsyncWrite for Panics {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_panic_inside_a_poll_does_not_keep_the_stream_alive() {
    let (ours, mut peer) = duplex(64);
    let switch = KillSwitch::new();
    let leashed = Leashed::new(Panics(ours), switch.clone());
    let (mut read, write) = split(leashed);
    let bug = tokio::spawn(async move { read.read_u8().await.map(drop) });
    assert!(in_time(bug).await.unwrap_err().is_panic());
    switch.pull(KillReason::UserDisabled);
    assert_eq!(in_time(peer.read(&mut [0])).await.unwrap(), 0);
    drop(write);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_interleaving_of_pull_and_traffic_leaves_a_stream_open() {
    for round in 0..150_u32 {
        let (ours, mut peer) = pair().await;
        let switch = KillSwitch::new();
        let puller = tokio::spawn({
            let switch = switch.clone();
            async move {
                for _ in 0..round % 13 {
                    yield_now().await;
                }
                switch.pull(KillReason::UserDisabled);
            }
        });
        let user = tokio::spawn({
            let switch = switch.clone();
            async move {
                for _ in 0..round % 7 {
                    yield_now().await;
                }
                let leashed = match round % 2 {
                    0 => Leashed::new(ours, switch),
                    _ => Leashed::with_grace(ours, switch, Duration::from_millis(1)),
                };
                let (mut read, mut write) = split(leashed);
                let writer =
                    tokio::spawn(
                        async move { while write.write_all(&[7; 4_096]).await.is_ok() {} },
                    );
                while read
                    .read(&mut [0; 4_096])
                    .await
                    .is_ok_and(|count| count > 0)
                {}
                writer.await.unwrap();
            }
        });
        let mut buffer = [0; 4_096];
        // Half of the peers read and answer, the other half have stopped.
        if round % 4 < 2 {
            in_time(async {
                while let Ok(1..) = peer.read(&mut buffer).await {
                    if peer.write_all(b"more").await.is_err() {
                        break;
                    }
                }
            })
            .await;
        }
        in_time(user).await.unwrap();
        in_time(puller).await.unwrap();
        in_time(switch.severed()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_reason_wins() {
    for _ in 0..100 {
        let switch = KillSwitch::new();
        let waiting = tokio::spawn({
            let switch = switch.clone();
            async move { switch.killed().await }
        });
        let pullers: Vec<_> = [
            KillReason::UserDisabled,
            KillReason::TargetGone,
            KillReason::Shutdown,
        ]
        .into_iter()
        .map(|reason| {
            let switch = switch.clone();
            tokio::spawn(async move { switch.pull(reason.clone()).then_some(reason) })
        })
        .collect();
        let mut first = Vec::new();
        for puller in pullers {
            first.extend(in_time(puller).await.unwrap());
        }
        assert_eq!(first.len(), 1);
        assert_eq!(in_time(waiting).await.unwrap(), first[0]);
        assert_eq!(switch.reason().as_ref(), first.first());
        // Whoever asks later gets the same answer.
        assert_eq!(in_time(switch.killed()).await, first[0]);
    }
}

fn checkout(number: u8) -> CheckoutId {
    CheckoutId::new(Timestamp::from_millis(0), [number; 10])
}

fn user(number: u8) -> UserId {
    UserId::new(Timestamp::from_millis(0), [number; 10])
}

fn target(number: u8) -> TargetId {
    TargetId::new(Timestamp::from_millis(0), [number; 10])
}

fn session(number: u8) -> SessionId {
    SessionId::new(Timestamp::from_millis(0), [number; 10])
}

proptest! {
    /// ADVERSARIAL: overlapping check-outs of one person on one target end each for itself.
    #[test]
    fn a_pull_ends_what_it_names_and_nothing_else(
        rows in proptest::collection::vec((0..4_u8, 0..3_u8, 0..3_u8), 0..20),
        which in 0..4_u8,
        kind in 0..4_u8,
    ) {
        let board = Switchboard::new();
        let live: Vec<_> = rows
            .iter()
            .zip(0..)
            .map(|(&(c, u, t), s)| {
                let switch = KillSwitch::new();
                let kept = board.register(checkout(c), user(u), target(t), session(s), switch.clone());
                (switch, kept)
            })
            .collect();
        let reason = KillReason::UserDisabled;
        let ended = match kind {
            0 => board.pull_checkout(&checkout(which), reason),
            1 => board.pull_user(&user(which), reason),
            2 => board.pull_target(&target(which), reason),
            _ => board.pull_session(&session(which), reason),
        };
        let mut expected = 0;
        for ((switch, _), (&(c, u, t), s)) in live.iter().zip(rows.iter().zip(0_u8..)) {
            let named = match kind { 0 => c, 1 => u, 2 => t, _ => s } == which;
            prop_assert_eq!(switch.is_pulled(), named);
            expected += usize::from(named);
        }
        prop_assert_eq!(ended, expected);
    }
}

#[tokio::test]
async fn the_switchboard_knows_what_is_live_and_when_it_is_drained() {
    let board = Switchboard::new();
    in_time(board.drained()).await;
    let one = board.register(
        checkout(1),
        user(1),
        target(1),
        session(1),
        KillSwitch::new(),
    );
    let two = board.register(
        checkout(1),
        user(1),
        target(1),
        session(2),
        KillSwitch::new(),
    );
    let other = board.register(
        checkout(2),
        user(1),
        target(1),
        session(3),
        KillSwitch::new(),
    );
    assert_eq!(board.live_checkouts(), [checkout(1), checkout(2)]);
    assert_eq!(board.live_sessions(&checkout(1)), 2);
    drop(one);
    assert_eq!(board.live_sessions(&checkout(1)), 1);
    // A session pulled before is not counted again.
    assert_eq!(
        board.pull_checkout(&checkout(1), KillReason::UserDisabled),
        1
    );
    assert_eq!(board.pull_all(KillReason::Shutdown), 1);
    let drained = tokio::spawn({
        let board = board.clone();
        async move { board.drained().await }
    });
    yield_now().await;
    assert!(!drained.is_finished());
    drop((two, other));
    in_time(drained).await.unwrap();
    assert_eq!(board.live_checkouts(), []);
}

#[tokio::test]
async fn a_closed_switchboard_lets_nobody_register_alive() {
    let board = Switchboard::new();
    let before = KillSwitch::new();
    let _before = board.register(checkout(1), user(1), target(1), session(1), before.clone());
    assert_eq!(board.close(KillReason::Shutdown), 1);
    let after = KillSwitch::new();
    let _after = board.register(checkout(2), user(1), target(1), session(2), after.clone());
    assert_eq!(before.reason(), Some(KillReason::Shutdown));
    assert_eq!(after.reason(), Some(KillReason::Shutdown));
}
