//! The life cycle: one command, one check-out in, one check-out or one refusal out.
//!
//! Every pair of state and command is named; what is not named is refused.

use super::{Checkout, Command, End, EndReason, Extension, GATEWAY, State, Vote, Window};
use crate::model::{
    principal::{Principal, Scope},
    refusal::Refusal,
    text::Text,
    time::{Span, Timestamp},
};

impl Checkout {
    pub fn apply(self, command: Command, now: Timestamp) -> Result<Self, Refusal> {
        let version = self.version;
        let mut next = self.step(command, now)?;
        next.version = version + 1;
        Ok(next)
    }

    fn step(self, command: Command, now: Timestamp) -> Result<Self, Refusal> {
        let state = self.state.clone();
        match (state, command) {
            (State::Ended { end, .. }, _) => Err(Refusal::AlreadyEnded(end.reason)),
            (_, Command::Tick) => self.tick(now),
            // The clock decides before any person does: what is over takes no command, swept or not.
            (State::Requested, _) if now >= self.lapses_at => Err(Refusal::Lapsed),
            (State::Active { grant } | State::Approved { grant }, _) if now >= grant.ends_at => {
                Err(Refusal::AlreadyEnded(EndReason::Expired))
            }
            (_, Command::Withdraw { message }) => {
                Ok(self.ended(EndReason::Revoked, GATEWAY, message, now))
            }

            (
                State::Requested,
                Command::Approve {
                    by,
                    duration,
                    message,
                    other_approvers,
                },
            ) => self.approve(&by, duration, message, other_approvers, now),
            (State::Requested, Command::Deny { by, message }) => self.deny(&by, message, now),
            (State::Requested, Command::Assign { by, to }) => self.assign(&by, &to),
            (State::Requested | State::Approved { .. }, Command::Cancel { by, message }) => {
                self.own(&by)?;
                Ok(self.ended(EndReason::Cancelled, by.name.as_str(), message, now))
            }
            (State::Requested, Command::Revoke { by, message }) => self.deny(&by, message, now),
            (State::Requested, Command::CheckIn { .. } | Command::Extend { .. }) => {
                Err(Refusal::NotActive)
            }

            (State::Approved { .. } | State::Active { .. }, Command::Revoke { by, message }) => {
                if !self.may_end(&by) {
                    return Err(Refusal::NotAnApprover);
                }
                Ok(self.ended(EndReason::Revoked, by.name.as_str(), message, now))
            }
            (
                State::Approved { .. },
                Command::Deny { .. } | Command::Approve { .. } | Command::Assign { .. },
            ) => Err(Refusal::NothingPending),
            (State::Approved { .. }, Command::CheckIn { .. } | Command::Extend { .. }) => {
                Err(Refusal::NotActive)
            }

            (
                State::Active { grant },
                Command::Approve {
                    by,
                    duration,
                    message,
                    other_approvers,
                },
            ) => self.approve_extension(grant, &by, duration, message, other_approvers, now),
            (State::Active { .. }, Command::Deny { by, .. }) => self.deny_extension(&by),
            (State::Active { .. }, Command::Cancel { by, .. }) => {
                self.own(&by)?;
                Err(Refusal::CheckInInstead)
            }
            (State::Active { .. }, Command::Assign { .. }) => Err(Refusal::NothingPending),
            (
                State::Active { grant },
                Command::Extend {
                    by,
                    duration,
                    reason,
                },
            ) => self.extend(grant, &by, duration, reason, now),
            (
                State::Active { .. },
                Command::CheckIn {
                    by,
                    message,
                    live_sessions,
                },
            ) => self.check_in(&by, message, live_sessions, now),
            (State::Active { .. }, Command::LastSessionClosed)
                if self.terms.check_in_after_last_session =>
            {
                let message = Text::ours("its last session closed");
                Ok(self.ended(EndReason::CheckedIn, GATEWAY, message, now))
            }
            (_, Command::LastSessionClosed) => Err(Refusal::NothingDue),
        }
    }

    fn tick(self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state.clone() {
            State::Requested if now >= self.lapses_at => {
                let message = Text::ours("nobody answered in time");
                Ok(self.ended(EndReason::Lapsed, GATEWAY, message, now))
            }
            State::Approved { grant } | State::Active { grant } if now >= grant.ends_at => {
                Ok(self.ended(EndReason::Expired, GATEWAY, Text::default(), now))
            }
            State::Approved { grant } if now >= grant.starts_at => Ok(Self {
                state: State::Active { grant },
                ..self
            }),
            _ => Err(Refusal::NothingDue),
        }
    }

