//! What a link of the chain is: its hash over its number, the link before and its body.
//! Pure: knows no database and no key file.

use aws_lc_rs::digest::{Context, SHA256};

use crate::{
    model::audit::{Actor, AuditEvent, AuditOutcome, AuditRecord},
    store::audit::Keys,
};

/// Says what is hashed, so that no hash made for anything else ever fits here.
const DOMAIN: &[u8] = b"doorward audit record v1\n";

/// The link that follows `previous`.
pub(super) fn link(seq: i64, previous: [u8; 32], event: &AuditEvent) -> AuditRecord {
    let body = serde_json::to_string(event).expect("an event has text keys and always serialises");
    AuditRecord {
        seq,
        at: event.at,
        hash: hash(seq, &previous, &body),
        body,
        previous,
    }
}

/// SHA-256 over the domain, the number (8 bytes, big end first), the hash before, the body.
pub(super) fn hash(seq: i64, previous: &[u8; 32], body: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(DOMAIN);
    context.update(&seq.to_be_bytes());
    context.update(previous);
    context.update(body.as_bytes());
    let digest = context.finish();
    digest
        .as_ref()
        .try_into()
        .expect("a SHA-256 digest has 32 bytes")
}

/// What of an event can be searched by.
pub(super) fn keys(event: &AuditEvent) -> Keys {
    Keys {
        kind: event.kind.clone(),
        outcome: match &event.outcome {
            AuditOutcome::Done => "done".to_owned(),
            AuditOutcome::Refused(code) => code.clone(),
        },
        actor: match &event.actor {
            Actor::User { name, .. } => name.clone(),
            Actor::Nobody { .. } => "nobody".to_owned(),
            Actor::Gateway => "the gateway".to_owned(),
        },
        user: event.user.clone(),
        checkout: event.checkout.clone(),
        session: event.session.clone(),
        target: event.target.clone(),
        account: event.account.clone(),
    }
}
