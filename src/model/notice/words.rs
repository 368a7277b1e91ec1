//! What a notice says, in words: one line, and the facts below it.
//!
//! Text without a form: whoever sends it as HTML or as a card escapes it there.

use super::{Event, Notice};
use crate::model::{name::UserName, time::Span};

/// The words of one notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// One line: a mail's subject.
    pub headline: String,
    /// What a person wants to know, each with its name.
    pub facts: Vec<(&'static str, String)>,
    /// Where it is answered or looked at; a path at the console.
    pub path: String,
    /// What the link does.
    pub link: &'static str,
}

/// The words for somebody who may answer, or who looks on; `reader` is the one told, if it is
/// a person.
pub fn words(notice: &Notice, reader: Option<&UserName>) -> Words {
    let facts = &notice.facts;
    let who = facts.requester.as_ref();
    let own = who.is_some() && who == reader;
    let place = match (&facts.account, &facts.target) {
        (Some(account), Some(target)) => format!("{account}@{target}"),
        _ => String::new(),
    };
    let by = facts.by.as_deref().unwrap_or("the gateway");
    let whose = match (own, who) {
        (true, _) => "Your check-out".to_owned(),
        (false, Some(who)) => format!("{who}'s check-out"),
        (false, None) => "A check-out".to_owned(),
    };
    let name = who.map_or_else(String::new, ToString::to_string);
    let length = facts.duration.unwrap_or_default();
    let headline = match notice.event {
        Event::Requested => format!("{name} asks for {place} for {length}"),
        Event::HandedOver => format!("{by} hands you {name}'s request for {place}"),
        Event::Approved if own => format!("Approved: {place}"),
        Event::Approved => format!("{whose} of {place} is approved"),
        Event::Granted if own => format!("{by} gave you {place}"),
        Event::Granted => format!("{by} gave {name} {place}"),
        Event::Opened => format!("{whose} of {place} is open now"),
        Event::Denied => format!("{whose} of {place} is denied"),
        Event::Cancelled => format!("{name} took the request for {place} back"),
        Event::Lapsed if own => format!("Nobody answered your request for {place}"),
        Event::Lapsed => format!("Nobody answered {name}'s request for {place}"),
        Event::ExtensionRequested => format!("{name} asks for {length} more on {place}"),
        Event::Extended => format!("{whose} of {place} is longer now"),
        Event::ExtensionDenied => format!("{whose} of {place} gets no more time"),
        Event::EndingSoon => format!("{whose} of {place} ends soon"),
        Event::Expired => format!("{whose} of {place} has ended: its time is over"),
        Event::CheckedIn => format!("{whose} of {place} was checked in by {by}"),
        Event::Revoked => format!("{whose} of {place} was revoked by {by}"),
        Event::Test => format!("{by} tries this channel"),
    };
    let (path, link) = match &facts.code {
        Some(code) => (format!("/checkouts/{code}"), link(notice.event)),
        None => ("/".to_owned(), "Open the console"),
    };
    Words {
        headline: one_line(&headline),
        facts: lines(notice, by),
        path,
        link,
    }
}

fn link(event: Event) -> &'static str {
    match event {
        Event::Requested | Event::HandedOver | Event::ExtensionRequested => "Answer it",
        Event::Approved | Event::Granted | Event::Opened | Event::Extended => "Connect",
        Event::EndingSoon => "Ask for more time",
        _ => "Look at it",
    }
}

fn lines(notice: &Notice, by: &str) -> Vec<(&'static str, String)> {
    let facts = &notice.facts;
    let mut lines = Vec::new();
    if notice.event == Event::Test {
        lines.push((
            "What this is",
            "A test. Nobody asked for anything, and nothing has to be done.".to_owned(),
        ));
        return lines;
    }
    if let Some(who) = &facts.requester {
        lines.push(("Who", who.to_string()));
    }
    if let (Some(account), Some(target)) = (&facts.account, &facts.target) {
        lines.push(("What", format!("{account}@{target}")));
    }
    if !facts.reason.is_empty() {
        lines.push(("Reason", facts.reason.to_string()));
    }
    if let Some(ticket) = &facts.ticket {
        lines.push(("Ticket", ticket.to_string()));
    }
    if let Some(length) = facts.duration.filter(|length| *length != Span::default()) {
        lines.push(("For", length.to_string()));
    }
    if let Some(ends) = facts.ends_at.and_then(|at| at.utc()) {
        lines.push(("Until", ends.format("%Y-%m-%d %H:%M UTC").to_string()));
    }
    if by != "the gateway" && Some(by) != facts.requester.as_ref().map(|who| who.as_str()) {
        lines.push(("By", by.to_owned()));
    }
    if !facts.message.is_empty() {
        lines.push(("Message", facts.message.to_string()));
    }
    if let Some(code) = &facts.code {
        lines.push(("Check-out", code.to_string()));
    }
    lines
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
