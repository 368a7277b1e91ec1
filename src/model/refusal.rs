//! Every way the rules say no, in one sentence each.
//!
//! A refusal is an answer, not a fault: the person reads its `Display`, programs its `code`,
//! the auditor finds both in the event. It never says more than the person may know.

use super::{
    checkout::EndReason,
    ids::Code,
    name::{AccountName, PermissionSet, PolicyName, TargetName, UserName},
    target::Protocol,
    time::{Span, Timestamp},
    web::{TooMuch, Way},
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    // Asking.
    #[error("there is no target {0} that you may ask for")]
    NoSuchTarget(String),
    #[error("target {target} has no account {account}")]
    NoSuchAccount { target: TargetName, account: String },
    #[error("target {0} has no account yet: an admin must add one")]
    NoAccount(TargetName),
    #[error("target {target} has several accounts, name one: {}", list(.accounts))]
    WhichAccount {
        target: TargetName,
        accounts: Vec<AccountName>,
    },
    #[error("target {0} is disabled")]
    TargetDisabled(TargetName),
    #[error("account {0} is disabled")]
    AccountDisabled(AccountName),
    #[error("account {0} has no secret yet: an admin must set one")]
    NoSecret(AccountName),
    #[error("policy {0} does not allow check-outs")]
    CheckoutOff(PolicyName),
    #[error("policy {0} does not let you ask")]
    MayNotAsk(PolicyName),
    #[error("a reason is required")]
    ReasonMissing,
    #[error("policy {0} takes no reason")]
    ReasonNotTaken(PolicyName),
    #[error("a ticket number is required")]
    TicketMissing,
    #[error("policy {0} takes no ticket number")]
    TicketNotTaken(PolicyName),
    #[error("ticket {ticket:?} does not have the required form {pattern}")]
    TicketFormat { ticket: String, pattern: String },
    #[error("{asked} is too long: {maximum} is the most")]
    TooLong { asked: Span, maximum: Span },
    #[error("{asked} is too short: {minimum} is the least")]
    TooShort { asked: Span, minimum: Span },
    #[error("policy {0} does not take a start and an end of your own")]
    WindowNotTaken(PolicyName),
    #[error("the asked window must end after it begins and after now")]
    WindowBackwards,
    #[error("the asked window begins too far ahead: {0} is the most")]
    WindowTooFar(Span),
    #[error("policy {0} does not let you choose the approver")]
    ApproverNotTaken(PolicyName),
    #[error("there is no user {0} who could hold it")]
    NoSuchUser(UserName),
    #[error("{0} cannot approve this")]
    ApproverUnfit(String),
    #[error("policy {policy} has no permission set {name}")]
    NoSuchPermissionSet {
        policy: PolicyName,
        name: PermissionSet,
    },
    #[error("policy {0} does not reveal secrets")]
    RevealNotAllowed(PolicyName),
    #[error("policy {0} does not let an approver give a check-out without a request")]
    GrantNotAllowed(PolicyName),

    // Answering.
    #[error("nobody approves their own request")]
    SelfApproval,
    #[error("{0} was set up by the requester and so cannot approve this request")]
    VouchedByRequester(UserName),
    #[error("you are not an approver of this request")]
    NotAnApprover,
    #[error("{0} was asked to answer this request; hand it over first")]
    AskedOfAnother(UserName),
    #[error("this needs a second factor that you have shown within the last {within}")]
    StepUp { within: Span },
    #[error("you have voted on this already; a person counts once")]
    AlreadyVoted,
    #[error("account {account} is held by {holder} until {until}")]
    AccountTaken {
        account: AccountName,
        holder: UserName,
        until: Timestamp,
    },
    #[error("nothing is waiting for an answer here")]
    NothingPending,

    // Ending and extending.
    #[error("this check-out is not yours")]
    NotYours,
    #[error("this check-out has ended: {}", .0.past_tense())]
    AlreadyEnded(EndReason),
    #[error("this request was not answered in time")]
    Lapsed,
    #[error("this check-out is not active")]
    NotActive,
    #[error("this check-out is active already: check it in instead")]
    CheckInInstead,
    #[error("{0} of your sessions are still open: close them before checking in")]
    SessionsLive(usize),
    #[error("policy {0} does not allow extensions")]
    NoExtension(PolicyName),
    #[error("an extension is already waiting for an answer")]
    ExtensionPending,
    #[error("{asked} more is too long: {left} is the most that is left under this policy")]
    ExtensionTooLong { asked: Span, left: Span },
    #[error("nothing is due")]
    NothingDue,
    #[error("this session is closed already")]
    SessionClosed,
    #[error(
        "this session runs on another node, or is just closing: revoking its check-out ends it \
         wherever it is"
    )]
    SessionElsewhere,

    // Using.
    #[error("you have no active check-out for {target}; ask for one: doorward request {target}")]
    NoCheckout { target: String },
    #[error(
        "{typed} is neither your name here, {user}, nor an account on {target} that you may use: \
         name one of them, as in {user}@{target}"
    )]
    NotYourName {
        typed: String,
        user: UserName,
        target: TargetName,
    },
    #[error("your check-out {code} for {target} waits for an approval")]
    StillWaiting { code: Code, target: TargetName },
    #[error("your check-out {code} begins at {starts_at}")]
    NotYetOpen { code: Code, starts_at: Timestamp },
    #[error("check-out {code} allows {maximum} sessions at once, and they are open")]
    TooManySessions { code: Code, maximum: u32 },
    #[error("{target} may not be used at this hour")]
    OutsideHours { target: TargetName },
    #[error("check-out {code} was not asked for this use")]
    AskedForOther { code: Code },
    #[error("{target} is a {protocol} target: it is reached another way")]
    OtherProtocol {
        target: TargetName,
        protocol: Protocol,
    },
    #[error("check-out {code} does not allow {wanted}")]
    NotCapable { code: Code, wanted: String },
    #[error("check-out {code} allows {} of {} at most here", way(.much.way), .much.most)]
    TooMuch { code: Code, much: TooMuch },
    #[error("the gateway could not sign in to {target}: {why}")]
    SignInFailed { target: TargetName, why: String },
    #[error("this is not supported through the gateway: {0}")]
    Unsupported(String),
    #[error("this session must be recorded, and its recording cannot be started")]
    NoRecording,
    #[error("the gateway cannot reach its database; try again shortly")]
    StoreLost,
    #[error("the gateway is being stopped")]
    ShuttingDown,
    #[error("your user is disabled")]
    UserDisabled,
    #[error("this needs a right that you do not have: {0}")]
    NotAllowed(&'static str),
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Upload => "uploads",
        Way::Download => "downloads",
    }
}

