//! The life cycle as sentences, and as properties over any sequence of commands.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::{
    ids::PolicyId,
    permit::{Purpose, authorize},
    policy::{Mode, Policy, Reveal, SelfApproval, Stage},
    principal::{Proof, Role, Scope},
    refusal::Refusal,
    target::{Account, Protocol, SecretKind, Target},
};

const START: Timestamp = Timestamp::from_millis(1_900_000_000_000);

fn id(number: u8) -> [u8; 10] {
    [number; 10]
}

fn after(span: Span) -> Timestamp {
    START + span
}

/// A person with all four roles, so that only the rule under test stands in the way.
fn person(number: u8) -> Principal {
    let user = UserId::new(START, id(number));
    Principal {
        person: PersonId::from(&user),
        user,
        name: format!("user{number}").parse().unwrap(),
        vouched_by: Default::default(),
        roles: Role::ALL.into_iter().collect(),
        groups: BTreeSet::new(),
        scopes: Scope::ALL.into_iter().collect(),
        proof: Proof::Password,
        factor_at: None,
    }
}

fn alice() -> Principal {
    person(1)
}

fn bob() -> Principal {
    person(2)
}

fn carol() -> Principal {
    person(3)
}

fn place(terms: Terms) -> Place {
    assert_eq!(terms.check(), Ok(()));
    Place {
        target: Target {
            id: TargetId::new(START, id(10)),
            name: "db1".parse().unwrap(),
            protocol: Protocol::Ssh,
            address: "127.0.0.1:22".parse().unwrap(),
            host_keys: Vec::new(),
            web: None,
            rdp: None,
            policy: None,
            description: Text::default(),
            labels: Vec::new(),
            disabled: false,
            created_at: START,
        },
        account: Account {
            id: AccountId::new(START, id(11)),
            name: "root".parse().unwrap(),
            login: "root".to_owned(),
            targets: vec!["db1".parse().unwrap()],
            policy: None,
            secret: Some(SecretKind::Password),
            description: Text::default(),
            disabled: false,
            created_at: START,
        },
        policy: Policy {
            id: PolicyId::new(START, id(12)),
            name: "default".parse().unwrap(),
            description: Text::default(),
            is_default: true,
            terms,
        },
    }
}

fn ask() -> Ask {
    Ask {
        reason: "disk is full".parse().unwrap(),
        ticket: Some("CHG0012345".parse().unwrap()),
        ..Ask::default()
    }
}

fn request_of(by: &Principal, terms: Terms, ask: Ask) -> Result<Checkout, Refusal> {
    Checkout::request(
        CheckoutId::new(START, id(20)),
        Code::new(4, id(20)),
        ask,
        by,
        &place(terms),
        START,
    )
}

fn requested(terms: Terms) -> Checkout {
    request_of(&alice(), terms, ask()).unwrap()
}

fn approve(by: Principal) -> Command {
    Command::Approve {
        by,
        duration: None,
        message: Text::default(),
        other_approvers: 5,
    }
}

fn revoke(by: Principal) -> Command {
    Command::Revoke {
        by,
        message: Text::default(),
    }
}

fn active() -> Checkout {
    requested(Terms::default())
        .apply(approve(bob()), START)
        .unwrap()
}

fn terms(change: impl FnOnce(&mut Terms)) -> Terms {
    let mut terms = Terms::default();
    change(&mut terms);
    terms
}

fn two_votes() -> Terms {
    terms(|t| t.approvals[0].votes = 2)
}

#[test]
fn the_duration_begins_with_the_last_needed_vote() {
    let later = after(Span::minutes(10));
    let once = requested(two_votes()).apply(approve(bob()), START).unwrap();
    assert_eq!(once.state, State::Requested);
    let twice = once.apply(approve(carol()), later).unwrap();
    let grant = Window {
        starts_at: later,
        ends_at: later + Span::hours(1),
    };
    assert_eq!(twice.state, State::Active { grant });
}

