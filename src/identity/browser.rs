//! Browsers: signed in at the console, handed over to a target's host, signed out.
//!
//! Each host has a cookie of its own, which opens nothing anywhere else and ends with the
//! sign-in it came out of. Where a browser is sent to is decided by who sends it.

use std::{collections::BTreeSet, net::IpAddr};

use tokio::sync::broadcast;

use super::{
    sign_in::{Door, Identity, Issued, SIGNED_IN_FOR, SignInError},
    token::{Token as Secret, TokenKind},
};
use crate::{
    audit,
    model::{
        audit::{Actor, AuditEvent},
        ids::TokenId,
        principal::{Principal, Scope},
        text::Text,
        time::Span,
        user::{Token, User},
        web::WebPlace,
    },
    store::{self, StoreError, handover::Handover},
};

/// How long a browser may take from the console to the target's host.
pub(super) const ON_THE_WAY: Span = Span::seconds(60);

/// Somebody who has arrived at a target's host.
pub struct Entered {
    pub principal: Principal,
    pub issued: Issued,
    /// What they had asked for there: path and query.
    pub path: String,
}

/// Why somebody did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum NotEntered {
    /// It is another browser, or another window was faster; the code is spent all the same.
    #[error("this is not the window in which it began")]
    NotHere { path: String },
    #[error(transparent)]
    SignIn(#[from] SignInError),
}

impl From<StoreError> for NotEntered {
    fn from(error: StoreError) -> Self {
        Self::SignIn(error.into())
    }
}

impl Identity {
    /// A cookie of the console for somebody who has just proven who they are.
    pub async fn sign_in_browser(
        &self,
        by: &Principal,
        peer: IpAddr,
        console: &str,
    ) -> Result<Issued, SignInError> {
        let now = self.0.clock.now();
        let label = Text::ours(&format!("browser signed in from {peer}"));
        let scopes = Scope::ALL.into_iter().collect();
        let mut issued = self.new_token(&by.user, label, scopes, now + SIGNED_IN_FOR);
        issued.token.host = Some(console.to_owned());
        issued.secret = Secret::generate(TokenKind::Cookie);
        issued.token.proven_by(by, peer);
        let message = format!("{} signed in", by.name);
        let event = AuditEvent::done(now, "user.sign-in", Actor::from(by), message)
            .about_user(&by.user)
            .with(serde_json::json!({
                "door": Door::Console.as_str(), "peer": peer.to_string(),
            }));
        self.store_token(&issued, &event).await?;
        Ok(issued)
    }

    /// Whose cookie this is, on this host.
    pub async fn cookie(
        &self,
        presented: &str,
        host: &str,
    ) -> Result<(Principal, Token), SignInError> {
        self.known(presented, TokenKind::Cookie, Some(host)).await
    }

    /// A code with which the browser of this sign-in, and only the one that was given the nonce
    /// with this hash, arrives at the host of `to`.
    pub async fn hand_over(
        &self,
        sign_in: &TokenId,
        to: &WebPlace,
        nonce_hash: &str,
    ) -> Result<Secret, SignInError> {
        let now = self.0.clock.now();
        let code = Secret::generate(TokenKind::Handover);
        let handover = Handover {
            token: sign_in.clone(),
            host: to.host().to_owned(),
            nonce_hash: nonce_hash.to_owned(),
            path: to.path().to_owned(),
            expires_at: now + ON_THE_WAY,
        };
        let mut tx = self.0.store.begin().await?;
        let inserted =
            store::handover::insert(&mut tx, &handover, &code.hash().to_string(), now).await;
        match inserted {
            // Signed out in this moment.
            Err(StoreError::NotFound(_)) => return Err(SignInError::Refused),
            inserted => inserted?,
        }
        tx.commit().await?;
        Ok(code)
    }

