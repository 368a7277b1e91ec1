//! What is said to somebody who has no check-out yet.
//!
//! Pure: sentences out of facts. Names who may answer, never what others asked for.

use super::super::person::{NO_PERMISSION, TRY_AGAIN, Told};
use crate::{
    model::{
        checkout::{Checkout, End, EndReason, State},
        ids::Code,
        name::{TargetName, UserName},
        refusal::Refusal,
        time::{Span, Timestamp},
        ways_in::WaysIn,
    },
    session::Filed,
};

/// So many approvers are named.
const NAMED: usize = 5;

/// Where somebody finds the gateway again.
#[derive(Debug, Clone)]
pub struct Signpost {
    pub user: UserName,
    pub ways_in: WaysIn,
}

impl Signpost {
    /// Where people look at a check-out.
    fn link(&self, code: &Code) -> String {
        format!("{}/checkouts/{code}", self.ways_in.console)
    }

    /// A command of the desk, as somebody types it who has nothing but `ssh`.
    fn desk(&self, words: &str) -> String {
        format!("ssh {} {words}", self.there())
    }

    /// The same for one that asks for more.
    fn desk_with_terminal(&self, words: &str) -> String {
        format!("ssh -t {} {words}", self.there())
    }

    fn there(&self) -> String {
        let Self { user, ways_in } = self;
        let host = ways_in.ssh.host();
        match ways_in.ssh.port() {
            22 => format!("{user}@{host}"),
            port => format!("-p {port} {user}@{host}"),
        }
    }
}

/// `root on db1`.
fn what(checkout: &Checkout) -> String {
    format!("{} on {}", checkout.account_name, checkout.target_name)
}

/// What was filed, who may answer and where: a few lines for somebody who waits.
pub fn filed(filed: &Filed, signpost: &Signpost) -> String {
    let Filed {
        checkout, joined, ..
    } = filed;
    let verb = match joined {
        true => "Already requested",
        false => "Requested",
    };
    let mut lines = format!("{verb} {}: {}", checkout.code, what(checkout));
    lines.push_str(&format!(" for {}.", checkout.duration));
    if checkout.state == State::Requested {
        lines.push_str(&format!(" {}", may_approve(&filed.approvers)));
        lines.push_str(&format!("\n{}", signpost.link(&checkout.code)));
    }
    lines
}

/// The line that moves.
pub fn waits(filed: &Filed, since: Timestamp, now: Timestamp) -> String {
    let Filed {
        checkout,
        approvers,
        ..
    } = filed;
    let waited = now.since(since).as_secs();
    let clock = format!("{}:{:02}", waited / 60, waited % 60);
    let what = match &checkout.state {
        State::Approved { grant } => format!("begins at {}", hour(grant.starts_at)),
        _ if approvers.is_empty() => "waits, and nobody may approve it now".to_owned(),
        _ => format!("waits for {}", any_of(approvers)),
    };
    format!("{clock}  {} {what}  (Ctrl-C to cancel)", checkout.code)
}

/// One line for a client that cannot be asked or cannot wait: the code, where, and how to wait.
pub fn come_back(filed: &Filed, signpost: &Signpost) -> Told {
    let Filed {
        checkout,
        approvers,
        ..
    } = filed;
    let code = &checkout.code;
    let stands = match &checkout.state {
        State::Approved { grant } => format!("begins at {}", hour(grant.starts_at)),
        _ => format!("waits for {} ({})", any_of(approvers), signpost.link(code)),
    };
    Told {
        sentence: format!(
            "Not yet: check-out {code} for {} {stands}. Wait for it and try again: {}",
            checkout.target_name,
            signpost.desk(&format!("wait {code}"))
        ),
        status: TRY_AGAIN,
    }
}

/// For whoever may be asked next, or may be a program that cannot.
pub fn asked_or_not(target: &TargetName, signpost: &Signpost) -> String {
    let desk = signpost.desk_with_terminal(&format!("request {target}"));
    format!("You have no check-out for {target}. Where nothing is asked below, ask with: {desk}")
}

