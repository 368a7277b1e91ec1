//! Passkeys, as browsers ask for them and send them. Bytes are base64url.

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Peer},
    body::{At, Body},
    error::Problem,
    factors::{NewCodes, fresh},
    sign_in::OnTheWay,
};
use crate::{
    identity::{
        Door,
        second::{
            ALGORITHMS, Assertion, Challenge, PASSKEY_WITHIN, RecoveryCodes, Registration, Site,
        },
    },
    model::{name::UserName, text::Text},
    store,
};

/// What a browser is to ask an authenticator for.
#[derive(Serialize, ToSchema)]
pub struct PasskeyRequest {
    challenge: String,
    /// The host that the passkeys are bound to.
    rp_id: String,
    /// Those that fit.
    allow: Vec<String>,
    timeout_ms: u64,
}

/// What a browser is to have an authenticator make.
#[derive(Serialize, ToSchema)]
pub struct PasskeyCreation {
    challenge: String,
    rp_id: String,
    rp_name: String,
    /// Whose it is, as authenticators know them.
    user_id: String,
    user_name: UserName,
    /// COSE algorithms, the best first.
    algorithms: Vec<i64>,
    /// Those that are there already.
    exclude: Vec<String>,
    timeout_ms: u64,
}

/// What an authenticator has signed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyProof {
    id: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
}

/// What an authenticator has made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    /// What people call it: `work laptop`.
    label: Text,
    client_data: String,
    authenticator_data: String,
}

impl PasskeyProof {
    pub(super) fn read(&self) -> Result<Assertion, Problem> {
        Ok(Assertion {
            id: self.id.clone(),
            client_data: bytes("passkey.client_data", &self.client_data)?,
            authenticator_data: bytes("passkey.authenticator_data", &self.authenticator_data)?,
            signature: bytes("passkey.signature", &self.signature)?,
        })
    }
}

fn bytes(field: &str, text: &str) -> Result<Vec<u8>, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| Problem::invalid(field, "base64url without padding is expected"))
}

fn request(site: &Site, challenge: Challenge) -> Json<PasskeyRequest> {
    Json(PasskeyRequest {
        challenge: challenge.challenge,
        rp_id: site.id().to_owned(),
        allow: challenge.known,
        timeout_ms: PASSKEY_WITHIN.as_secs() * 1000,
    })
}

/// For the second half of a sign-in.
pub async fn at_sign_in(
    State(api): State<Api>,
    Peer(peer): Peer,
    Body(body): Body<OnTheWay>,
) -> Result<Json<PasskeyRequest>, Problem> {
    let step = body.step.expose();
    let identity = api.identity();
    let challenge = identity.challenge_at_sign_in(step, peer.ip(), Door::Api);
    Ok(request(&api.site(), challenge.await?))
}

/// For showing again who one is.
pub async fn again(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<PasskeyRequest>, Problem> {
    let challenge = api
        .identity()
        .challenge_again(&caller.principal, &caller.token);
    Ok(request(&api.site(), challenge.await?))
}

pub async fn begin(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<PasskeyCreation>, Problem> {
    fresh(&api, &caller).await?;
    let (by, site) = (&caller.principal, api.site());
    if !site.can() {
        let detail = "passkeys need a name in the console's address, and it is an IP address";
        return Err(Problem::conflict("no-passkeys", detail)
            .hint("an admin can set admin.public to a name"));
    }
    let challenge = api.identity().challenge_new(by, &caller.token).await?;
    Ok(Json(PasskeyCreation {
        challenge: challenge.challenge,
        rp_id: site.id().to_owned(),
        rp_name: "Doorward".to_owned(),
        user_id: URL_SAFE_NO_PAD.encode(by.user.as_str()),
        user_name: by.name.clone(),
        algorithms: ALGORITHMS.to_vec(),
        exclude: challenge.known,
        timeout_ms: PASSKEY_WITHIN.as_secs() * 1000,
    }))
}

pub async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewPasskey>,
) -> Result<(StatusCode, Json<NewCodes>), Problem> {
    fresh(&api, &caller).await?;
    if body.label.is_empty() {
        let detail = "what you call it is expected: work laptop";
        return Err(Problem::invalid("label", detail));
    }
    let made = Registration {
        client_data: bytes("client_data", &body.client_data)?,
        authenticator_data: bytes("authenticator_data", &body.authenticator_data)?,
    };
    let (by, token, identity) = (&caller.principal, &caller.token, api.identity());
    let codes = identity
        .add_passkey(by, token, body.label, &made, &api.site())
        .await?;
    // It was touched for this, and so shown.
    identity.first_shown(by, token).await?;
    let codes = NewCodes {
        recovery_codes: codes.as_ref().map(RecoveryCodes::spelled),
    };
    Ok((StatusCode::CREATED, Json(codes)))
}

pub async fn remove(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    let held = store::passkey::of_user(api.store(), &caller.principal.user).await?;
    if !held.iter().any(|passkey| passkey.id == id) {
        return Err(Problem::not_found("passkey"));
    }
    fresh(&api, &caller).await?;
    let removing = api.identity().remove_passkey(&caller.principal, &id);
    removing.await?;
    Ok(StatusCode::NO_CONTENT)
}
