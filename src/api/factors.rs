//! Second factors: one's own, which one sets up and takes away oneself, and those of others,
//! which an admin can see and take away.
//!
//! Only whoever has just shown who they are changes anything here: a browser that was left
//! open is not enough.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Peer},
    body::{At, Body},
    error::Problem,
    passkeys::PasskeyProof,
    secret_text::SecretText,
    sign_in::kinds,
};
use crate::{
    identity::{
        Door, FactorError, Second, SignInError,
        second::{AppOffer, RecoveryCodes},
    },
    model::{
        factor::{FactorKind, Factors, RECENT},
        name::UserName,
        time::Timestamp,
    },
    page::qr::{self, Picture},
    store,
};

/// What somebody has to show besides their password.
#[derive(Serialize, ToSchema)]
pub struct FactorsView {
    /// Whether passkeys can be set up here: not where the console's address is no name.
    passkeys_possible: bool,
    #[serde(flatten)]
    factors: Factors,
    /// What could be shown now, the usual first.
    could_show: Vec<FactorKind>,
    /// Whether they must have one.
    required: bool,
}

/// Shown once.
#[derive(Serialize, ToSchema)]
pub struct AppSetUp {
    /// To be typed into the app.
    secret: String,
    /// `otpauth://totp/…`
    uri: String,
    /// The same as a QR code.
    qr: Picture,
}

impl AppSetUp {
    pub fn of(offer: &AppOffer) -> Result<Self, Problem> {
        Ok(Self {
            secret: offer.secret.to_string(),
            uri: offer.uri.to_string(),
            qr: qr::picture(&offer.uri).map_err(|error| Problem::fault("drawing", &error))?,
        })
    }
}

impl Drop for AppSetUp {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.secret.zeroize();
        self.uri.zeroize();
    }
}

/// The first code of an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstCode {
    code: SecretText,
}

/// Shown once.
#[derive(Serialize, ToSchema)]
pub struct NewCodes {
    /// Ten codes to write down, where there were none before; each counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovery_codes: Option<Vec<String>>,
}

/// One of these: a code or a passkey where there is a second factor, the password where there is none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proving {
    /// Of an authenticator app, or a recovery code.
    code: Option<SecretText>,
    passkey: Option<PasskeyProof>,
    password: Option<SecretText>,
}

pub async fn show(State(api): State<Api>, caller: Caller) -> Result<Json<FactorsView>, Problem> {
    view(&api, &caller.principal.name).await.map(Json)
}

pub async fn of_user(
    State(api): State<Api>,
    At(name): At<UserName>,
) -> Result<Json<FactorsView>, Problem> {
    view(&api, &name).await.map(Json)
}

async fn view(api: &Api, name: &UserName) -> Result<FactorsView, Problem> {
    let user = store::user::by_name(api.store(), name).await?;
    let (factors, required) = api.identity().factors(&user).await?;
    Ok(FactorsView {
        passkeys_possible: api.site().can(),
        could_show: kinds(&factors),
        factors,
        required,
    })
}

/// Whether whoever calls has just shown who they are: with a second factor if they have one.
pub(super) async fn fresh(api: &Api, caller: &Caller) -> Result<Factors, Problem> {
    let factors = store::factor::of_user(api.store(), &caller.principal.user).await?;
    let shown = match factors.any() {
        true => caller.principal.factor_at,
        false => caller.proven_at,
    };
    let since = api.now().before(RECENT);
    match shown.is_some_and(|shown: Timestamp| shown > since) {
        true => Ok(factors),
        false => Err(Problem::not_fresh()),
    }
}

pub async fn offer_app(State(api): State<Api>, caller: Caller) -> Result<Json<AppSetUp>, Problem> {
    fresh(&api, &caller).await?;
    let user = store::user::by_id(api.store(), &caller.principal.user).await?;
    let offer = api.identity().offer_app(&user, api.site().id()).await?;
    AppSetUp::of(&offer).map(Json)
}

pub async fn confirm_app(
    State(api): State<Api>,
    caller: Caller,
    Peer(peer): Peer,
    Body(body): Body<FirstCode>,
) -> Result<Json<NewCodes>, Problem> {
    fresh(&api, &caller).await?;
    let user = store::user::by_id(api.store(), &caller.principal.user).await?;
    let code = body.code.expose();
    let confirmed = api.identity().confirm_app(&user, code, peer.ip(), None);
    let codes = confirmed.await.map_err(wrong)?;
    // Whoever has shown a code of it has shown a second factor.
    let identity = api.identity();
    identity
        .first_shown(&caller.principal, &caller.token)
        .await?;
    Ok(Json(NewCodes {
        recovery_codes: codes.as_ref().map(RecoveryCodes::spelled),
    }))
}

pub async fn remove_app(State(api): State<Api>, caller: Caller) -> Result<StatusCode, Problem> {
    fresh(&api, &caller).await?;
    api.identity().remove_app(&caller.principal).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn new_codes(
    State(api): State<Api>,
    caller: Caller,
) -> Result<(StatusCode, Json<NewCodes>), Problem> {
    fresh(&api, &caller).await?;
    let codes = api.identity().new_recovery_codes(&caller.principal).await?;
    let codes = NewCodes {
        recovery_codes: Some(codes.spelled()),
    };
    Ok((StatusCode::CREATED, Json(codes)))
}

/// Shows again who one is, in the sign-in one has.
pub async fn prove(
    State(api): State<Api>,
    caller: Caller,
    Peer(peer): Peer,
    Body(body): Body<Proving>,
) -> Result<StatusCode, Problem> {
    let (identity, by, token) = (api.identity(), &caller.principal, &caller.token);
    let proven = match (&body.code, &body.passkey, &body.password) {
        (None, Some(passkey), None) => {
            let (assertion, site) = (passkey.read()?, api.site());
            let shown = Second::Passkey(&assertion, &site);
            let proving = identity.prove_again(by, token, &shown, peer.ip(), Door::Api);
            proving.await.map_err(wrong)
        }
        (Some(code), None, None) => {
            let shown = Second::Code(code.expose());
            let proving = identity.prove_again(by, token, &shown, peer.ip(), Door::Api);
            proving.await.map_err(wrong)
        }
        (None, None, Some(password)) => {
            let password = password.expose();
            let proving = identity.prove_password(by, token, password, peer.ip(), Door::Api);
            proving.await.map_err(|error| match error {
                SignInError::Factor(FactorError::Wrong) => Problem::invalid(
                    "code",
                    "you have a second factor, so the password alone proves nothing",
                ),
                SignInError::Refused => {
                    Problem::invalid("password", "this is not your password").already_audited()
                }
                error => error.into(),
            })
        }
        _ => Err(Problem::invalid(
            "code",
            "a code, a passkey or a password is expected",
        )),
    };
    proven?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is signed in and mistypes a code is not signed out.
fn wrong(error: SignInError) -> Problem {
    match error {
        SignInError::Factor(FactorError::Wrong) => {
            Problem::invalid("code", error).already_audited()
        }
        error => error.into(),
    }
}

pub async fn reset(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<UserName>,
) -> Result<StatusCode, Problem> {
    let user = store::user::by_name(api.store(), &name).await?;
    let by = &caller.principal;
    api.identity().reset_factors(by, &user).await?;
    api.announce("user", &user.name);
    Ok(StatusCode::NO_CONTENT)
}
