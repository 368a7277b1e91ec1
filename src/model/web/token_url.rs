//! Where a token is fetched: an address with `https`, and what is asked for there.
//!
//! Reads and writes texts. Whether the server proves who it is is seen where TLS is spoken.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{CanonicalPath, TlsPin, sign_in::written_as_text};
use crate::model::target::Address;

/// How a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    #[schema(value_type = String)]
    pub token_url: TokenUrl,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub scope: Option<TokenScope>,
    #[serde(default)]
    pub proof: ClientProof,
    /// What the server of the token must prove; left out, what the target must.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub pins: Vec<TlsPin>,
}

/// `https://login.example.org/oauth2/token`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenUrl {
    address: Address,
    path: CanonicalPath,
    query: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address with https, a host and a path is expected: https://login.example.org/token")]
pub struct NotATokenUrl;

impl TokenUrl {
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// As the request's `Host` says it.
    pub fn authority(&self) -> String {
        match self.address.port() {
            443 => self.address.bracketed(),
            _ => self.address.to_string(),
        }
    }

    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_string(),
        }
    }
}

impl FromStr for TokenUrl {
    type Err = NotATokenUrl;
    fn from_str(text: &str) -> Result<Self, NotATokenUrl> {
        let rest = text.strip_prefix("https://").ok_or(NotATokenUrl)?;
        let (authority, path) = rest.split_at(rest.find('/').ok_or(NotATokenUrl)?);
        let address = match authority.parse() {
            Ok(address) => address,
            Err(_) => format!("{authority}:443")
                .parse()
                .map_err(|_| NotATokenUrl)?,
        };
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let plain = |query: &str| {
            query.len() <= 1024 && query.bytes().all(|it| it.is_ascii_graphic() && it != b'#')
        };
        match query.is_none_or(plain) {
            true => Ok(Self {
                address,
                path: path.parse().map_err(|_| NotATokenUrl)?,
                query: query.map(str::to_owned),
            }),
            false => Err(NotATokenUrl),
        }
    }
}

impl fmt::Display for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority(), self.path_and_query())
    }
}

impl TryFrom<String> for TokenUrl {
    type Error = NotATokenUrl;
    fn try_from(text: String) -> Result<Self, NotATokenUrl> {
        text.parse()
    }
}

impl From<TokenUrl> for String {
    fn from(url: TokenUrl) -> String {
        url.to_string()
    }
}

/// What a token is to be good for, RFC 6749 s3.3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenScope(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("words with one blank between them are expected, without quotes and backslashes")]
pub struct NotATokenScope;

impl FromStr for TokenScope {
    type Err = NotATokenScope;
    fn from_str(text: &str) -> Result<Self, NotATokenScope> {
        let word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
        };
        match text.len() <= 1024 && text.split(' ').all(word) {
            true => Ok(Self(text.to_owned())),
            false => Err(NotATokenScope),
        }
    }
}

written_as_text!(TokenScope, NotATokenScope);

/// How the gateway shows the token's server who it is, RFC 6749 s2.3.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientProof {
    /// Basic, which every server takes.
    #[default]
    Basic,
    /// In the request's body, for servers that take nothing else.
    Body,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_fetched_over_tls_from_one_place() {
        for (text, address, shown) in [
            ("https://id/token", "id:443", "https://id/token"),
            (
                "https://ID.example:443/a/b",
                "id.example:443",
                "https://id.example/a/b",
            ),
            (
                "https://[::1]:8443/t?x=1",
                "[::1]:8443",
                "https://[::1]:8443/t?x=1",
            ),
        ] {
            let url: TokenUrl = text.parse().unwrap();
            assert_eq!(url.address().to_string(), address);
            assert_eq!(url.to_string(), shown);
        }
        for text in [
            "",
            "http://id/token",
            "https://id",
            "https:///token",
            "https://a@id/token",
            "https://id/a/../b",
            "https://id/t#x",
            "https://id/t?a b",
            "id/token",
        ] {
            assert_eq!(text.parse::<TokenUrl>(), Err(NotATokenUrl), "{text}");
        }
        for (scope, sound) in [
            ("read", true),
            ("api://x/.default read", true),
            ("", false),
            (" read", false),
            ("a  b", false),
            ("a\"b", false),
            ("ä", false),
        ] {
            assert_eq!(scope.parse::<TokenScope>().is_ok(), sound, "{scope}");
        }
    }
}
