//! Asking: what a person fills in, held against the terms of the place it is for.

use serde::{Deserialize, Serialize};

use super::{Asked, Checkout, State, Window};
use crate::model::{
    ids::{CheckoutId, Code},
    name::UserName,
    policy::{Mode, Policy, Reveal, Terms},
    principal::{Principal, Role, Scope},
    refusal::Refusal,
    target::{Account, Target},
    text::Text,
    ticket::TicketRef,
    time::{Span, Timestamp},
};

/// What the person fills in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ask {
    pub asked: Asked,
    pub reason: Text,
    pub ticket: Option<TicketRef>,
    pub duration: Option<Span>,
    pub window: Option<Window>,
    pub approver: Option<UserName>,
}

/// What it is asked for, and the policy that rules there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub target: Target,
    pub account: Account,
    pub policy: Policy,
}

impl Place {
    /// Whether the terms let somebody ask here.
    pub fn may_ask(&self, by: &Principal) -> bool {
        by.is(Role::Requester)
            && self.policy.terms.lets_ask(&by.groups)
            && !self.target.disabled
            && !self.account.disabled
    }
}

impl Checkout {
    /// A new request of `by`; active at once where the terms need no vote.
    pub fn request(
        id: CheckoutId,
        code: Code,
        ask: Ask,
        by: &Principal,
        place: &Place,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if !by.is(Role::Requester) || !by.may(Scope::Request) {
            return Err(Refusal::NotAllowed("requester"));
        }
        place.open_to(by)?;
        let terms = &place.policy.terms;
        place.justified(&ask)?;
        place.allows_asked(&ask.asked)?;
        if ask.approver.is_some() && (!terms.approver_choice || terms.votes_needed() != 1) {
            return Err(Refusal::ApproverNotTaken(place.policy.name.clone()));
        }
        let duration = place.duration(&ask, now)?;
        let ttl_over = now + terms.request_ttl;
        let requested = Self {
            id,
            code,
            requester: by.user.clone(),
            requester_name: by.name.clone(),
            person: by.person.clone(),
            target: place.target.id.clone(),
            target_name: place.target.name.clone(),
            account: place.account.id.clone(),
            account_name: place.account.name.clone(),
            asked: ask.asked,
            reason: ask.reason,
            ticket: ask.ticket,
            approver: ask.approver,
            granted_by: None,
            policy: place.policy.name.clone(),
            terms: terms.clone(),
            duration,
            window: ask.window,
            requested_at: now,
            lapses_at: ask
                .window
                .map_or(ttl_over, |window| ttl_over.min(window.ends_at)),
            votes: Vec::new(),
            extension: None,
            state: State::Requested,
            version: 1,
        };
        Ok(requested.open_when_voted(now))
    }

    /// A check-out that `by` gives to `holder` unasked: a request with the giver's vote on it.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different noun of one sentence"
    )]
    pub fn grant_to(
        id: CheckoutId,
        code: Code,
        ask: Ask,
        holder: &Principal,
        by: Principal,
        other_approvers: usize,
        place: &Place,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        // Whoever answers nothing here is told of no place, except those who see them all.
        let sees_all = by.is(Role::Admin) || by.is(Role::Auditor);
        if !place.policy.terms.ask_for_answer(&by) && !sees_all {
            return Err(Refusal::NoSuchTarget(place.target.name.to_string()));
        }
        if !place.policy.terms.grant_without_request {
            return Err(Refusal::GrantNotAllowed(place.policy.name.clone()));
        }
        let message = ask.reason.clone();
        let mut checkout = Self::request(id, code, ask, holder, place, now)?;
        checkout.granted_by = Some(by.name.clone());
        if checkout.state != State::Requested {
            // No vote is needed, but giving still needs the right to approve.
            checkout.eligible(&by)?;
            by.fresh(checkout.terms.approve_factor_within, now)?;
            return Ok(checkout);
        }
        let version = checkout.version;
        let approve = super::Command::Approve {
            by,
            duration: None,
            message,
            other_approvers,
        };
        let mut granted = checkout.apply(approve, now)?;
        granted.version = version;
        Ok(granted)
    }
}