#[test]
fn the_shortest_authorised_duration_counts() {
    let vote = |by, minutes| Command::Approve {
        by,
        duration: Some(Span::minutes(minutes)),
        message: Text::default(),
        other_approvers: 5,
    };
    let checkout = requested(two_votes())
        .apply(vote(bob(), 20), START)
        .unwrap();
    let checkout = checkout.apply(vote(carol(), 240), START).unwrap();
    assert_eq!(checkout.grant().unwrap().length(), Span::minutes(20));
}

#[test]
fn a_person_counts_once_whatever_account_they_use() {
    let mut bobs_other = person(9);
    bobs_other.person = bob().person;
    let once = requested(two_votes()).apply(approve(bob()), START).unwrap();
    assert_eq!(
        once.clone().apply(approve(bob()), START),
        Err(Refusal::AlreadyVoted)
    );
    assert_eq!(
        once.apply(approve(bobs_other), START),
        Err(Refusal::AlreadyVoted)
    );
}

#[test]
fn nobody_approves_their_own() {
    let refused = |by: Principal| {
        requested(Terms::default())
            .apply(approve(by), START)
            .unwrap_err()
    };
    let mut second_account = person(9);
    second_account.person = alice().person;
    let mut made_by_alice = person(8);
    made_by_alice.vouched_by = BTreeSet::from([carol().person, alice().person]);
    assert_eq!(refused(alice()), Refusal::SelfApproval);
    assert_eq!(refused(second_account), Refusal::SelfApproval);
    assert_eq!(
        refused(made_by_alice.clone()),
        Refusal::VouchedByRequester(made_by_alice.name)
    );
}

#[test]
fn self_approval_is_as_the_policy_names_it() {
    let sole = terms(|t| t.self_approval = SelfApproval::SoleApprover);
    let own = |others| Command::Approve {
        by: alice(),
        duration: None,
        message: Text::default(),
        other_approvers: others,
    };
    assert_eq!(
        requested(sole.clone()).apply(own(1), START),
        Err(Refusal::SelfApproval)
    );
    assert!(requested(sole).apply(own(0), START).unwrap().is_active());
    let always = terms(|t| t.self_approval = SelfApproval::Always);
    assert!(requested(always).apply(own(1), START).unwrap().is_active());
}

#[test]
fn stages_are_asked_one_after_the_other() {
    let group = |name: &str| BTreeSet::from([name.parse().unwrap()]);
    let staged = terms(|t| {
        t.approvals = vec![
            Stage {
                votes: 1,
                groups: group("leads"),
            },
            Stage {
                votes: 1,
                groups: group("security"),
            },
        ];
    });
    let (mut lead, mut guard) = (bob(), carol());
    lead.groups = group("leads");
    guard.groups = group("security");
    let waiting = requested(staged);
    assert_eq!(
        waiting.clone().apply(approve(guard.clone()), START),
        Err(Refusal::NotAnApprover)
    );
    assert_eq!(
        waiting.clone().apply(approve(person(5)), START),
        Err(Refusal::NotAnApprover)
    );
    let half = waiting.apply(approve(lead), START).unwrap();
    assert!(half.apply(approve(guard), START).unwrap().is_active());
}

#[test]
fn an_admin_is_no_approver_unless_the_policy_says_so() {
    let mut admin = bob();
    admin.roles = BTreeSet::from([Role::Admin]);
    let refused = requested(Terms::default()).apply(approve(admin.clone()), START);
    assert_eq!(refused, Err(Refusal::NotAnApprover));
    let allowed = terms(|t| t.admins_approve = true);
    assert!(
        requested(allowed)
            .apply(approve(admin), START)
            .unwrap()
            .is_active()
    );
}

