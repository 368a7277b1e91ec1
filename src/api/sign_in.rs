//! Signing in and out, and the first admin of all.
//!
//! Wrong, unknown and disabled are one answer; `identity` makes them take one time as well,
//! slows guessing and writes every failure down.

use std::net::IpAddr;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Peer},
    body::Body,
    error::Problem,
    factors::AppSetUp,
    passkeys::PasskeyProof,
    secret_text::SecretText,
};
use crate::{
    identity::{
        Half, Second, Shown,
        second::{RecoveryCodes, Whole},
        sign_in::Door,
    },
    model::{
        factor::{FactorKind, Factors},
        name::UserName,
        principal::Principal,
        text::Text,
        time::Timestamp,
        user::User,
    },
    store,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Not parsed: a name that cannot exist is as wrong as one that does not.
    pub(super) user: String,
    pub(super) password: SecretText,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The one-time token that the first start printed.
    token: SecretText,
    user: UserName,
    password: SecretText,
    #[serde(default)]
    full_name: Text,
}

/// Shown once.
#[derive(Serialize, ToSchema)]
pub struct SignedIn {
    token: String,
    expires_at: Timestamp,
    user: User,
    /// Ten codes to write down, at the first sign-in with a second factor; each counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
}

/// The password was right, and a second factor is to come.
#[derive(Serialize, ToSchema)]
pub struct HalfSignedIn {
    /// Goes on from here: to be sent along with the second factor.
    step: String,
    expires_at: Timestamp,
    /// What could be shown. Nothing: an app must be set up first, `POST /sign-in/app`.
    factors: Vec<FactorKind>,
}

/// The second half of a sign-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondHalf {
    step: SecretText,
    /// Of an authenticator app, or a recovery code.
    code: Option<SecretText>,
    passkey: Option<PasskeyProof>,
}

impl SecondHalf {
    /// Makes the sign-in whole with whichever was shown.
    pub(super) async fn shown(
        &self,
        api: &Api,
        peer: IpAddr,
        door: Door,
    ) -> Result<Whole, Problem> {
        let (step, identity) = (self.step.expose(), api.identity());
        let whole = match (&self.code, &self.passkey) {
            (Some(code), None) => {
                let shown = Second::Code(code.expose());
                identity.second(step, &shown, peer, door).await
            }
            (None, Some(passkey)) => {
                let (assertion, site) = (passkey.read()?, api.site());
                let shown = Second::Passkey(&assertion, &site);
                identity.second(step, &shown, peer, door).await
            }
            _ => return Err(Problem::invalid("code", "a code or a passkey is expected")),
        };
        Ok(whole?)
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnTheWay {
    pub(super) step: SecretText,
}

impl From<Half> for HalfSignedIn {
    fn from(half: Half) -> Self {
        Self {
            step: half.secret.reveal().to_owned(),
            expires_at: half.expires_at,
            factors: kinds(&half.factors),
        }
    }
}

/// What could be shown, the usual first.
pub fn kinds(factors: &Factors) -> Vec<FactorKind> {
    let has = [
        (!factors.passkeys.is_empty(), FactorKind::Passkey),
        (factors.app.is_some(), FactorKind::App),
        (
            factors.any() && factors.recovery_codes > 0,
            FactorKind::RecoveryCode,
        ),
    ];
    has.into_iter()
        .filter_map(|(has, kind)| has.then_some(kind))
        .collect()
}

pub async fn sign_in(
    State(api): State<Api>,
    Peer(peer): Peer,
    Body(body): Body<SignIn>,
) -> Result<Response, Problem> {
    let identity = api.identity();
    let shown = identity
        .password(&body.user, body.password.expose(), peer.ip(), Door::Api)
        .await?;
    match shown {
        Shown::Proven(by) => {
            let signed_in = answer(&api, &by, peer, None).await?;
            Ok(Json(signed_in).into_response())
        }
        Shown::Half(half) => {
            let half = Json(HalfSignedIn::from(half));
            Ok((StatusCode::ACCEPTED, half).into_response())
        }
    }
}

/// The second factor makes the sign-in whole.
pub async fn second(
    State(api): State<Api>,
    Peer(peer): Peer,
    Body(body): Body<SecondHalf>,
) -> Result<Json<SignedIn>, Problem> {
    let whole = body.shown(&api, peer.ip(), Door::Api).await?;
    let codes = whole.recovery_codes.as_ref().map(RecoveryCodes::spelled);
    answer(&api, &whole.principal, peer, codes).await.map(Json)
}

/// Sets an app up for somebody who must have a second factor before they are signed in.
pub async fn app(
    State(api): State<Api>,
    Peer(peer): Peer,
    Body(body): Body<OnTheWay>,
) -> Result<Json<AppSetUp>, Problem> {
    let (site, step) = (api.site(), body.step.expose());
    let offer = api
        .identity()
        .offer_app_at_sign_in(step, site.id(), peer.ip(), Door::Api);
    AppSetUp::of(&offer.await?).map(Json)
}

pub async fn bootstrap(
    State(api): State<Api>,
    Peer(peer): Peer,
    Body(body): Body<Bootstrap>,
) -> Result<(StatusCode, Json<SignedIn>), Problem> {
    let identity = api.identity();
    let by = identity
        .bootstrap(
            body.token.expose(),
            body.user,
            body.full_name,
            body.password.expose(),
            peer.ip(),
        )
        .await?;
    api.announce("user", &by.name);
    let signed_in = answer(&api, &by, peer, None).await?;
    Ok((StatusCode::CREATED, Json(signed_in)))
}

pub async fn sign_out(State(api): State<Api>, caller: Caller) -> Result<StatusCode, Problem> {
    api.identity()
        .sign_out(&caller.principal, &caller.token)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(
    api: &Api,
    by: &Principal,
    peer: std::net::SocketAddr,
    recovery_codes: Option<Vec<String>>,
) -> Result<SignedIn, Problem> {
    let issued = api.identity().sign_in(by, peer.ip(), Door::Api).await?;
    let user = store::user::by_id(api.store(), &by.user).await?;
    Ok(SignedIn {
        token: issued.secret.reveal().to_owned(),
        expires_at: issued.token.expires_at,
        user,
        recovery_codes,
    })
}
