//! What one session signs in with, and what each of its requests carries of it.
//!
//! Most means never change. A token or a sign-in is fetched when it is first needed, by one
//! request for all that wait, and again when the target says that it has lapsed.

use std::{sync::Arc, time::Duration};

use hyper::{HeaderMap, StatusCode};
use rustls::sign::CertifiedKey;
use tokio::sync::Mutex;

use super::{
    errand::Server,
    form::FormSignIn,
    inject::{InjectError, Injected},
    masks::Masks,
    token::TokenSource,
};
use crate::{
    clock::Stopwatch,
    model::{
        refusal::Refusal,
        web::{Web, WebSignIn},
    },
    session::{Credential, Session, credential::AccountSecret},
    tls::client,
};

/// After a sign-in that failed it is not tried again for so long: an account that is locked
/// after some wrong passwords is not to be locked by somebody's reload key.
pub const NOT_AGAIN_FOR: Duration = Duration::from_secs(10);

/// How a session signs in.
pub enum Means {
    Fixed(Arc<Injected>),
    Token(Box<TokenSource>, Kept),
    Form(Box<FormSignIn>, Kept),
}

/// Means, and the certificate that is shown when TLS is spoken.
pub struct Ready {
    pub means: Means,
    pub identity: Option<Arc<CertifiedKey>>,
    /// What no recording of bodies holds.
    pub masks: Masks,
}

/// A sign-in that is to be ended.
pub struct LastWord {
    form: Box<FormSignIn>,
    injected: Arc<Injected>,
}

impl LastWord {
    pub async fn say(self, session: &Session) {
        if let Injected::Jar(jar) = &*self.injected {
            self.form.sign_out(jar, session).await;
        }
    }
}

/// What was fetched. The lock is held while something is, so that all who come meanwhile wait
/// for the one answer.
#[derive(Default)]
pub struct Kept(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Nothing,
    Good {
        injected: Arc<Injected>,
        since: Stopwatch,
        good_for: Duration,
    },
    Failed {
        why: String,
        since: Stopwatch,
    },
}

impl Means {
    /// Signs in with nothing.
    pub fn nothing() -> Self {
        Self::Fixed(Arc::new(Injected::Nothing))
    }

    /// The credential is unsealed here, once for the session; nothing is sent yet.
    pub async fn ready(session: &Session, web: &Web) -> Result<Ready, String> {
        let fixed = |injected| Ready {
            means: Self::Fixed(Arc::new(injected)),
            identity: None,
            masks: Masks::default(),
        };
        if !web.sign_in.needs_secret() {
            return Ok(fixed(Injected::Nothing));
        }
        let credential = session.credential().await.map_err(|it| it.to_string())?;
        let hidden = |_| InjectError::Hidden.to_string();
        let permit = session.permit();
        let masks = match &credential.secret {
            AccountSecret::Password(secret) if permit.recording().bodies.is_some() => {
                let made = secret.expose(permit, |secret| Masks::of(&credential.login, secret));
                made.map_err(hidden)?
            }
            _ => Masks::default(),
        };
        let ready = Self::with_credential(session, web, &credential)?;
        Ok(Ready { masks, ..ready })
    }

    fn with_credential(
        session: &Session,
        web: &Web,
        credential: &Credential,
    ) -> Result<Ready, String> {
        let fixed = |injected| Ready {
            means: Self::Fixed(Arc::new(injected)),
            identity: None,
            masks: Masks::default(),
        };
        let hidden = |_| InjectError::Hidden.to_string();
        let permit = session.permit();
        match (&web.sign_in, &credential.secret) {
            (WebSignIn::ClientCertificate {}, AccountSecret::ClientCertificate(pem)) => {
                let identity = pem.expose(permit, client::identity).map_err(hidden)?;
                Ok(Ready {
                    identity: Some(identity.map_err(|why| why.to_string())?),
                    ..fixed(Injected::Nothing)
                })
            }
            (WebSignIn::ClientCertificate {}, _) => {
                Err("the account's secret is no client certificate".to_owned())
            }
            (WebSignIn::ClientCredentials(asked), AccountSecret::Password(secret)) => {
                let of_target = &session.target().host_keys;
                let made = secret.expose(permit, |secret| {
                    TokenSource::new(asked, of_target, &credential.login, secret)
                });
                let source = made.map_err(hidden)?.map_err(|error| error.to_string())?;
                Ok(Ready {
                    means: Self::Token(Box::new(source), Kept::default()),
                    identity: None,
                    masks: Masks::default(),
                })
            }
            (WebSignIn::Form(recipe), AccountSecret::Password(secret)) => {
                let address = &session.target().address;
                let authority = web.authority(address);
                let server = match web.tls {
                    false => Server::plain(authority.clone()),
                    true => {
                        let lines = &session.target().host_keys;
                        let name = web.server_name(address);
                        Server::with_tls(lines, None, name, authority.clone())
                            .map_err(|error| error.to_string())?
                    }
                };
                let login = &credential.login;
                let form = secret.expose(permit, |secret| {
                    FormSignIn::new(recipe, server, web, &authority, login, secret)
                });
                Ok(Ready {
                    means: Self::Form(Box::new(form.map_err(hidden)?), Kept::default()),
                    identity: None,
                    masks: Masks::default(),
                })
            }
            (sign_in, _) => {
                let injected = Injected::new(sign_in, credential, permit);
                injected.map(fixed).map_err(|error| error.to_string())
            }
        }
    }