impl Place {
    /// Whether `by` may ask here at all, whatever they will write.
    pub fn open_to(&self, by: &Principal) -> Result<(), Refusal> {
        let Self {
            target,
            account,
            policy,
        } = self;
        let terms = &policy.terms;
        if !terms.requesters.is_empty() && terms.requesters.is_disjoint(&by.groups) {
            return Err(Refusal::MayNotAsk(policy.name.clone()));
        }
        if !terms.checkout {
            return Err(Refusal::CheckoutOff(policy.name.clone()));
        }
        if target.disabled {
            return Err(Refusal::TargetDisabled(target.name.clone()));
        }
        if account.disabled {
            return Err(Refusal::AccountDisabled(account.name.clone()));
        }
        if account.secret.is_none() {
            return Err(Refusal::NoSecret(account.name.clone()));
        }
        Ok(())
    }

    fn justified(&self, ask: &Ask) -> Result<(), Refusal> {
        self.takes_reason(&ask.reason)?;
        self.takes_ticket(ask.ticket.as_ref())
    }

    pub fn takes_reason(&self, reason: &Text) -> Result<(), Refusal> {
        match (self.policy.terms.reason, reason.is_empty()) {
            (Mode::Required, true) => Err(Refusal::ReasonMissing),
            (Mode::None, false) => Err(Refusal::ReasonNotTaken(self.policy.name.clone())),
            (Mode::None, true) | (Mode::Optional, _) | (Mode::Required, false) => Ok(()),
        }
    }

    pub fn takes_ticket(&self, ticket: Option<&TicketRef>) -> Result<(), Refusal> {
        let terms = &self.policy.terms;
        match (terms.ticket, ticket) {
            (Mode::Required, None) => return Err(Refusal::TicketMissing),
            (Mode::None, Some(_)) => return Err(Refusal::TicketNotTaken(self.policy.name.clone())),
            (Mode::None | Mode::Optional, None) | (Mode::Optional | Mode::Required, Some(_)) => {}
        }
        match (ticket, &terms.ticket_pattern) {
            (Some(ticket), Some(pattern)) if !pattern.matches(ticket) => {
                Err(Refusal::TicketFormat {
                    ticket: ticket.to_string(),
                    pattern: pattern.as_str().to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    fn allows_asked(&self, asked: &Asked) -> Result<(), Refusal> {
        let policy = &self.policy;
        match asked {
            Asked::Use => Ok(()),
            Asked::Reveal if policy.terms.reveal == Reveal::OnCheckout => Ok(()),
            Asked::Reveal => Err(Refusal::RevealNotAllowed(policy.name.clone())),
            Asked::Set(name) if policy.terms.permission_sets.contains_key(name) => Ok(()),
            Asked::Set(name) => Err(Refusal::NoSuchPermissionSet {
                policy: policy.name.clone(),
                name: name.clone(),
            }),
        }
    }

    fn duration(&self, ask: &Ask, now: Timestamp) -> Result<Span, Refusal> {
        let terms = &self.policy.terms;
        let Some(window) = ask.window else {
            return terms.fits(ask.duration.unwrap_or(terms.default_duration));
        };
        if !terms.custom_window {
            return Err(Refusal::WindowNotTaken(self.policy.name.clone()));
        }
        if window.ends_at <= window.starts_at || window.ends_at <= now {
            return Err(Refusal::WindowBackwards);
        }
        if window.starts_at > now + terms.window_ahead {
            return Err(Refusal::WindowTooFar(terms.window_ahead));
        }
        terms.fits(window.length())
    }
}

impl Terms {
    /// The same duration, if it lies between the minimum and the maximum.
    pub fn fits(&self, asked: Span) -> Result<Span, Refusal> {
        if asked > self.maximum_duration {
            return Err(Refusal::TooLong {
                asked,
                maximum: self.maximum_duration,
            });
        }
        if asked < self.minimum_duration {
            return Err(Refusal::TooShort {
                asked,
                minimum: self.minimum_duration,
            });
        }
        Ok(asked)
    }
}
