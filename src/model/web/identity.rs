//! What a web target is told of who is there, where its settings ask for it.
//!
//! Says in which form; signs nothing and holds only public keys.

use serde::{Deserialize, Serialize};

/// How a target learns who uses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Not at all.
    #[default]
    None,
    /// `X-Forwarded-User` and `X-Forwarded-Groups`. Whoever else reaches the target can say the
    /// same, so it is for one that takes connections from the gateway alone.
    Headers,
    /// A signed token, JWT with ES256, in `Doorward-Identity`.
    Token,
}

impl Identity {
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Headers => "headers",
            Self::Token => "token",
        }
    }
}

/// What a token says (RFC 7519 s4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityClaims<'a> {
    /// Where people find the gateway.
    pub iss: &'a str,
    /// The target, by its name at the gateway.
    pub aud: &'a str,
    /// The user, by name.
    pub sub: &'a str,
    pub groups: Vec<&'a str>,
    /// In seconds since 1970.
    pub iat: i64,
    pub exp: i64,
    /// The check-out, by its code.
    pub checkout: &'a str,
    pub session: &'a str,
}

/// The public half of a key, as RFC 7517 and RFC 7518 s6.2 write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwk {
    pub kty: String,
    pub crv: String,
    pub x: String,
    pub y: String,
    pub kid: String,
    pub alg: String,
    pub r#use: String,
}

/// With which the signature on a token is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeySet {
    pub keys: Vec<Jwk>,
}
