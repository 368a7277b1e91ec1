//! What a link of the chain is, and the walk along it that finds the first bad one.
//! Pure: knows no database and no key file.

use aws_lc_rs::{
    digest::{Context, SHA256},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use data_encoding::HEXLOWER;

use super::verdict::{FirstBad, Flaw, Verdict, Whole};
use crate::{
    model::{
        audit::{Actor, AuditEvent, AuditOutcome, AuditRecord, Checkpoint},
        time::Timestamp,
    },
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

/// The public half of the gateway's signing key, 64 hexadecimal characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not an Ed25519 public key: 64 hexadecimal characters are expected")]
pub struct NotAKey;

impl PublicKey {
    pub fn of(pair: &Ed25519KeyPair) -> Self {
        let bytes = pair.public_key().as_ref().try_into();
        Self(bytes.expect("an Ed25519 public key has 32 bytes"))
    }

    fn signed(&self, checkpoint: &Checkpoint) -> bool {
        let text = Checkpoint::text(checkpoint.seq, checkpoint.at, &checkpoint.hash);
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(text.as_bytes(), &checkpoint.signature)
            .is_ok()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl std::str::FromStr for PublicKey {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let bytes = HEXLOWER.decode(text.trim().as_bytes());
        let bytes = bytes.map_err(|_| NotAKey)?.try_into();
        bytes.map(Self).map_err(|_| NotAKey)
    }
}

pub(super) fn sign(seq: i64, at: Timestamp, hash: [u8; 32], key: &Ed25519KeyPair) -> Checkpoint {
    let text = Checkpoint::text(seq, at, &hash);
    Checkpoint {
        seq,
        at,
        hash,
        signature: key.sign(text.as_bytes()).as_ref().to_vec(),
    }
}

/// A walk along the chain from its first link. Keeps one hash, however long the chain is.
pub(super) struct Walk<'a> {
    key: &'a PublicKey,
    witness: Option<&'a Checkpoint>,
    whole: Whole,
    hash: [u8; 32],
}

impl<'a> Walk<'a> {
    /// `witness` is a checkpoint that was kept where the log is not.
    pub(super) fn new(key: &'a PublicKey, witness: Option<&'a Checkpoint>) -> Self {
        Self {
            key,
            witness,
            whole: Whole::default(),
            hash: [0; 32],
        }
    }

    pub(super) fn last(&self) -> i64 {
        self.whole.last
    }

    /// The next record. `keys` are the columns beside it, where it lies in a table.
    pub(super) fn record(
        &mut self,
        record: &AuditRecord,
        keys: Option<&Option<Keys>>,
    ) -> Result<(), FirstBad> {
        let expected = self.whole.last + 1;
        if record.seq != expected {
            return Err(Flaw::Missing.at(expected));
        }
        if record.previous != self.hash {
            return Err(Flaw::NotLinked.at(expected));
        }
        if record.hash != hash(record.seq, &record.previous, &record.body) {
            return Err(Flaw::Changed.at(expected));
        }
        let event: AuditEvent =
            serde_json::from_str(&record.body).map_err(|_| Flaw::Unreadable.at(expected))?;
        let beside = keys.is_none_or(|keys| keys.as_ref() == Some(&self::keys(&event)));
        if event.at != record.at || !beside {
            return Err(Flaw::ColumnsDiffer.at(expected));
        }
        self.whole.last = expected;
        self.whole.records += 1;
        self.hash = record.hash;
        match self.witness {
            Some(witness) if witness.seq == expected => self.check(witness),
            _ => Ok(()),
        }
    }

    /// A checkpoint over the record that was walked last.
    pub(super) fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), FirstBad> {
        self.check(checkpoint)?;
        self.whole.checkpoints += 1;
        self.whole.signed_to = checkpoint.seq;
        Ok(())
    }

    fn check(&self, checkpoint: &Checkpoint) -> Result<(), FirstBad> {
        if !self.key.signed(checkpoint) {
            return Err(Flaw::BadSignature.at(checkpoint.seq));
        }
        if checkpoint.seq != self.whole.last || checkpoint.hash != self.hash {
            return Err(Flaw::Rewritten.at(checkpoint.seq));
        }
        Ok(())
    }

    /// There are no more records. `beyond` is the newest checkpoint that lies with them.
    pub(super) fn end(&self, beyond: Option<&Checkpoint>) -> Result<(), FirstBad> {
        let last = self.whole.last;
        for checkpoint in [beyond, self.witness].into_iter().flatten() {
            if checkpoint.seq <= last {
                continue;
            }
            // A forged one proves nothing about a tail; it is itself what is bad.
            return Err(if self.key.signed(checkpoint) {
                let signed_to = checkpoint.seq;
                Flaw::TailCut { signed_to }.at(last + 1)
            } else {
                Flaw::BadSignature.at(checkpoint.seq)
            });
        }
        Ok(())
    }

    /// Whether the head that lies beside the records names the last one.
    pub(super) fn head(&self, seq: i64, hash: &[u8; 32]) -> Result<(), FirstBad> {
        let last = self.whole.last;
        if seq > last {
            return Err(Flaw::Missing.at(last + 1));
        }
        if seq < last || *hash != self.hash {
            return Err(Flaw::HeadDiffers.at(last));
        }
        Ok(())
    }

    pub(super) fn verdict(walked: Result<Self, FirstBad>) -> Verdict {
        match walked {
            Ok(walk) => Verdict::Whole(walk.whole),
            Err(first_bad) => Verdict::Broken(first_bad),
        }
    }
}
