//! Votes: who may give one, in which stage it counts, and what enough of them open.

use std::collections::BTreeSet;

use super::{Checkout, State, Vote, Window};
use crate::model::{
    name::GroupName,
    policy::{SelfApproval, Terms},
    principal::{Principal, Role, Scope},
    refusal::Refusal,
    text::Text,
    time::{Span, Timestamp},
};

impl Terms {
    /// Whether `by` is an approver of some stage.
    pub fn ask_for_answer(&self, by: &Principal) -> bool {
        if !by.may(Scope::Approve) {
            return false;
        }
        let as_approver = by.is(Role::Approver)
            && match self.groups_asked() {
                Some(asked) => asked.into_iter().any(|group| by.groups.contains(group)),
                None => true,
            };
        as_approver || (self.admins_approve && by.is(Role::Admin))
    }

    /// Of which groups an approver is asked in some stage; none means every approver is.
    pub fn groups_asked(&self) -> Option<BTreeSet<&GroupName>> {
        let stages = &self.approvals;
        let everybody = stages.is_empty() || stages.iter().any(|stage| stage.groups.is_empty());
        (!everybody).then(|| stages.iter().flat_map(|stage| &stage.groups).collect())
    }
}

impl Checkout {
    /// Whether `by` may answer this request at all, whatever was voted before.
    pub fn eligible(&self, by: &Principal) -> Result<(), Refusal> {
        if self.terms.ask_for_answer(by) {
            Ok(())
        } else {
            Err(Refusal::NotAnApprover)
        }
    }

    /// Whether `by` may end it for others: whoever could answer it, who did, and every admin.
    pub fn may_end(&self, by: &Principal) -> bool {
        let admin = by.is(Role::Admin) && (by.may(Scope::Admin) || by.may(Scope::Approve));
        let voted = self.votes.iter().any(|vote| vote.person == by.person);
        admin || self.eligible(by).is_ok() || (voted && by.may(Scope::Approve))
    }

    /// Whether `by` could cast a vote now on the request or on the extension that waits.
    pub fn may_vote(&self, by: &Principal, other_approvers: usize) -> Result<usize, Refusal> {
        self.eligible(by)?;
        self.independent(by, other_approvers)?;
        if let Some(chosen) = &self.approver
            && *chosen != by.name
            && !(self.terms.admins_approve && by.is(Role::Admin))
        {
            return Err(Refusal::AskedOfAnother(chosen.clone()));
        }
        let votes = self.open_votes();
        if votes.iter().any(|vote| vote.person == by.person) {
            return Err(Refusal::AlreadyVoted);
        }
        let stage = self.open_stage(votes).ok_or(Refusal::NothingPending)?;
        if self.counts_in(by, stage) {
            Ok(stage)
        } else {
            Err(Refusal::NotAnApprover)
        }
    }

    /// The vote of `by`, if it is theirs to give.
    pub(super) fn vote(
        &self,
        by: &Principal,
        duration: Span,
        message: Text,
        other_approvers: usize,
        now: Timestamp,
    ) -> Result<Vote, Refusal> {
        let stage = self.may_vote(by, other_approvers)?;
        by.fresh(self.terms.approve_factor_within, now)?;
        Ok(Vote {
            by: by.user.clone(),
            name: by.name.clone(),
            person: by.person.clone(),
            at: now,
            stage,
            duration,
            message,
        })
    }

    /// The request, opened if no vote is missing.
    pub(super) fn open_when_voted(mut self, now: Timestamp) -> Self {
        if self.open_stage(&self.votes).is_some() {
            return self;
        }
        // INVARIANT: the shortest authorised duration counts, so no vote is stretched by another.
        let shortest = self
            .votes
            .iter()
            .map(|vote| vote.duration)
            .min()
            .unwrap_or(self.duration);
        let starts_at = self.window.map_or(now, |window| window.starts_at.max(now));
        let ends_at = match self.window {
            Some(window) => window.ends_at.min(starts_at + shortest),
            None => starts_at + shortest,
        };
        let grant = Window { starts_at, ends_at };
        self.state = if starts_at > now {
            State::Approved { grant }
        } else {
            State::Active { grant }
        };
        self
    }

    /// The first stage that still lacks a vote.
    pub(super) fn open_stage(&self, votes: &[Vote]) -> Option<usize> {
        self.terms
            .approvals
            .iter()
            .enumerate()
            .find_map(|(index, stage)| {
                let cast = votes.iter().filter(|vote| vote.stage == index).count();
                (cast < stage.votes as usize).then_some(index)
            })
    }

    /// Which stage is asked now, of the request or of the extension that waits.
    pub fn asked_stage(&self) -> Option<usize> {
        self.open_stage(self.open_votes())
    }

    /// The votes on what is being decided now.
    fn open_votes(&self) -> &[Vote] {
        match (&self.state, &self.extension) {
            (State::Active { .. }, Some(extension)) => &extension.votes,
            _ => &self.votes,
        }
    }

    fn counts_in(&self, by: &Principal, stage: usize) -> bool {
        let Some(stage) = self.terms.approvals.get(stage) else {
            return false;
        };
        stage.groups.is_empty()
            || !stage.groups.is_disjoint(&by.groups)
            || (self.terms.admins_approve && by.is(Role::Admin))
    }

    /// INVARIANT: a request is answered by another human being unless the terms say so by name.
    pub(super) fn independent(
        &self,
        by: &Principal,
        other_approvers: usize,
    ) -> Result<(), Refusal> {
        let own = by.person == self.person || by.user == self.requester;
        let vouched = by.vouched_by.contains(&self.person);
        match self.terms.self_approval {
            SelfApproval::Always => Ok(()),
            SelfApproval::SoleApprover if other_approvers == 0 => Ok(()),
            _ if own => Err(Refusal::SelfApproval),
            _ if vouched => Err(Refusal::VouchedByRequester(by.name.clone())),
            _ => Ok(()),
        }
    }
}
