//! Who somebody is: the one place where a key or a password becomes a person.
//!
//! Identity comes from what was verified, never from what was offered (P8), and everybody
//! who is not let in gets the same answer. Whoever is let in may first be asked what for.

use std::borrow::Cow;

use russh::{
    MethodKind, MethodSet,
    keys::HashAlg,
    server::{Auth, PublicKeyOffer, Response, VerifiedPublicKey},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::FromPerson;
use crate::{
    broker::ssh::{
        algorithms,
        asking::{self, Next, SigningIn},
        entrance,
        jump::Guest,
        login::Login,
    },
    identity::{Door, Shown, SignInError},
    model::{principal::Principal, session::KillReason},
};

/// By which way somebody proved who they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Key,
    Password,
    /// A password at a prompt, where more prompts can follow.
    Keyboard,
}

impl FromPerson {
    /// Whether a key is worth a signature.
    pub(super) async fn offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Auth {
        if !algorithms::is_sound(offer.algorithm) {
            return rejected();
        }
        let fingerprint = offer.public_key.fingerprint(HashAlg::Sha256).to_string();
        let identity = self.broker.gate().identity();
        match identity.knows_key(&self.name_of(user), &fingerprint).await {
            Ok(true) => Auth::Accept,
            Ok(false) => {
                self.strange = Some(self.name_of(user));
                rejected()
            }
            Err(error) => {
                warn!(peer = %self.peer, %error, "Sign-in not decided");
                rejected()
            }
        }
    }

    /// A key that has signed.
    pub(super) async fn signed(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        if !algorithms::is_sound(key.algorithm) {
            return Ok(rejected());
        }
        let fingerprint = key.public_key.fingerprint(HashAlg::Sha256).to_string();
        let identity = self.broker.gate().identity();
        let proven = identity
            .ssh_key(&self.name_of(user), &fingerprint, self.peer.ip())
            .await;
        self.prove(user, proven, Means::Key).await
    }

    /// People are known by the keys they registered. No authority vouches for anybody here,
    /// not even the gateway's own: its certificates are for targets.
    pub(super) fn vouched_for(&mut self, user: &str) -> Auth {
        self.strange = Some(self.name_of(user));
        rejected()
    }