#[test]
fn the_chosen_approver_alone_answers_until_it_is_handed_over() {
    let chosen = Ask {
        approver: Some(bob().name),
        ..ask()
    };
    let waiting = request_of(&alice(), Terms::default(), chosen).unwrap();
    assert_eq!(
        waiting.clone().apply(approve(carol()), START),
        Err(Refusal::AskedOfAnother(bob().name))
    );
    let handed = waiting
        .apply(
            Command::Assign {
                by: bob(),
                to: carol(),
            },
            START,
        )
        .unwrap();
    assert!(
        handed
            .clone()
            .apply(approve(carol()), START)
            .unwrap()
            .is_active()
    );
    let to_requester = handed.apply(
        Command::Assign {
            by: bob(),
            to: alice(),
        },
        START,
    );
    assert_eq!(
        to_requester,
        Err(Refusal::ApproverUnfit(alice().name.to_string()))
    );
}

#[test]
fn deny_wins_over_a_vote_already_cast() {
    let once = requested(two_votes()).apply(approve(bob()), START).unwrap();
    let denied = once
        .apply(
            Command::Deny {
                by: carol(),
                message: Text::default(),
            },
            START,
        )
        .unwrap();
    assert_eq!(denied.end().unwrap().reason, EndReason::Denied);
    assert_eq!(
        denied.apply(approve(bob()), START),
        Err(Refusal::AlreadyEnded(EndReason::Denied))
    );
}

#[test]
fn an_unanswered_request_lapses_even_before_anybody_swept() {
    let late = after(Span::hours(24));
    assert_eq!(
        requested(Terms::default()).apply(approve(bob()), late),
        Err(Refusal::Lapsed)
    );
    let swept = requested(Terms::default())
        .apply(Command::Tick, late)
        .unwrap();
    assert_eq!(swept.end().unwrap().reason, EndReason::Lapsed);
}

#[test]
fn a_window_keeps_its_own_start_and_end() {
    let window = Window {
        starts_at: after(Span::hours(2)),
        ends_at: after(Span::hours(3)),
    };
    let asked = Ask {
        window: Some(window),
        ..ask()
    };
    let waiting = request_of(&alice(), Terms::default(), asked).unwrap();
    let approved = waiting.apply(approve(bob()), START).unwrap();
    assert_eq!(approved.state, State::Approved { grant: window });
    assert_eq!(
        approved.clone().apply(Command::Tick, after(Span::hours(1))),
        Err(Refusal::NothingDue)
    );
    let open = approved.apply(Command::Tick, window.starts_at).unwrap();
    assert_eq!(open.state, State::Active { grant: window });
    assert_eq!(open.due(), Some(window.ends_at));
}

#[test]
fn a_window_approved_late_does_not_grow() {
    let window = Window {
        starts_at: after(Span::hours(2)),
        ends_at: after(Span::hours(3)),
    };
    let waiting = request_of(
        &alice(),
        Terms::default(),
        Ask {
            window: Some(window),
            ..ask()
        },
    )
    .unwrap();
    let late = after(Span::minutes(150));
    let open = waiting.clone().apply(approve(bob()), late).unwrap();
    assert_eq!(open.grant().unwrap().ends_at, window.ends_at);
    assert_eq!(
        waiting.apply(approve(bob()), window.ends_at),
        Err(Refusal::Lapsed)
    );
}

