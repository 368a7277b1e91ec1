//! Somebody has asked and waits: what stands, who may answer, and word of it when it changes.
//!
//! The page is the same whether a script listens or the browser asks again every few seconds.

use std::{sync::Arc, time::Duration};

use futures::stream;
use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{self, HeaderValue},
};

use super::{ask::signed_in_as, shown};
use crate::{
    broker::web::{
        answer::Answer, body::Body, callers::Caller, host::Place, proxy::Proxy, unread::Unread,
        visit::Visit,
    },
    model::{
        checkout::{Checkout, EndReason, State},
        name::{AccountName, UserName},
        time::Timestamp,
    },
    page::{Fields, Page, escaped, sentence},
    session::Filed,
};

/// Where no script runs the browser asks again so often.
const AGAIN: u32 = 4;

/// So that nothing on the way takes the stream for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// After so many signs of life a browser is to come again, and be looked at again.
const SIGNS: u32 = 40;

/// So many approvers are named.
const NAMED: usize = 5;

/// Loads the page again when word comes that something is different.
const SCRIPT: &str = "\
const waits=document.getElementById('waits');\
const events=new EventSource(waits.dataset.events);\
events.addEventListener('changed',()=>{events.close();location.reload()});";

impl Proxy {
    /// Tells a page that waits as soon as its check-out is another than it shows.
    pub async fn events(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let caller = self.looking(visit, place, request).await?;
        let query = request.uri().query().unwrap_or_default();
        let fields = Fields::read(query.as_bytes());
        let fields = fields.map_err(|error| Answer::bad_request("form", error.to_string()))?;
        let account: Option<AccountName> = fields.of("account").parse().ok();
        let known = self.still(&caller, place, account.as_ref(), &fields).await;
        let gate = self.gate.clone();
        let words = stream::unfold((known, 0), move |(known, signs)| {
            let gate = gate.clone();
            async move {
                let word = match &known {
                    _ if signs >= SIGNS => return None,
                    Some(checkout) => {
                        let changed = gate.changed(checkout);
                        match tokio::time::timeout(SIGN_OF_LIFE, changed).await {
                            Ok(_) => CHANGED,
                            Err(_) => ":\n\n",
                        }
                    }
                    None => CHANGED,
                };
                let over = if word == CHANGED { SIGNS } else { signs + 1 };
                Some((Bytes::from_static(word.as_bytes()), (known, over)))
            }
        });
        let mut response = Response::new(Body::words(words));
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("text/event-stream");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// What the page shows, if it still stands so.
    async fn still(
        &self,
        caller: &Caller,
        place: &Place,
        account: Option<&AccountName>,
        fields: &Fields,
    ) -> Option<Checkout> {
        let (by, target) = (&caller.principal, place.target.as_str());
        let standing = self.gate.standing(by, target, account).await;
        standing.ok().flatten().filter(|checkout| {
            let same = checkout.version.to_string() == fields.of("version");
            same && checkout.code.as_str() == fields.of("checkout") && !checkout.is_active()
        })
    }
}

const CHANGED: &str = "event: changed\ndata: {}\n\n";

/// What stands, and who may answer it.
pub fn page(filed: &Filed, by: &UserName) -> Response<Body> {
    let Filed {
        checkout,
        approvers,
        ..
    } = filed;
    let Checkout {
        code, account_name, ..
    } = checkout;
    let title = match &checkout.state {
        State::Approved { .. } => format!("Approved: {code}"),
        _ => format!("Waiting for an answer: {code}"),
    };
    let waits = match &checkout.state {
        State::Approved { grant } => format!("It begins at {}.", hour(grant.starts_at)),
        _ if approvers.is_empty() => "Nobody may approve it now.".to_owned(),
        _ => format!("{} may approve it.", any_of(approvers)),
    };
    let mut facts = String::new();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.push_str(&format!("<dt>{name}</dt><dd>{}</dd>", escaped(value)));
        }
    };
    fact("Check-out", code.as_str());
    fact("Target", checkout.target_name.as_str());
    fact("Account", account_name.as_str());
    let ticket = checkout.ticket.as_ref().map(ToString::to_string);
    fact("Ticket", &ticket.unwrap_or_default());
    fact("Reason", &checkout.reason.one_line());
    fact("For", &checkout.duration.to_string());
    fact("Asked at", &hour(checkout.requested_at));
    let page = Page::new(&title)
        .again_without_script(AGAIN)
        .holds(&format!(
            "<p id=\"waits\" class=\"wait\" role=\"status\" \
             data-events=\"/.doorward/events?checkout={code}&amp;version={}&amp;account={}\">{}</p>\n\
             <dl>{facts}</dl>\n\
             <p class=\"hint\">This page goes on by itself to the address that you opened.</p>\n\
             <form method=\"post\" action=\"/.doorward/cancel\">\
             <input type=\"hidden\" name=\"checkout\" value=\"{code}\">\
             <input type=\"hidden\" name=\"account\" value=\"{}\">\
             <button class=\"quiet\">Take the request back</button></form>\n",
            checkout.version,
            escaped(account_name.as_str()),
            escaped(&waits),
            escaped(account_name.as_str()),
        ))
        .holds(&signed_in_as(by))
        .runs(SCRIPT);
    shown(StatusCode::FORBIDDEN, &page, "'self'", Some(SCRIPT))
}

/// How the last one ended, as a sentence; none where nothing has.
pub fn how_it_ended(checkout: &Checkout) -> Option<String> {
    let end = checkout.end()?;
    let code = &checkout.code;
    let said = match end.message.is_empty() {
        true => String::new(),
        false => format!(": {}", end.message.one_line()),
    };
    Some(match end.reason {
        EndReason::Denied => sentence(&format!(
            "your request {code} was denied by {}{said}",
            end.by
        )),
        EndReason::Lapsed => format!("Nobody answered your request {code} in time."),
        EndReason::Cancelled => sentence(&format!(
            "your request {code} was taken back by {}{said}",
            end.by
        )),
        _ => sentence(&checkout.kill_reason()?.to_string()),
    })
}

fn hour(at: Timestamp) -> String {
    match at.utc() {
        Some(utc) => utc.format("%H:%M UTC").to_string(),
        None => at.to_string(),
    }
}

/// `bob`, `bob or carol`, `bob, carol, … or 3 more`.
fn any_of(names: &[UserName]) -> String {
    let mut named: Vec<String> = names.iter().take(NAMED).map(UserName::to_string).collect();
    if names.len() > NAMED {
        named.push(format!("{} more", names.len() - NAMED));
    }
    match named.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
    }
}