    /// At the prompts: a password, and what is asked after it.
    pub(super) async fn typed(
        &mut self,
        user: &str,
        mut response: Option<Response<'_>>,
    ) -> Result<Auth, russh::Error> {
        if let Some(auth) = self.questions(user, &mut response).await {
            return Ok(auth);
        }
        if let Some(half) = self.half.take() {
            return self.second(user, half, response).await;
        }
        let Some(mut response) = response else {
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Borrowed(&[(Cow::Borrowed("Password: "), false)]),
            });
        };
        let password = match (response.next(), response.next()) {
            (Some(password), None) => String::from_utf8(password.to_vec()).ok(),
            _ => None,
        };
        match password {
            Some(password) => self.password(user, &password, Means::Keyboard).await,
            None => Ok(rejected()),
        }
    }

    /// Whom a log-in name is of. Inside another connection that is settled.
    pub(super) fn name_of(&self, typed: &str) -> String {
        match &self.guest {
            Some(guest) => guest.principal.name.to_string(),
            None => name_of(typed),
        }
    }

    /// A guest is known; what they typed says only as whom they want to go on.
    pub(super) async fn welcome(
        &mut self,
        user: &str,
        mut guest: Guest,
    ) -> Result<Auth, russh::Error> {
        let login = guest.login(user, self.broker.gate()).await;
        let Guest { principal, .. } = guest;
        let login = match login {
            Ok(login) => login,
            Err(refusal) => {
                let gate = self.broker.gate();
                gate.audit_refused(&principal, self.peer, "session.open", &refusal)
                    .await;
                self.unwelcome = Some(entrance::refused(&refusal));
                Login {
                    user: principal.name.clone(),
                    place: None,
                }
            }
        };
        self.proven = Some((principal, login));
        Ok(Auth::Accept)
    }

    /// One answer for everybody who is not let in; russh gives it after the same time.
    pub(super) async fn prove(
        &mut self,
        user: &str,
        proven: Result<Principal, SignInError>,
        means: Means,
    ) -> Result<Auth, russh::Error> {
        self.signing_in = None;
        match proven {
            Ok(principal) if let Some(guest) = self.guest.clone() => {
                if guest.principal.user == principal.user {
                    return self.welcome(user, guest).await;
                }
            }
            // What proved the identity and what is asked for are of the same request.
            Ok(principal) => match user.parse() {
                Ok(login) => return Ok(self.let_in(principal, login, means).await),
                Err(_) => debug!(peer = %self.peer, "Signed in under no log-in name"),
            },
            Err(SignInError::Refused) => {}
            Err(error) => warn!(peer = %self.peer, %error, "Sign-in not decided"),
        }
        Ok(rejected())
    }

    /// At once, or after they were asked what they need where that can be asked here.
    pub(super) async fn let_in(
        &mut self,
        principal: Principal,
        login: Login,
        means: Means,
    ) -> Auth {
        let here = match means {
            Means::Keyboard => true,
            Means::Key => self.broker.ask_settings().keys_at_sign_in,
            Means::Password => false,
        };
        let asked = match here {
            true => SigningIn::begin(self.broker.gate(), &principal, &login).await,
            false => None,
        };
        self.proven = Some((principal, login));
        let Some(mut signing_in) = asked else {
            return Auth::Accept;
        };
        // They have proven who they are. Filling in takes longer than that may.
        self.arrival.signed_in();
        let switch = self.switch.clone();
        self.hurry = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(asking::FILL_IN.duration()).await;
            switch.pull(KillReason::HandshakeTooSlow(asking::FILL_IN));
        })));
        let first = match means {
            Means::Keyboard => signing_in.first().await,
            Means::Key | Means::Password => Next::Ask(asking::go_on()),
        };
        self.signing_in = Some(signing_in);
        self.next(first)
    }

    pub(super) fn next(&mut self, next: Next) -> Auth {
        match next {
            Next::Ask(auth) => auth,
            Next::Done(filed) => {
                self.signing_in = None;
                self.filed = filed;
                Auth::Accept
            }
        }
    }

    /// The questions, where somebody who proved who they are is asked; none otherwise.
    pub(super) async fn questions(
        &mut self,
        user: &str,
        response: &mut Option<Response<'_>>,
    ) -> Option<Auth> {
        let mut signing_in = self.signing_in.take()?;
        if !signing_in.is_for(user) {
            return None;
        }
        let next = match response {
            None => signing_in.first().await,
            Some(response) => {
                let answer = response.next();
                let answer = answer.as_deref().map(String::from_utf8_lossy);
                signing_in.answered(answer.as_deref()).await
            }
        };
        self.signing_in = Some(signing_in);
        Some(self.next(next))
    }

    pub(super) async fn password(
        &mut self,
        user: &str,
        password: &str,
        means: Means,
    ) -> Result<Auth, russh::Error> {
        let name = self.name_of(user);
        let identity = self.broker.gate().identity();
        let shown = identity
            .password(&name, password, self.peer.ip(), Door::Ssh)
            .await;
        match shown {
            Ok(Shown::Half(half)) => Ok(self.half_way(user, half, means)),
            Ok(Shown::Proven(principal)) => self.prove(user, Ok(principal), means).await,
            Err(error) => self.prove(user, Err(error), means).await,
        }
    }
}

/// Every way of signing in stays open after a failure, and the answer does not say which
/// would have been right.
pub(super) fn rejected() -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(methods()),
        partial_success: false,
    }
}

pub fn methods() -> MethodSet {
    MethodSet::from(
        &[
            MethodKind::PublicKey,
            MethodKind::KeyboardInteractive,
            MethodKind::Password,
        ][..],
    )
}

/// The user's name in what was typed. What does not parse is looked for all the same, so
/// that it takes as long, and found nowhere.
fn name_of(typed: &str) -> String {
    match typed.parse::<Login>() {
        Ok(login) => login.user.to_string(),
        Err(_) => format!("?{}", typed.chars().take(64).collect::<String>()),
    }
}