#[test]
fn an_extension_is_asked_for_voted_on_and_bounded() {
    let extend = |hours| Command::Extend {
        by: alice(),
        duration: Span::hours(hours),
        reason: Text::default(),
    };
    let ends_at = active().grant().unwrap().ends_at;
    let too_long = active().apply(extend(8), START);
    assert_eq!(
        too_long,
        Err(Refusal::ExtensionTooLong {
            asked: Span::hours(8),
            left: Span::hours(7)
        })
    );
    let asked = active().apply(extend(2), START).unwrap();
    assert_eq!(
        asked.grant().unwrap().ends_at,
        ends_at,
        "nothing changes before the vote"
    );
    assert_eq!(
        asked.clone().apply(extend(1), START),
        Err(Refusal::ExtensionPending)
    );
    assert_eq!(
        asked.clone().apply(approve(alice()), START),
        Err(Refusal::SelfApproval)
    );
    let longer = asked.clone().apply(approve(bob()), START).unwrap();
    assert_eq!(longer.grant().unwrap().ends_at, ends_at + Span::hours(2));
    let denied = asked
        .clone()
        .apply(
            Command::Deny {
                by: bob(),
                message: Text::default(),
            },
            START,
        )
        .unwrap();
    assert_eq!(
        (denied.grant().unwrap().ends_at, denied.extension),
        (ends_at, None)
    );
    let dead = asked.apply(approve(bob()), ends_at);
    assert_eq!(
        dead,
        Err(Refusal::AlreadyEnded(EndReason::Expired)),
        "approved after the end"
    );
}

#[test]
fn check_in_is_the_owners_or_forced_and_minds_live_sessions() {
    let check_in = |by, live_sessions| Command::CheckIn {
        by,
        message: Text::default(),
        live_sessions,
    };
    let strict = terms(|t| t.end_sessions_on_check_in = false);
    let open = requested(strict).apply(approve(bob()), START).unwrap();
    assert_eq!(
        open.clone().apply(check_in(alice(), 2), START),
        Err(Refusal::SessionsLive(2))
    );
    assert_eq!(
        open.clone()
            .apply(check_in(alice(), 0), START)
            .unwrap()
            .end()
            .unwrap()
            .by,
        "user1"
    );
    assert_eq!(
        open.clone()
            .apply(check_in(bob(), 2), START)
            .unwrap()
            .end()
            .unwrap()
            .by,
        "user2"
    );
    let mut stranger = person(7);
    stranger.roles = BTreeSet::from([Role::Requester]);
    assert_eq!(
        open.apply(check_in(stranger, 0), START),
        Err(Refusal::NotYours)
    );
}

#[test]
fn a_request_is_held_against_the_terms() {
    let refused = |change: fn(&mut Terms), edit: fn(&mut Ask)| {
        let mut asked = ask();
        edit(&mut asked);
        request_of(&alice(), terms(change), asked)
            .unwrap_err()
            .code()
    };
    assert_eq!(
        refused(|_| {}, |a| a.reason = Text::default()),
        "reason-missing"
    );
    assert_eq!(refused(|_| {}, |a| a.ticket = None), "ticket-missing");
    assert_eq!(
        refused(|t| t.ticket = Mode::None, |_| {}),
        "ticket-not-taken"
    );
    assert_eq!(
        refused(
            |t| t.ticket_pattern = Some("INC[0-9]+".parse().unwrap()),
            |_| {}
        ),
        "ticket-format"
    );
    assert_eq!(
        refused(|_| {}, |a| a.duration = Some(Span::hours(9))),
        "too-long"
    );
    assert_eq!(
        refused(|_| {}, |a| a.duration = Some(Span::seconds(1))),
        "too-short"
    );
    assert_eq!(
        refused(|_| {}, |a| a.asked = Asked::Reveal),
        "reveal-not-allowed"
    );
    assert_eq!(
        refused(|_| {}, |a| a.asked = Asked::Set("x".parse().unwrap())),
        "no-such-permission-set"
    );
    assert_eq!(refused(|t| t.checkout = false, |_| {}), "checkout-off");
    assert_eq!(
        refused(
            |t| t.requesters = BTreeSet::from(["dba".parse().unwrap()]),
            |_| {}
        ),
        "may-not-ask"
    );
    let far = Window {
        starts_at: after(Span::hours(24 * 40)),
        ends_at: after(Span::hours(24 * 40 + 1)),
    };
    let far = request_of(
        &alice(),
        Terms::default(),
        Ask {
            window: Some(far),
            ..ask()
        },
    );
    assert_eq!(far.unwrap_err().code(), "window-too-far");
}