    fn approve(
        mut self,
        by: &Principal,
        duration: Option<Span>,
        message: Text,
        other_approvers: usize,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let duration = self.terms.fits(duration.unwrap_or(self.duration))?;
        let vote = self.vote(by, duration, message, other_approvers, now)?;
        self.votes.push(vote);
        Ok(self.open_when_voted(now))
    }

    /// One no is enough, from anybody who could say yes; an own request is cancelled instead.
    fn deny(self, by: &Principal, message: Text, now: Timestamp) -> Result<Self, Refusal> {
        if !self.may_end(by) {
            return Err(Refusal::NotAnApprover);
        }
        Ok(self.ended(EndReason::Denied, by.name.as_str(), message, now))
    }

    fn assign(mut self, by: &Principal, to: &Principal) -> Result<Self, Refusal> {
        if !self.may_end(by) {
            return Err(Refusal::NotAnApprover);
        }
        // Whoever may not answer it does not choose who does.
        self.independent(by, usize::MAX)?;
        self.approver = Some(to.name.clone());
        match self.may_vote(to, usize::MAX) {
            Ok(_) => Ok(self),
            Err(_) => Err(Refusal::ApproverUnfit(to.name.to_string())),
        }
    }

    fn extend(
        mut self,
        grant: Window,
        by: &Principal,
        duration: Span,
        reason: Text,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        self.own(by)?;
        if !self.terms.extension {
            return Err(Refusal::NoExtension(self.policy.clone()));
        }
        if self.extension.is_some() {
            return Err(Refusal::ExtensionPending);
        }
        self.room_for(grant, duration)?;
        self.extension = Some(Extension {
            duration,
            reason,
            asked_at: now,
            votes: Vec::new(),
        });
        Ok(self.lengthen_when_voted(grant))
    }

    fn approve_extension(
        mut self,
        grant: Window,
        by: &Principal,
        duration: Option<Span>,
        message: Text,
        other_approvers: usize,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let asked = self
            .extension
            .as_ref()
            .ok_or(Refusal::NothingPending)?
            .duration;
        let duration = self.room_for(grant, duration.unwrap_or(asked))?;
        let vote: Vote = self.vote(by, duration, message, other_approvers, now)?;
        if let Some(extension) = &mut self.extension {
            extension.votes.push(vote);
        }
        Ok(self.lengthen_when_voted(grant))
    }

    fn deny_extension(mut self, by: &Principal) -> Result<Self, Refusal> {
        if self.extension.is_none() {
            return Err(Refusal::NothingPending);
        }
        if !self.may_end(by) {
            return Err(Refusal::NotAnApprover);
        }
        self.extension = None;
        Ok(self)
    }

    fn lengthen_when_voted(mut self, grant: Window) -> Self {
        let Some(extension) = &self.extension else {
            return self;
        };
        if self.open_stage(&extension.votes).is_some() {
            return self;
        }
        let shortest = extension.votes.iter().map(|vote| vote.duration).min();
        let more = shortest.unwrap_or(extension.duration);
        let ends_at = grant.ends_at + more;
        self.extension = None;
        self.state = State::Active {
            grant: Window { ends_at, ..grant },
        };
        self
    }

    /// INVARIANT: from its start to its end no check-out is longer than the policy's maximum.
    fn room_for(&self, grant: Window, asked: Span) -> Result<Span, Refusal> {
        let last = grant.starts_at + self.terms.maximum_duration;
        let left = Span::whole(last.since(grant.ends_at));
        if asked.is_zero() {
            return Err(Refusal::TooShort {
                asked,
                minimum: Span::seconds(1),
            });
        }
        if asked > left {
            Err(Refusal::ExtensionTooLong { asked, left })
        } else {
            Ok(asked)
        }
    }

    fn check_in(
        self,
        by: &Principal,
        message: Text,
        live_sessions: usize,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let owner = self.own(by).is_ok();
        if !owner && !self.may_end(by) {
            return Err(Refusal::NotYours);
        }
        if owner && live_sessions > 0 && !self.terms.end_sessions_on_check_in {
            return Err(Refusal::SessionsLive(live_sessions));
        }
        Ok(self.ended(EndReason::CheckedIn, by.name.as_str(), message, now))
    }

    fn own(&self, by: &Principal) -> Result<(), Refusal> {
        if by.user != self.requester {
            return Err(Refusal::NotYours);
        }
        if by.may(Scope::Request) {
            Ok(())
        } else {
            Err(Refusal::NotAllowed("request"))
        }
    }

    fn ended(mut self, reason: EndReason, by: &str, message: Text, now: Timestamp) -> Self {
        let grant = self.grant().copied();
        self.extension = None;
        self.state = State::Ended {
            end: End {
                reason,
                at: now,
                by: by.to_owned(),
                message,
            },
            grant,
        };
        self
    }
}