    /// What the next request carries.
    pub async fn given(&self, session: &Session) -> Result<Arc<Injected>, Refusal> {
        match self {
            Self::Fixed(injected) => Ok(injected.clone()),
            Self::Token(_, kept) | Self::Form(_, kept) => kept.get(None, self, session).await,
        }
    }

    /// What the next request carries instead of `stale`, which the target did not take.
    pub async fn given_anew(
        &self,
        stale: &Arc<Injected>,
        session: &Session,
    ) -> Result<Arc<Injected>, Refusal> {
        match self {
            Self::Fixed(injected) => Ok(injected.clone()),
            Self::Token(_, kept) | Self::Form(_, kept) => {
                kept.get(Some(stale), self, session).await
            }
        }
    }

    /// Whether an answer says that what was given is not good, or not any more.
    pub fn has_lapsed(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Token(..) => status == StatusCode::UNAUTHORIZED,
            Self::Form(form, _) => form.has_lapsed(status, headers),
        }
    }

    /// Whether it can be fetched again.
    pub fn can_lapse(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }

    /// Whether a sign-in failed so long ago that what an admin may have mended is read again.
    pub fn is_spent(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Token(_, kept) | Self::Form(_, kept) => kept.has_failed_for(NOT_AGAIN_FOR),
        }
    }

    async fn fetch(&self, session: &Session) -> Result<(Injected, Duration), String> {
        match self {
            Self::Fixed(_) => Ok((Injected::Nothing, Duration::MAX)),
            Self::Token(source, _) => source.fetch(session).await,
            Self::Form(form, _) => Ok((form.sign_in(session).await?, Duration::MAX)),
        }
    }

    /// What there is to do at the target when the session is over.
    pub fn last_word(self) -> Option<LastWord> {
        match self {
            Self::Form(form, kept) if form.signs_out() => match kept.0.into_inner() {
                State::Good { injected, .. } => Some(LastWord { form, injected }),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Kept {
    async fn get(
        &self,
        stale: Option<&Arc<Injected>>,
        means: &Means,
        session: &Session,
    ) -> Result<Arc<Injected>, Refusal> {
        let mut state = self.0.lock().await;
        let failed = |why: &str| Refusal::SignInFailed {
            target: session.target().name.clone(),
            why: why.to_owned(),
        };
        match &*state {
            State::Good {
                injected,
                since,
                good_for,
            } if since.elapsed() < *good_for
                && stale.is_none_or(|stale| !Arc::ptr_eq(stale, injected)) =>
            {
                return Ok(injected.clone());
            }
            State::Failed { why, since } if since.elapsed() < NOT_AGAIN_FOR => {
                return Err(failed(why));
            }
            _ => {}
        }
        match Box::pin(means.fetch(session)).await {
            Ok((injected, good_for)) => {
                let injected = Arc::new(injected);
                *state = State::Good {
                    injected: injected.clone(),
                    since: Stopwatch::start(),
                    good_for,
                };
                Ok(injected)
            }
            Err(why) => {
                let refusal = failed(&why);
                *state = State::Failed {
                    why,
                    since: Stopwatch::start(),
                };
                Box::pin(session.audit_refused("web.sign-in", &refusal)).await;
                Err(refusal)
            }
        }
    }

    fn has_failed_for(&self, least: Duration) -> bool {
        // Whoever fetches just now has not failed yet.
        let state = self.0.try_lock();
        state.is_ok_and(|state| match &*state {
            State::Failed { since, .. } => since.elapsed() >= least,
            _ => false,
        })
    }
}