#[test]
fn a_check_out_given_unasked_bears_the_givers_vote() {
    let give = |by, terms| {
        let id_ = CheckoutId::new(START, id(20));
        Checkout::grant_to(
            id_,
            Code::new(4, id(20)),
            ask(),
            &alice(),
            by,
            5,
            &place(terms),
            START,
        )
    };
    let given = give(bob(), Terms::default()).unwrap();
    assert!(given.is_active());
    assert_eq!(given.granted_by, Some(bob().name));
    assert_eq!(
        give(bob(), two_votes()).unwrap().state,
        State::Requested,
        "one vote is not two"
    );
    assert_eq!(give(alice(), Terms::default()), Err(Refusal::SelfApproval));
    let mut engineer = bob();
    engineer.roles = BTreeSet::from([Role::Requester]);
    assert_eq!(
        give(engineer, Terms::default()).unwrap_err().code(),
        "no-such-target"
    );
    let off = terms(|t| t.grant_without_request = false);
    assert_eq!(give(bob(), off).unwrap_err().code(), "grant-not-allowed");
}

#[test]
fn a_permit_needs_an_active_check_out_of_this_person_for_this_place() {
    let there = place(Terms::default());
    let try_as = |by: &Principal, checkout: &Checkout, now| {
        authorize(
            Purpose::Connect,
            by,
            checkout,
            &there.target,
            &there.account,
            0,
            now,
        )
        .map_err(|r| r.code())
    };
    let open = active();
    let ends_at = open.grant().unwrap().ends_at;
    assert_eq!(try_as(&alice(), &open, START).unwrap().until(), ends_at);
    assert_eq!(try_as(&bob(), &open, START).unwrap_err(), "no-checkout");
    assert_eq!(try_as(&alice(), &open, ends_at).unwrap_err(), "no-checkout");
    assert_eq!(
        try_as(&alice(), &requested(Terms::default()), START).unwrap_err(),
        "still-waiting"
    );
    let revoked = open.apply(revoke(bob()), START).unwrap();
    assert_eq!(
        try_as(&alice(), &revoked, START).unwrap_err(),
        "no-checkout"
    );
}

#[test]
fn a_permit_minds_sessions_purpose_and_disabled_places() {
    let limited = terms(|t| {
        t.maximum_sessions = Some(2);
        t.reveal = Reveal::OnCheckout;
    });
    let there = place(limited.clone());
    let open = requested(limited.clone())
        .apply(approve(bob()), START)
        .unwrap();
    let code = |purpose, place: &Place, checkout: &Checkout, live| {
        authorize(
            purpose,
            &alice(),
            checkout,
            &place.target,
            &place.account,
            live,
            START,
        )
        .map(|_| "allowed")
        .unwrap_or_else(|refusal| refusal.code())
    };
    assert_eq!(code(Purpose::Connect, &there, &open, 1), "allowed");
    assert_eq!(
        code(Purpose::Connect, &there, &open, 2),
        "too-many-sessions"
    );
    assert_eq!(code(Purpose::Reveal, &there, &open, 0), "asked-for-other");
    let reveal = request_of(
        &alice(),
        limited,
        Ask {
            asked: Asked::Reveal,
            ..ask()
        },
    )
    .unwrap();
    let reveal = reveal.apply(approve(bob()), START).unwrap();
    assert_eq!(code(Purpose::Reveal, &there, &reveal, 9), "allowed");
    assert_eq!(
        code(Purpose::Connect, &there, &reveal, 0),
        "asked-for-other"
    );
    let mut closed = there;
    closed.target.disabled = true;
    assert_eq!(code(Purpose::Connect, &closed, &open, 0), "target-disabled");
}

