//! Signing in: from a password, a key or a token to a `Principal`.
//!
//! Unknown, disabled and wrong are one answer, in one time. Guessing is slowed by address and
//! by name. Never says which part was wrong, to the person; the auditor reads it.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::sync::broadcast;
use tracing::warn;

use super::{
    bootstrap::Bootstrap,
    password::{BadPassword, NewPassword, PasswordHash, Passwords},
    second::Shown,
    throttle::Throttle,
    token::{Token as Secret, TokenKind},
};
use crate::{
    audit,
    clock::Clock,
    model::{
        audit::{Actor, AuditEvent, AuditOutcome},
        factor::SecondFactorRule,
        ids::{PersonId, TokenId, UserId},
        name::UserName,
        principal::{Principal, Proof, Role, Scope, Scopes},
        text::Text,
        time::{Span, Timestamp},
        user::{Token, User},
    },
    store::{self, Store, StoreError},
    vault::{Seeds, VaultError, entropy},
};

/// How long a sign-in lasts before it must be repeated.
pub const SIGNED_IN_FOR: Span = Span::hours(12);

/// How often it is noted that a sign-in is used.
const SEEN_EVERY: Span = Span::minutes(5);

/// Who falls behind further than this looks for themselves who is still signed in.
const SIGNED_OUT_AT_ONCE: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("the user name, password, key or token is not right")]
    Refused,
    #[error("too many attempts; try again in {} s", .0.as_secs().max(1))]
    Throttled(Duration),
    #[error(transparent)]
    Factor(#[from] FactorError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a second factor, or with what somebody wants to do to theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactorError {
    #[error("this is not right, or it was used already")]
    Wrong,
    #[error("this sign-in took too long: begin again with the user name and the password")]
    StepOver,
    #[error("an authenticator app is set up already: take it away first")]
    AppThere,
    #[error("no authenticator app waits for its first code: begin again")]
    NoApp,
    #[error("this passkey could not be set up here: begin again")]
    Unfit,
    #[error("there are as many passkeys as there may be: take one away first")]
    TooMany,
    #[error("a token that was made for a program cannot show who you are: sign in for this")]
    Program,
    #[error("there is no second factor yet: set one up first")]
    None,
    #[error("this is your last second factor, and you must have one: set another up first")]
    Last,
}

/// Where somebody signs in, for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Api,
    Ssh,
    /// The console's page.
    Console,
    /// The host of a web target.
    Web,
    Rdp,
}

impl Door {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Ssh => "ssh",
            Self::Console => "console",
            Self::Web => "web",
            Self::Rdp => "rdp",
        }
    }
}

/// What an operator may set of signing in.
#[derive(Debug, Clone, Copy)]
pub struct SignInTerms {
    /// Attempts in a minute from one address.
    pub per_address: NonZeroU32,
    /// Attempts in a minute with one name from there.
    pub per_name: NonZeroU32,
    pub rule: SecondFactorRule,
}

#[derive(Clone)]
pub struct Identity(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) clock: Clock,
    passwords: Passwords,
    pub(super) throttle: Throttle,
    bootstrap: Bootstrap,
    /// Who must have a second factor.
    pub(super) rule: SecondFactorRule,
    pub(super) seeds: Seeds,
    /// Tells what was signed out here.
    pub(super) signed_out: broadcast::Sender<TokenId>,
}

/// A token and the one sight of its secret.
pub struct Issued {
    pub token: Token,
    pub secret: Secret,
}