fn list(names: &[AccountName]) -> String {
    names
        .iter()
        .map(AccountName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Refusal {
    /// A stable name for programs: `ticket-format`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchTarget(_) => "no-such-target",
            Self::NoSuchAccount { .. } => "no-such-account",
            Self::NoAccount(_) => "no-account",
            Self::WhichAccount { .. } => "which-account",
            Self::TargetDisabled(_) => "target-disabled",
            Self::AccountDisabled(_) => "account-disabled",
            Self::NoSecret(_) => "no-secret",
            Self::CheckoutOff(_) => "checkout-off",
            Self::MayNotAsk(_) => "may-not-ask",
            Self::ReasonMissing => "reason-missing",
            Self::ReasonNotTaken(_) => "reason-not-taken",
            Self::TicketMissing => "ticket-missing",
            Self::TicketNotTaken(_) => "ticket-not-taken",
            Self::TicketFormat { .. } => "ticket-format",
            Self::TooLong { .. } => "too-long",
            Self::TooShort { .. } => "too-short",
            Self::WindowNotTaken(_) => "window-not-taken",
            Self::WindowBackwards => "window-backwards",
            Self::WindowTooFar(_) => "window-too-far",
            Self::ApproverNotTaken(_) => "approver-not-taken",
            Self::NoSuchUser(_) => "no-such-user",
            Self::ApproverUnfit(_) => "approver-unfit",
            Self::NoSuchPermissionSet { .. } => "no-such-permission-set",
            Self::RevealNotAllowed(_) => "reveal-not-allowed",
            Self::GrantNotAllowed(_) => "grant-not-allowed",
            Self::SelfApproval => "self-approval",
            Self::VouchedByRequester(_) => "vouched-by-requester",
            Self::NotAnApprover => "not-an-approver",
            Self::AskedOfAnother(_) => "asked-of-another",
            Self::StepUp { .. } => "step-up",
            Self::AlreadyVoted => "already-voted",
            Self::AccountTaken { .. } => "account-taken",
            Self::NothingPending => "nothing-pending",
            Self::NotYours => "not-yours",
            Self::AlreadyEnded(_) => "already-ended",
            Self::Lapsed => "lapsed",
            Self::NotActive => "not-active",
            Self::CheckInInstead => "check-in-instead",
            Self::SessionsLive(_) => "sessions-live",
            Self::NoExtension(_) => "no-extension",
            Self::ExtensionPending => "extension-pending",
            Self::ExtensionTooLong { .. } => "extension-too-long",
            Self::NothingDue => "nothing-due",
            Self::SessionClosed => "session-closed",
            Self::SessionElsewhere => "session-elsewhere",
            Self::NoCheckout { .. } => "no-checkout",
            Self::NotYourName { .. } => "not-your-name",
            Self::StillWaiting { .. } => "still-waiting",
            Self::NotYetOpen { .. } => "not-yet-open",
            Self::TooManySessions { .. } => "too-many-sessions",
            Self::OutsideHours { .. } => "outside-hours",
            Self::AskedForOther { .. } => "asked-for-other",
            Self::OtherProtocol { .. } => "other-protocol",
            Self::NotCapable { .. } => "not-capable",
            Self::TooMuch { much, .. } => match much.way {
                Way::Upload => "upload-too-large",
                Way::Download => "download-too-large",
            },
            Self::SignInFailed { .. } => "sign-in-failed",
            Self::Unsupported(_) => "unsupported",
            Self::NoRecording => "no-recording",
            Self::StoreLost => "store-lost",
            Self::ShuttingDown => "shutting-down",
            Self::UserDisabled => "user-disabled",
            Self::NotAllowed(_) => "not-allowed",
        }
    }
}