/// One step of a made-up history: who does what, after how many minutes.
#[derive(Debug, Clone)]
struct Step {
    who: u8,
    what: u8,
    minutes: u64,
    length: u64,
    live: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..6_u8, 0..10_u8, 0..200_u64, 0..600_u64, 0..3_usize).prop_map(
        |(who, what, minutes, length, live)| Step {
            who,
            what,
            minutes,
            length,
            live,
        },
    );
    prop::collection::vec(step, 1..40)
}

fn command(step: &Step) -> Command {
    let (by, message) = (person(step.who), Text::default());
    let duration = Span::minutes(step.length);
    match step.what {
        0 | 1 => Command::Approve {
            by,
            duration: Some(duration),
            message,
            other_approvers: step.live,
        },
        2 => Command::Deny { by, message },
        3 => Command::Cancel { by, message },
        4 => Command::Assign {
            by,
            to: person(step.who % 5 + 1),
        },
        5 => Command::Extend {
            by,
            duration,
            reason: message,
        },
        6 => Command::CheckIn {
            by,
            message,
            live_sessions: step.live,
        },
        7 => Command::Revoke { by, message },
        8 => Command::LastSessionClosed,
        _ => Command::Tick,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is tried in whatever order: ended stays ended, active means enough votes of
    /// others, and no grant is longer than what was approved or than the policy's maximum.
    #[test]
    fn any_history_keeps_the_invariants(votes in 0..4_u32, window in prop::option::of((0..90_u64, 1..480_u64)), steps in steps()) {
        let rules = terms(|t| {
            t.approvals = (0..votes.min(1)).map(|_| Stage { votes, groups: BTreeSet::new() }).collect();
        });
        let window = window.map(|(from, length)| Window {
            starts_at: after(Span::minutes(from)),
            ends_at: after(Span::minutes(from + length)),
        });
        let mut checkout = request_of(&alice(), rules.clone(), Ask { window, ..ask() }).unwrap();
        let mut extended = Span::default();
        let mut now = START;
        for step in &steps {
            now = now + Span::minutes(step.minutes);
            let before = checkout.clone();
            let Ok(next) = checkout.clone().apply(command(step), now) else { continue };
            prop_assert_eq!(next.version, before.version + 1);
            prop_assert!(before.end().is_none(), "an ended check-out took {:?}", step);
            if let (Some(was), Some(is)) = (before.grant(), next.grant()) {
                prop_assert_eq!(was.starts_at, is.starts_at, "a grant moved its start");
                extended = Span::seconds(extended.as_secs() + Span::whole(is.ends_at.since(was.ends_at)).as_secs());
                prop_assert!(was.ends_at <= is.ends_at);
            }
            if let Some(grant) = next.grant() {
                prop_assert!(grant.length() <= rules.maximum_duration);
                let voters: BTreeSet<_> = next.votes.iter().map(|vote| &vote.person).collect();
                prop_assert!(voters.len() >= votes as usize, "too few people voted");
                prop_assert!(!voters.contains(&alice().person), "the requester voted");
                let approved = next.votes.iter().map(|vote| vote.duration).min().unwrap_or(next.duration);
                prop_assert!(grant.length() <= Span::seconds(approved.as_secs() + extended.as_secs()));
                if let Some(window) = window {
                    prop_assert!(grant.starts_at >= window.starts_at);
                    prop_assert!(grant.ends_at <= window.ends_at + extended);
                }
            }
            if next.is_active() {
                prop_assert!(now < next.grant().unwrap().ends_at, "active after its end");
            }
            checkout = next;
        }
    }

    /// A permit never reaches past the end of its check-out.
    #[test]
    fn a_permit_ends_with_its_check_out(minutes in 0..600_u64) {
        let there = place(Terms::default());
        let open = active();
        let now = after(Span::minutes(minutes));
        match authorize(Purpose::Connect, &alice(), &open, &there.target, &there.account, 0, now) {
            Ok(permit) => prop_assert!(now < permit.until() && permit.until() <= open.grant().unwrap().ends_at),
            Err(_) => prop_assert!(now >= open.grant().unwrap().ends_at),
        }
    }
}