impl Identity {
    pub fn new(store: Store, clock: Clock, seeds: Seeds, terms: SignInTerms) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            passwords: Passwords::default(),
            throttle: Throttle::new(terms.per_address, terms.per_name),
            rule: terms.rule,
            seeds,
            bootstrap: Bootstrap::default(),
            signed_out: broadcast::Sender::new(SIGNED_OUT_AT_ONCE),
        }))
    }

    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// A user by their password: known, or half of the way there.
    pub async fn password(
        &self,
        name: &str,
        password: &str,
        peer: IpAddr,
        door: Door,
    ) -> Result<Shown, SignInError> {
        let user = self.right_password(name, password, peer, door).await?;
        self.after_password(user).await
    }

    /// Whether that is their password, for somebody who is signed in: it signs nobody in.
    pub async fn is_password(
        &self,
        by: &Principal,
        password: &str,
        peer: IpAddr,
        door: Door,
    ) -> Result<(), SignInError> {
        self.right_password(by.name.as_str(), password, peer, door)
            .await
            .map(drop)
    }

    pub(super) async fn right_password(
        &self,
        name: &str,
        password: &str,
        peer: IpAddr,
        door: Door,
    ) -> Result<User, SignInError> {
        self.0
            .throttle
            .admit(name, peer)
            .map_err(SignInError::Throttled)?;
        let user = self.user_named(name).await?;
        let hash = match &user {
            Some(user) => store::user::password_hash(&self.0.store, &user.id).await?,
            None => None,
        };
        // Somebody unknown costs the same hash as somebody known.
        // A stored hash that does not parse is the password of nobody.
        let hash = hash.and_then(|hash| hash.parse::<PasswordHash>().ok());
        let right = self
            .0
            .passwords
            .verify(password.to_owned(), hash.as_ref())
            .await;
        match user.filter(|user| right && !user.disabled) {
            Some(user) => Ok(user),
            None => Err(self.refused(name, peer, door, "password").await),
        }
    }

    /// A user by a key whose signature was verified. Never call it for a key that was only offered.
    pub async fn ssh_key(
        &self,
        name: &str,
        fingerprint: &str,
        peer: IpAddr,
    ) -> Result<Principal, SignInError> {
        let user = self.user_named(name).await?.filter(|user| !user.disabled);
        let keys = match &user {
            Some(user) => store::ssh_key::of_user(&self.0.store, &user.id).await?,
            None => Vec::new(),
        };
        let fingerprint = keys
            .into_iter()
            .map(|key| key.fingerprint)
            .find(|known| known == fingerprint);
        match (user, fingerprint) {
            (Some(user), Some(fingerprint)) => Ok(user.principal(Proof::SshKey { fingerprint })),
            _ => Err(self.refused(name, peer, Door::Ssh, "public key").await),
        }
    }

    /// Whether a key may be offered by that user: says nothing about who offers it.
    pub async fn knows_key(&self, name: &str, fingerprint: &str) -> Result<bool, SignInError> {
        let Some(user) = self.user_named(name).await?.filter(|user| !user.disabled) else {
            return Ok(false);
        };
        let keys = store::ssh_key::of_user(&self.0.store, &user.id).await?;
        Ok(keys.iter().any(|key| key.fingerprint == fingerprint))
    }

    /// Has the auditor told of somebody who went away again because none of their keys is known.
    ///
    /// Slowed as guessing is, so that a flood of strangers does not fill the log.
    pub async fn note_strange_keys(&self, name: &str, peer: IpAddr) {
        if self.0.throttle.admit(name, peer).is_ok() {
            self.refused(name, peer, Door::Ssh, "public key").await;
        }
    }

    /// A user by an API token, with the token's scopes.
    pub async fn token(&self, presented: &str) -> Result<(Principal, Token), SignInError> {
        self.known(presented, TokenKind::Api, None).await
    }

    /// Somebody has shown a token there that opens nothing: slowed as guessing at a password
    /// is, and audited as often as it is heard.
    pub async fn strange_token(&self, peer: IpAddr, door: Door) -> SignInError {
        // No user is called so, and nobody's own attempts are used up by it.
        match self.0.throttle.admit("a token", peer) {
            Ok(()) => self.refused("", peer, door, "token").await,
            Err(wait) => SignInError::Throttled(wait),
        }
    }

    /// Who a token of this kind belongs to, if it is good for this host.
    pub(super) async fn known(
        &self,
        presented: &str,
        kind: TokenKind,
        host: Option<&str>,
    ) -> Result<(Principal, Token), SignInError> {
        let presented = Secret::parse(presented).map_err(|_| SignInError::Refused)?;
        if presented.kind() != kind {
            return Err(SignInError::Refused);
        }
        let store = &self.0.store;
        let hash = presented.hash().to_string();
        let found = store::found(store::token::by_hash(store, &hash).await)?;
        let Some(token) = found.filter(|token| token.host.as_deref() == host) else {
            return Err(SignInError::Refused);
        };
        let user = store::user::by_id(store, &token.user).await?;
        if user.disabled || token.expires_at <= self.0.clock.now() {
            return Err(SignInError::Refused);
        }
        let proof = Proof::Token {
            token: token.id.clone(),
        };
        let mut principal = user.scoped_principal(proof, token.scopes.clone());
        principal.factor_at = token.factor_at;
        self.seen(&token).await;
        Ok((principal, token))
    }

    /// Notes now and then that a token is used. Nothing depends on it.
    async fn seen(&self, token: &Token) {
        let now = self.0.clock.now();
        let since = now.before(SEEN_EVERY);
        if token.last_used_at.unwrap_or(token.created_at) > since {
            return;
        }
        let noted = async {
            let mut tx = self.0.store.begin().await?;
            store::token::touch(&mut tx, &token.id, now, since).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            warn!(%error, "Use of a token not noted");
        }
    }

    /// A token for somebody who has just signed in, good for all they may do.
    pub async fn sign_in(
        &self,
        by: &Principal,
        peer: IpAddr,
        door: Door,
    ) -> Result<Issued, SignInError> {
        let label = Text::ours(&format!("signed in from {peer}"));
        let now = self.0.clock.now();
        let mut issued = self.new_token(
            &by.user,
            label,
            Scope::ALL.into_iter().collect(),
            now + SIGNED_IN_FOR,
        );
        issued.token.proven_by(by, peer);
        let event = AuditEvent::done(
            now,
            "user.sign-in",
            Actor::from(by),
            format!("{} signed in", by.name),
        )
        .about_user(&by.user)
        .with(serde_json::json!({ "door": door.as_str(), "peer": peer.to_string() }));
        self.store_token(&issued, &event).await?;
        Ok(issued)
    }

    /// A token that a user makes for a program.
    pub async fn issue(
        &self,
        by: &Principal,
        label: Text,
        scopes: Scopes,
        lifetime: Span,
    ) -> Result<Issued, SignInError> {
        let now = self.0.clock.now();
        // A token never reaches further than the one who makes it.
        let scopes = scopes.intersection(&by.scopes).copied().collect();
        let issued = self.new_token(&by.user, label, scopes, now + lifetime);
        let event = AuditEvent::done(
            now,
            "token.create",
            Actor::from(by),
            format!("{} made a token", by.name),
        )
        .about_user(&by.user)
        .with(serde_json::json!({
            "token": issued.token.id,
            "label": issued.token.label,
            "scopes": issued.token.scopes,
            "expires_at": issued.token.expires_at,
        }));
        self.store_token(&issued, &event).await?;
        Ok(issued)
    }

    /// The one-time token that makes the first admin; none once there is an admin.
    pub async fn bootstrap_token(&self) -> Result<Option<zeroize::Zeroizing<String>>, StoreError> {
        if store::user::count_admins(&self.0.store).await? > 0 {
            return Ok(None);
        }
        Ok(Some(self.0.bootstrap.offer()))
    }

    /// Makes the first admin. Nothing else does, and it works once.
    pub async fn bootstrap(
        &self,
        presented: &str,
        name: UserName,
        full_name: Text,
        password: &str,
        peer: IpAddr,
    ) -> Result<Principal, BootstrapError> {
        let throttled = |wait| BootstrapError::SignIn(SignInError::Throttled(wait));
        self.0.throttle.admit("", peer).map_err(throttled)?;
        if !self.0.bootstrap.matches(presented) {
            self.refused(name.as_str(), peer, Door::Api, "bootstrap token")
                .await;
            return Err(SignInError::Refused.into());
        }
        let hash = self
            .0
            .passwords
            .hash(NewPassword::new(password.to_owned())?)
            .await
            .to_string();
        let now = self.0.clock.now();
        let id = UserId::new(now, entropy());
        let user = User {
            person: PersonId::from(&id),
            id,
            name,
            full_name,
            email: None,
            roles: Role::ALL.into_iter().collect(),
            groups: Default::default(),
            vouched_by: Default::default(),
            disabled: false,
            created_at: now,
        };
        let event = AuditEvent::done(
            now,
            "user.bootstrap",
            Actor::from(&user.principal(Proof::Bootstrap)),
            "the first admin",
        )
        .about_user(&user.id)
        .with(serde_json::json!({ "name": user.name, "peer": peer.to_string() }));
        let mut tx = self.0.store.begin().await.map_err(SignInError::from)?;
        store::user::insert(&mut tx, &user)
            .await
            .map_err(SignInError::from)?;
        store::user::set_password(&mut tx, &user.id, Some(&hash))
            .await
            .map_err(SignInError::from)?;
        audit::append(&mut tx, &event)
            .await
            .map_err(SignInError::from)?;
        // INVARIANT: counted under the lock of the audit chain, so that two nodes make one admin.
        if store::user::count_admins(&mut tx)
            .await
            .map_err(SignInError::from)?
            > 1
        {
            return Err(SignInError::Refused.into());
        }
        tx.commit().await.map_err(SignInError::from)?;
        self.0.bootstrap.spend();
        Ok(user.principal(Proof::Bootstrap))
    }

    async fn user_named(&self, name: &str) -> Result<Option<User>, StoreError> {
        match name.parse() {
            Ok(name) => store::found(store::user::by_name(&self.0.store, &name).await),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn new_token(
        &self,
        user: &UserId,
        label: Text,
        scopes: Scopes,
        expires_at: Timestamp,
    ) -> Issued {
        let now = self.0.clock.now();
        let token = Token {
            id: TokenId::new(now, entropy()),
            user: user.clone(),
            label,
            scopes,
            created_at: now,
            expires_at,
            last_used_at: None,
            host: None,
            parent: None,
            peer: None,
            proven_at: None,
            factor_at: None,
        };
        Issued {
            token,
            secret: Secret::generate(TokenKind::Api),
        }
    }

    pub(super) async fn store_token(
        &self,
        issued: &Issued,
        event: &AuditEvent,
    ) -> Result<(), SignInError> {
        let mut tx = self.0.store.begin().await?;
        // Each sign-in leaves a token: where they are made, those that are over go.
        let token = &issued.token;
        store::token::delete_expired(&mut tx, &token.user, token.created_at).await?;
        store::token::insert(&mut tx, &issued.token, &issued.secret.hash().to_string()).await?;
        audit::append(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn refused(
        &self,
        name: &str,
        peer: IpAddr,
        door: Door,
        proof: &str,
    ) -> SignInError {
        let claimed = Text::ours(&name.chars().take(64).collect::<String>()).one_line();
        let actor = Actor::Nobody {
            claimed,
            peer: peer.to_string(),
        };
        let mut event = AuditEvent::done(
            self.0.clock.now(),
            "user.sign-in",
            actor,
            format!("sign-in refused: {proof} not right, or user unknown or disabled"),
        );
        event.outcome = AuditOutcome::Refused("sign-in".to_owned());
        event.detail = serde_json::json!({ "door": door.as_str() });
        if let Err(error) = self.note(&event).await {
            warn!(%error, "Refused sign-in not audited");
        }
        SignInError::Refused
    }

    pub(super) async fn note(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.0.store.begin().await?;
        audit::append(&mut tx, event).await?;
        tx.commit().await
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error(transparent)]
    Password(#[from] BadPassword),
}
