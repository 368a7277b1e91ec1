//! The table of routes: every address, who may call it, what it takes and answers.
//!
//! There is no other way to serve one. `tests` below and `tests/gateway/api.rs` walk it.

use axum::http::{Method, StatusCode};

use super::{
    accounts, apply, audit, channels, checkouts, class::Class, deliveries, desktop, events,
    factors, files, groups, jwks, keys, me, notices, openapi, page, passkeys, policies, rdp,
    recordings, reveal, route::Route, scan, sessions, sign_in, sign_ins, ssh, standing, targets,
    users,
};
use crate::model::{
    file::FileRecord,
    notice::Delivery,
    policy::Policy,
    target::{Account, Target},
    user::{Group, SshKey, Token, User},
    web::KeySet,
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

const SIGN_IN: Class = Class::Open {
    why: "it is how people prove who they are, and it is slowed",
};
const BOOTSTRAP: Class = Class::Open {
    why: "there is nobody yet who could sign in; the one-time token of the first start is the proof",
};
const DOCUMENT: Class = Class::Open {
    why: "it describes the API and nothing of this installation",
};

const VERIFYING: Class = Class::Open {
    why: "targets verify with it who is there, and have no token; it holds public keys only",
};

pub fn table() -> Vec<Route> {
    let mut routes = people();
    routes.extend(places());
    routes.extend(access());
    routes.extend(evidence());
    routes.extend(telling());
    routes
}

#[rustfmt::skip]
fn people() -> Vec<Route> {
    use Class::{Admin, Auditor, Oneself, SignedIn};
    vec![
        Route::new(POST, "/sign-in", SIGN_IN, "Sign in with a password", sign_in::sign_in)
            .takes::<sign_in::SignIn>().ok::<sign_in::SignedIn>()
            .answers::<sign_in::HalfSignedIn>(StatusCode::ACCEPTED),
        Route::new(POST, "/sign-in/second", SIGN_IN, "Show the second factor that makes a sign-in whole", sign_in::second)
            .takes::<sign_in::SecondHalf>().ok::<sign_in::SignedIn>(),
        Route::new(POST, "/sign-in/app", SIGN_IN, "Set up the authenticator app that one must have to sign in", sign_in::app)
            .takes::<sign_in::OnTheWay>().ok::<factors::AppSetUp>(),
        Route::new(POST, "/sign-in/passkey", SIGN_IN, "What a passkey is to sign to make a sign-in whole", passkeys::at_sign_in)
            .takes::<sign_in::OnTheWay>().ok::<passkeys::PasskeyRequest>(),
        Route::new(POST, "/bootstrap", BOOTSTRAP, "Make the first admin", sign_in::bootstrap)
            .takes::<sign_in::Bootstrap>().created::<sign_in::SignedIn>(),
        Route::new(POST, "/sign-out", SignedIn, "Take the token back that is sent", sign_in::sign_out)
            .no_content(),

        Route::new(GET, "/me", SignedIn, "Who you are", me::show)
            .ok::<me::Me>(),
        Route::new(PUT, "/me/password", Oneself, "Change your password", me::set_password)
            .takes::<me::PasswordChange>().no_content(),
        Route::new(GET, "/me/ssh-keys", SignedIn, "Your SSH keys", me::keys)
            .ok::<page::List<SshKey>>(),
        Route::new(POST, "/me/ssh-keys", Oneself, "Add an SSH key of yours", me::add_key)
            .takes::<keys::NewKey>().created::<SshKey>(),
        Route::new(DELETE, "/me/ssh-keys/{fingerprint}", Oneself, "Remove an SSH key of yours", me::remove_key)
            .no_content(),
        Route::new(GET, "/me/tokens", SignedIn, "Your tokens, without their secrets", me::tokens)
            .ok::<page::List<Token>>(),
        Route::new(POST, "/me/tokens", Oneself, "Make a token for a program; its secret is shown once", me::add_token)
            .takes::<me::NewToken>().created::<me::IssuedToken>(),
        Route::new(DELETE, "/me/tokens/{id}", Oneself, "Take a token of yours back", me::remove_token)
            .no_content(),

        Route::new(GET, "/me/sign-ins", SignedIn, "Where you are signed in", sign_ins::list)
            .ok::<page::List<sign_ins::SignInView>>(),
        Route::new(DELETE, "/me/sign-ins", Oneself, "Sign out everywhere, here as well", sign_ins::end)
            .no_content(),
        Route::new(POST, "/me/prove", Oneself, "Show again who you are, for what asks for a fresh proof", factors::prove)
            .takes::<factors::Proving>().no_content(),
        Route::new(POST, "/me/prove/passkey", Oneself, "What a passkey is to sign to show again who you are", passkeys::again)
            .ok::<passkeys::PasskeyRequest>(),
        Route::new(POST, "/me/factors/passkeys/begin", Oneself, "Begin to set up a passkey", passkeys::begin)
            .ok::<passkeys::PasskeyCreation>(),
        Route::new(POST, "/me/factors/passkeys", Oneself, "Add the passkey that an authenticator has made", passkeys::add)
            .takes::<passkeys::NewPasskey>().created::<factors::NewCodes>(),
        Route::new(DELETE, "/me/factors/passkeys/{id}", Oneself, "Take a passkey of yours away", passkeys::remove)
            .no_content(),
        Route::new(GET, "/me/factors", SignedIn, "What you have to show besides your password", factors::show)
            .ok::<factors::FactorsView>(),
        Route::new(POST, "/me/factors/app", Oneself, "Begin to set up an authenticator app; its secret is shown once", factors::offer_app)
            .ok::<factors::AppSetUp>(),
        Route::new(PUT, "/me/factors/app", Oneself, "Show the first code of the app, which counts from then on", factors::confirm_app)
            .takes::<factors::FirstCode>().ok::<factors::NewCodes>(),
        Route::new(DELETE, "/me/factors/app", Oneself, "Take your authenticator app away", factors::remove_app)
            .no_content(),
        Route::new(POST, "/me/factors/recovery-codes", Oneself, "Make new recovery codes; they are shown once, and the old ones end", factors::new_codes)
            .created::<factors::NewCodes>(),

        Route::new(GET, "/users", Auditor, "The users", users::list)
            .lists::<User>(users::FILTERS),
        Route::new(POST, "/users", Admin, "Add a user", users::create)
            .takes::<users::NewUser>().created::<User>(),
        Route::new(GET, "/users/{name}", Auditor, "A user", users::show)
            .ok::<User>(),
        Route::new(PATCH, "/users/{name}", Admin, "Change a user", users::patch)
            .takes::<users::UserPatch>().ok::<User>(),
        Route::new(DELETE, "/users/{name}", Admin, "Remove a user; everything of theirs ends", users::remove)
            .no_content(),
        Route::new(POST, "/users/{name}/disable", Admin, "Disable a user; everything of theirs ends", users::disable)
            .ok::<User>(),
        Route::new(POST, "/users/{name}/enable", Admin, "Enable a user", users::enable)
            .ok::<User>(),
        Route::new(PUT, "/users/{name}/password", Admin, "Set a user's password", users::set_password)
            .takes::<users::PasswordReset>().no_content(),
        Route::new(GET, "/users/{name}/ssh-keys", Auditor, "A user's SSH keys", users::keys)
            .ok::<page::List<SshKey>>(),
        Route::new(POST, "/users/{name}/ssh-keys", Admin, "Add an SSH key to a user", users::add_key)
            .takes::<keys::NewKey>().created::<SshKey>(),
        Route::new(DELETE, "/users/{name}/ssh-keys/{fingerprint}", Admin, "Remove a user's SSH key", users::remove_key)
            .no_content(),

        Route::new(GET, "/users/{name}/factors", Auditor, "What a user has to show besides their password", factors::of_user)
            .ok::<factors::FactorsView>(),
        Route::new(DELETE, "/users/{name}/factors", Admin, "Take away what a user has lost; their sign-ins end", factors::reset)
            .no_content(),
        Route::new(GET, "/users/{name}/sign-ins", Auditor, "Where a user is signed in", sign_ins::of_user)
            .ok::<page::List<sign_ins::SignInView>>(),
        Route::new(DELETE, "/users/{name}/sign-ins", Admin, "Sign a user out everywhere", sign_ins::end_of_user)
            .no_content(),

        Route::new(GET, "/groups", Auditor, "The groups", groups::list)
            .lists::<Group>(&[]),
        Route::new(POST, "/groups", Admin, "Add a group", groups::create)
            .takes::<groups::NewGroup>().created::<Group>(),
        Route::new(GET, "/groups/{name}", Auditor, "A group", groups::show)
            .ok::<Group>(),
        Route::new(PATCH, "/groups/{name}", Admin, "Change a group", groups::patch)
            .takes::<groups::GroupPatch>().ok::<Group>(),
        Route::new(DELETE, "/groups/{name}", Admin, "Remove a group", groups::remove)
            .no_content(),
    ]
}

#[rustfmt::skip]
fn places() -> Vec<Route> {
    use Class::{Admin, Auditor, SignedIn};
    vec![
        Route::new(GET, "/targets", SignedIn, "The targets you may see, and what asking for them takes", targets::list)
            .lists::<targets::TargetView>(targets::FILTERS),
        Route::new(POST, "/targets", Admin, "Add a target", targets::create)
            .takes::<targets::NewTarget>().created::<Target>(),
        Route::new(GET, "/targets/{name}", SignedIn, "A target, and what asking for it takes", targets::show)
            .ok::<targets::TargetView>(),
        Route::new(PATCH, "/targets/{name}", Admin, "Change a target", targets::patch)
            .takes::<targets::TargetPatch>().ok::<Target>(),
        Route::new(DELETE, "/targets/{name}", Admin, "Remove a target; its check-outs end", targets::remove)
            .no_content(),

        Route::new(POST, "/host-keys/scan", Admin, "Look at the host keys of a server, to pin them", scan::scan)
            .takes::<scan::NewScan>().ok::<scan::Scanned>(),
        Route::new(GET, "/ssh", SignedIn, "How targets are reached by SSH: names and public keys", ssh::show)
            .ok::<ssh::SshFacts>(),
        Route::new(GET, "/jwks", VERIFYING, "The keys with which web targets verify who is there (RFC 7517)", jwks::show)
            .ok::<KeySet>(),

        Route::new(GET, "/accounts", Auditor, "The accounts, without their secrets", accounts::list)
            .lists::<Account>(accounts::FILTERS),
        Route::new(POST, "/accounts", Admin, "Add an account", accounts::create)
            .takes::<accounts::NewAccount>().created::<Account>(),
        Route::new(GET, "/accounts/{id}", Auditor, "An account, without its secret", accounts::show)
            .ok::<Account>(),
        Route::new(PATCH, "/accounts/{id}", Admin, "Change an account", accounts::patch)
            .takes::<accounts::AccountPatch>().ok::<Account>(),
        Route::new(DELETE, "/accounts/{id}", Admin, "Remove an account; its check-outs end", accounts::remove)
            .no_content(),
        Route::new(PUT, "/accounts/{id}/secret", Admin, "Seal an account's secret", accounts::set_secret)
            .takes::<accounts::NewSecret>().no_content(),

        Route::new(GET, "/policies", Auditor, "The policies", policies::list)
            .lists::<Policy>(&[]),
        Route::new(POST, "/policies", Admin, "Add a policy", policies::create)
            .takes::<policies::NewPolicy>().created::<Policy>(),
        Route::new(GET, "/policies/{name}", Auditor, "A policy", policies::show)
            .ok::<Policy>(),
        Route::new(PUT, "/policies/{name}", Admin, "Write a policy anew", policies::put)
            .takes::<policies::WholePolicy>().ok::<Policy>(),
        Route::new(DELETE, "/policies/{name}", Admin, "Remove a policy that nothing names", policies::remove)
            .no_content(),

        Route::new(POST, "/apply", Admin, "Make the gateway hold what a document says", apply::apply)
            .takes::<apply::Apply>().ok::<apply::Applied>().body_up_to(apply::LARGEST),
    ]
}

#[rustfmt::skip]
fn access() -> Vec<Route> {
    use Class::{Approver, Party, Requester, Revealer, SignedIn};
    use checkouts::CheckoutView;
    vec![
        Route::new(GET, "/checkouts", SignedIn, "The check-outs you may see", checkouts::list)
            .lists::<CheckoutView>(checkouts::FILTERS).media("text/csv"),
        Route::new(POST, "/checkouts", Requester, "Ask for a check-out, or join the request that waits", checkouts::request)
            .takes::<checkouts::NewCheckout>().created::<CheckoutView>().ok::<CheckoutView>(),
        Route::new(POST, "/checkouts/grant", Approver, "Give somebody a check-out they did not ask for", checkouts::grant)
            .takes::<checkouts::Grant>().created::<CheckoutView>().ok::<CheckoutView>(),
        Route::new(GET, "/checkouts/{id}", SignedIn, "A check-out, by id or code", checkouts::show)
            .ok::<CheckoutView>(),
        Route::new(GET, "/checkouts/{id}/history", SignedIn, "What happened to a check-out", checkouts::history)
            .ok::<page::List<audit::Entry>>(),
        Route::new(POST, "/checkouts/{id}/approve", Approver, "Vote yes, on the request or the extension that waits", checkouts::approve)
            .takes::<checkouts::Approval>().ok::<CheckoutView>(),
        Route::new(POST, "/checkouts/{id}/deny", Approver, "Say no: ends a request, drops an extension", checkouts::deny)
            .takes::<checkouts::Message>().ok::<CheckoutView>(),
        Route::new(POST, "/checkouts/{id}/revoke", Approver, "End a check-out and its sessions", checkouts::revoke)
            .takes::<checkouts::Message>().ok::<CheckoutView>(),
        Route::new(POST, "/checkouts/{id}/check-in", Party, "End your check-out early, or another's by force", checkouts::check_in)
            .takes::<checkouts::Message>().ok::<CheckoutView>(),
        Route::new(POST, "/checkouts/{id}/cancel", Requester, "Take a request back", checkouts::cancel)
            .takes::<checkouts::Message>().ok::<CheckoutView>(),
        Route::new(POST, "/checkouts/{id}/extend", Requester, "Ask for more time", checkouts::extend)
            .takes::<checkouts::NewExtension>().ok::<CheckoutView>(),
        Route::new(POST, "/checkouts/{id}/assign", Approver, "Hand the answer over to another approver", checkouts::assign)
            .takes::<checkouts::Handover>().ok::<CheckoutView>(),
        Route::new(POST, "/checkouts/{id}/rdp", Requester, "How to come in by RDP: where, as whom, and the check-out's one-time secret", rdp::show)
            .ok::<rdp::RdpWay>(),
        Route::new(POST, "/checkouts/{id}/desktop", Requester, "A one-time code that opens the desktop in this browser", desktop::code)
            .ok::<desktop::DesktopWay>(),
        Route::new(GET, "/checkouts/{id}/desktop", Requester, "The desktop in a WebSocket, as RDCleanPath, for a page of the console", desktop::open)
            .switches().streaming(),
        Route::new(POST, "/checkouts/{id}/reveal", Revealer, "See the account's secret, where the policy reveals it", reveal::reveal)
            .ok::<reveal::RevealedSecret>(),

        Route::new(GET, "/sessions", SignedIn, "The sessions you may see", sessions::list)
            .lists::<sessions::SessionView>(sessions::FILTERS),
        Route::new(GET, "/sessions/{id}", SignedIn, "A session", sessions::show)
            .ok::<sessions::SessionView>(),
        Route::new(GET, "/sessions/{id}/files", SignedIn, "What moved by sftp and scp in a session", files::list)
            .lists::<FileRecord>(files::FILTERS).media("text/csv"),
        Route::new(POST, "/sessions/{id}/kill", Party, "Close a session; its check-out lives on", sessions::kill)
            .takes::<checkouts::Message>().ok::<sessions::SessionView>(),
    ]
}

#[rustfmt::skip]
fn evidence() -> Vec<Route> {
    use Class::{Auditor, SignedIn};
    vec![
        Route::new(GET, "/recordings", SignedIn, "The recordings you may see", recordings::list)
            .lists::<recordings::RecordingView>(recordings::FILTERS),
        Route::new(GET, "/recordings/search", SignedIn, "Lines of recordings in which words stand, as JSON lines, the newest recording first; the last line says where to go on", recordings::search)
            .media("application/jsonl").query(recordings::SEARCH).streaming(),
        Route::new(GET, "/recordings/{id}", SignedIn, "What is known of a recording", recordings::show)
            .ok::<recordings::RecordingView>(),
        Route::new(GET, "/recordings/{id}/content", SignedIn, "A recording for a player, asciicast v2; a live one as far as it is written", recordings::content)
            .media("application/x-asciicast").streaming(),
        Route::new(GET, "/recordings/{id}/frames", SignedIn, "A desktop's recording from a moment on for a player, asciicast v2 that begins with what was shown then", recordings::frames)
            .media("application/x-asciicast").query(recordings::FROM).streaming(),
        Route::new(GET, "/recordings/{id}/still", SignedIn, "What a desktop showed at a moment", recordings::still)
            .media("image/png").query(recordings::AT).streaming(),
        Route::new(GET, "/recordings/{id}/export", SignedIn, "A recording as a file that is no longer sealed, asciicast v2", recordings::export)
            .media("application/x-asciicast").streaming(),
        Route::new(GET, "/recordings/{id}/verify", SignedIn, "Whether a recording is what was recorded", recordings::verify)
            .ok::<recordings::Verified>().streaming(),

        Route::new(GET, "/audit", Auditor, "The audit events", audit::list)
            .ok::<page::List<audit::Entry>>().query(audit::FILTERS),
        Route::new(GET, "/audit/verify", Auditor, "Whether the audit chain is whole", audit::verify)
            .ok::<audit::Verified>().streaming(),
        Route::new(GET, "/audit/export", Auditor, "The whole audit chain with its checkpoints, as JSON lines", audit::export)
            .media("application/jsonl").streaming(),

        Route::new(GET, "/standing", Auditor, "How the gateway does: nodes, room for recordings, audit chain, notices", standing::show)
            .ok::<standing::Standing>(),
        Route::new(GET, "/events", SignedIn, "Every change you may see, as it happens", events::stream)
            .media("text/event-stream").streaming(),
        Route::new(GET, "/openapi.json", DOCUMENT, "This document", openapi::show)
            .media("application/json"),
    ]
}

#[rustfmt::skip]
fn telling() -> Vec<Route> {
    use Class::{Admin, Auditor, Oneself, SignedIn};
    vec![
        Route::new(GET, "/channels", Auditor, "The ways on which people are told, and how each does", channels::list)
            .lists::<channels::ChannelView>(&[]),
        Route::new(POST, "/channels", Admin, "Add a channel; what a webhook signs with is shown once", channels::create)
            .takes::<channels::NewChannel>().created::<channels::ChannelView>(),
        Route::new(GET, "/channels/{name}", Auditor, "A channel, without its secret", channels::show)
            .ok::<channels::ChannelView>(),
        Route::new(PATCH, "/channels/{name}", Admin, "Change a channel", channels::patch)
            .takes::<channels::ChannelPatch>().ok::<channels::ChannelView>(),
        Route::new(DELETE, "/channels/{name}", Admin, "Remove a channel, and what is on its way there", channels::remove)
            .no_content(),
        Route::new(POST, "/channels/{name}/test", Admin, "Send a test; the delivery says what became of it", channels::test)
            .answers::<Delivery>(StatusCode::ACCEPTED),
        Route::new(GET, "/deliveries", Auditor, "What is on its way, what arrived, and what was given up and why", deliveries::list)
            .lists::<Delivery>(deliveries::FILTERS),
        Route::new(GET, "/deliveries/{id}", Auditor, "One notice on its way to one place", deliveries::show)
            .ok::<Delivery>(),
        Route::new(POST, "/deliveries/{id}/retry", Admin, "Begin anew with one that did not arrive", deliveries::retry)
            .ok::<Delivery>(),
        Route::new(GET, "/me/notices", SignedIn, "What you are told by mail, and what not", notices::show)
            .ok::<notices::Choice>(),
        Route::new(PUT, "/me/notices", Oneself, "Choose what you are not told by mail", notices::set)
            .takes::<notices::NewChoice>().ok::<notices::Choice>(),
    ]
}
