//! Who sends a request: what the guard found out, for the handlers.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use axum::{extract::FromRequestParts, http::request::Parts};

use super::error::Problem;
use crate::{
    identity::sign_in::SignInError,
    model::{ids::TokenId, principal::Principal, time::Timestamp, user::Token},
};

/// Somebody whose token or cookie was verified. Only the guard puts one into a request.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Principal,
    /// The token it was proven with; signing out takes this one back.
    pub token: TokenId,
    pub expires_at: Timestamp,
    /// When they last showed who they are; never, for the token of a program.
    pub proven_at: Option<Timestamp>,
}

impl Caller {
    pub(super) fn found(known: Result<(Principal, Token), SignInError>) -> Result<Self, Problem> {
        match known {
            Ok((principal, token)) => Ok(Self {
                principal,
                token: token.id,
                expires_at: token.expires_at,
                proven_at: token.proven_at,
            }),
            Err(SignInError::Refused) => Err(Problem::unauthenticated()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Peer {
    pub(super) const UNKNOWN: Self =
        Self(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)));
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // On an open route nobody is known, whatever they send.
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(Problem::unauthenticated)
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts
            .extensions
            .get::<Self>()
            .copied()
            .unwrap_or(Self::UNKNOWN))
    }
}