    /// Takes a code at the host it is for, from the browser that holds the nonce.
    ///
    /// INVARIANT: a code that was shown is spent, whether it opened anything or not: what a
    /// page of the target may have got hold of is worth nothing by then.
    pub async fn enter(
        &self,
        code: &str,
        host: &str,
        nonce: Option<&str>,
        peer: IpAddr,
    ) -> Result<Entered, NotEntered> {
        let Some((hash, handover)) = self.handed_over(code).await? else {
            return Err(self.not_entered(peer).await);
        };
        let mut tx = self.0.store.begin().await?;
        match store::handover::spend(&mut tx, &hash).await {
            Err(StoreError::NotFound(_)) => return Err(self.not_entered(peer).await),
            spent => spent?,
        }
        tx.commit().await?;
        let now = self.0.clock.now();
        if handover.host != host || handover.expires_at <= now {
            return Err(self.not_entered(peer).await);
        }
        let nonce = nonce.and_then(|nonce| Secret::parse(nonce).ok());
        let nonce = nonce.filter(|nonce| nonce.kind() == TokenKind::Nonce);
        match nonce.map(|nonce| nonce.hash().to_string()) {
            None => return Err(self.not_entered(peer).await),
            Some(hash) if hash != handover.nonce_hash => {
                return Err(NotEntered::NotHere {
                    path: handover.path,
                });
            }
            Some(_) => {}
        }
        let store = &self.0.store;
        let sign_in = store::found(store::token::by_id(store, &handover.token).await)?;
        let sign_in = sign_in.filter(|token| token.expires_at > now);
        let Some(sign_in) = sign_in else {
            return Err(self.not_entered(peer).await);
        };
        let user = store::user::by_id(store, &sign_in.user).await?;
        if user.disabled {
            return Err(self.not_entered(peer).await);
        }
        let label = Text::ours(&format!("browser at {host}"));
        // No more than a target's host has use for.
        let scopes = [Scope::Request].into_iter().collect();
        let mut issued = self.new_token(&user.id, label, scopes, sign_in.expires_at);
        issued.token.host = Some(host.to_owned());
        issued.token.parent = Some(sign_in.id);
        issued.secret = Secret::generate(TokenKind::Cookie);
        let proof = crate::model::principal::Proof::Token {
            token: issued.token.id.clone(),
        };
        let principal = user.scoped_principal(proof, issued.token.scopes.clone());
        let message = format!("{} came to {host}", user.name);
        let event = AuditEvent::done(now, "user.enter", Actor::from(&principal), message)
            .about_user(&user.id)
            .with(serde_json::json!({
                "door": Door::Web.as_str(), "host": host, "peer": peer.to_string(),
            }));
        self.store_token(&issued, &event).await?;
        Ok(Entered {
            principal,
            issued,
            path: handover.path,
        })
    }

    pub(super) async fn handed_over(
        &self,
        code: &str,
    ) -> Result<Option<(String, Handover)>, StoreError> {
        let Ok(code) = Secret::parse(code) else {
            return Ok(None);
        };
        if code.kind() != TokenKind::Handover {
            return Ok(None);
        }
        let hash = code.hash().to_string();
        let found = store::handover::by_hash(&self.0.store, &hash).await;
        Ok(store::found(found)?.map(|handover| (hash, handover)))
    }

    /// Slowed as guessing is, so that a flood of strangers does not fill the log.
    async fn not_entered(&self, peer: IpAddr) -> NotEntered {
        if self.0.throttle.admit("", peer).is_ok() {
            self.refused("", peer, Door::Web, "hand-over").await;
        }
        SignInError::Refused.into()
    }

    /// Takes the sign-in back that this token belongs to, and everything that came out of it.
    pub async fn sign_out(&self, by: &Principal, token: &TokenId) -> Result<(), SignInError> {
        let store = &self.0.store;
        let found = store::found(store::token::by_id(store, token).await)?;
        let whole = found.and_then(|token| token.parent);
        let whole = whole.as_ref().unwrap_or(token);
        let mut tx = store.begin().await?;
        store::token::delete(&mut tx, &by.user, whole).await?;
        let now = self.0.clock.now();
        let message = format!("{} signed out", by.name);
        let event =
            AuditEvent::done(now, "user.sign-out", Actor::from(by), message).about_user(&by.user);
        audit::append(&mut tx, &event).await?;
        tx.commit().await?;
        // Nobody listening is no fault.
        self.0.signed_out.send(whole.clone()).ok();
        Ok(())
    }

    /// Ends every sign-in of a user, and everything that came out of them. Tokens that were made
    /// for programs stay.
    pub async fn sign_out_everywhere(
        &self,
        by: &Principal,
        user: &User,
    ) -> Result<(), SignInError> {
        let store = &self.0.store;
        let tokens = store::token::of_user(store, &user.id).await?;
        let mut tx = store.begin().await?;
        let ended = store::token::delete_sign_ins(&mut tx, &user.id).await?;
        let now = self.0.clock.now();
        let message = match by.user == user.id {
            true => format!("{} signed out everywhere", by.name),
            false => format!("{} signed {} out everywhere", by.name, user.name),
        };
        let event = AuditEvent::done(now, "user.sign-out", Actor::from(by), message)
            .about_user(&user.id)
            .with(serde_json::json!({ "everywhere": true, "sign_ins_ended": ended }));
        audit::append(&mut tx, &event).await?;
        tx.commit().await?;
        for token in tokens.into_iter().filter(Token::is_sign_in) {
            // Nobody listening is no fault.
            self.0.signed_out.send(token.id).ok();
        }
        Ok(())
    }

    /// What is signed out here, as it happens. A hint: `standing` is the truth.
    pub fn signed_out(&self) -> broadcast::Receiver<TokenId> {
        self.0.signed_out.subscribe()
    }

    /// Those of these tokens that are still good.
    pub async fn standing(&self, tokens: &[TokenId]) -> Result<BTreeSet<TokenId>, StoreError> {
        store::token::standing(&self.0.store, tokens, self.0.clock.now()).await
    }
}