/// One line where something is required that nobody could be asked for.
pub fn ask_first(target: &TargetName, signpost: &Signpost) -> Told {
    let refusal = Refusal::NoCheckout {
        target: target.to_string(),
    };
    let desk = signpost.desk_with_terminal(&format!("request {target}"));
    Told {
        sentence: format!("Refused: {refusal}, or: {desk}"),
        // Nothing stands that could be waited for.
        status: NO_PERMISSION,
    }
}

/// How a request ended that somebody waited for.
pub fn ended(checkout: &Checkout, end: &End) -> Told {
    let code = &checkout.code;
    let sentence = match (end.reason, end.message.is_empty()) {
        (EndReason::Lapsed, _) => format!("Nobody answered in time: {code} has lapsed"),
        (reason, true) => format!("{code} was {} by {}", reason.past_tense(), end.by),
        (reason, false) => format!(
            "{code} was {} by {}: {}",
            reason.past_tense(),
            end.by,
            end.message.one_line()
        ),
    };
    Told {
        sentence,
        status: NO_PERMISSION,
    }
}

/// The yes that was waited for.
pub fn opened(checkout: &Checkout) -> String {
    let until = match checkout.grant() {
        Some(grant) => format!(" until {}", hour(grant.ends_at)),
        None => String::new(),
    };
    let mut said = match checkout.votes.last() {
        Some(vote) => format!("Approved by {}{until}.", vote.name),
        None => format!("Open{until}."),
    };
    let messages = checkout
        .votes
        .iter()
        .filter(|vote| !vote.message.is_empty());
    for vote in messages {
        said.push_str(&format!(" {}: {}", vote.name, vote.message.one_line()));
    }
    said
}

/// The person went away and left the request.
pub fn left(filed: &Filed, signpost: &Signpost) -> Told {
    let code = &filed.checkout.code;
    Told {
        sentence: format!(
            "The request {code} stays. Wait again: {}; take it back: {}",
            signpost.desk(&format!("wait {code}")),
            signpost.desk(&format!("cancel {code}"))
        ),
        status: TRY_AGAIN,
    }
}

pub fn refused(refusal: &Refusal) -> Told {
    let status = match refusal {
        Refusal::StoreLost | Refusal::ShuttingDown => TRY_AGAIN,
        _ => NO_PERMISSION,
    };
    Told {
        sentence: format!("Refused: {refusal}"),
        status,
    }
}

/// So many of one person's connections wait already.
pub fn too_many() -> Told {
    Told {
        sentence: "Too many of your connections wait for an answer already".to_owned(),
        status: TRY_AGAIN,
    }
}

/// Nothing was asked for in all the time there was.
pub fn nothing_asked(limit: Span) -> Told {
    Told {
        sentence: format!("Nothing was asked for within {limit}"),
        status: NO_PERMISSION,
    }
}

/// `15:20 UTC`: where the person is, nobody here knows.
pub fn hour(at: Timestamp) -> String {
    match at.utc() {
        Some(utc) => utc.format("%H:%M UTC").to_string(),
        None => at.to_string(),
    }
}

fn may_approve(approvers: &[UserName]) -> String {
    match approvers {
        [] => "Nobody may approve it now.".to_owned(),
        some => format!("{} may approve it.", any_of(some)),
    }
}

/// `bob`, `bob or carol`, `bob, carol, … or 3 more`.
fn any_of(names: &[UserName]) -> String {
    let mut named: Vec<String> = names.iter().take(NAMED).map(UserName::to_string).collect();
    if names.len() > NAMED {
        named.push(format!("{} more", names.len() - NAMED));
    }
    match named.split_last() {
        None => "nobody who could answer".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_answer_is_named_within_bounds() {
        let names = |count: usize| -> Vec<UserName> {
            let names = (0..count).map(|index| format!("user{index}").parse().unwrap());
            names.collect()
        };
        assert_eq!(any_of(&names(1)), "user0");
        assert_eq!(any_of(&names(3)), "user0, user1 or user2");
        assert_eq!(
            any_of(&names(8)),
            "user0, user1, user2, user3, user4 or 3 more"
        );
        assert_eq!(may_approve(&[]), "Nobody may approve it now.");
    }
}
