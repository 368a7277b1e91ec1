//! What makes a target a web target: how it is spoken to and how the gateway signs in there.
//!
//! Says what is sent and what must be proven. It holds no secret, and connects nowhere.

mod file;
mod form;
mod identity;
mod origin;
mod path;
mod pattern;
mod pin;
mod place;
mod room;
mod sign_in;
mod token_url;

use serde::{Deserialize, Serialize};

pub use self::{
    file::{file_name, is_download, is_upload, percent_decoded},
    form::{FormPath, FormRecipe, LogOut, LogOutMethod, Mark, Piece as FormPiece, Shown},
    identity::{Identity, IdentityClaims, Jwk, KeySet},
    origin::{NotAnOrigin, Origin},
    path::{CanonicalPath, NotAPath},
    pattern::{HttpPattern, Most, NotAnHttpPattern},
    pin::{NotAPin, TlsPin},
    place::{NotAPlace, WebPlace},
    room::{Room, TooMuch, Way},
    sign_in::{
        HeaderTemplate, NotAHeaderName, NotAQueryName, NotATemplate, QueryName, SecretHeader,
        WebSignIn,
    },
    token_url::{ClientProof, NotATokenScope, NotATokenUrl, TokenRequest, TokenScope, TokenUrl},
};
use super::target::Address;

/// The web side of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Without TLS everybody on the way from the gateway to the target reads along, the
    /// credential included: for a target on the same machine or in a network of its own.
    pub tls: bool,
    /// What stands before every path at the target: `/` or `/grafana/`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub path: Prefix,
    /// The name by which the target knows itself, where it is not that of its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub host: Option<Origin>,
    #[serde(default)]
    pub sign_in: WebSignIn,
    /// Other addresses where the same target is found, and proves the same: tried in this
    /// order where those before do not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub also: Vec<Address>,
    /// Whether `%2F` in a path is a letter to this target and never a slash, as in the names
    /// of GitLab's projects and RabbitMQ's hosts. Otherwise such a path is refused.
    #[serde(default, skip_serializing_if = "is_no")]
    pub encoded_slashes: bool,
    /// What the target is told of who is there.
    #[serde(default, skip_serializing_if = "Identity::is_none")]
    pub identity: Identity,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_no(said: &bool) -> bool {
    !said
}

impl Web {
    /// Each may be waited for before the next is tried.
    pub const MOST_ADDRESSES: usize = 8;

    pub fn scheme(&self) -> &'static str {
        match self.tls {
            true => "https",
            false => "http",
        }
    }

    /// What the target believes to be called: `wiki.internal`, `10.0.0.7:3000`.
    pub fn authority(&self, address: &Address) -> String {
        match &self.host {
            Some(host) => host.to_string(),
            None if address.port() == self.usual_port() => address.bracketed(),
            None => address.to_string(),
        }
    }

    /// The host name alone, as a certificate names it.
    pub fn server_name<'a>(&'a self, address: &'a Address) -> &'a str {
        match &self.host {
            Some(host) => host.host(),
            None => address.host(),
        }
    }

    /// Whether what is said fits together; if not, one sentence.
    pub fn is_sound(&self) -> Result<(), &'static str> {
        if self.also.len() >= Self::MOST_ADDRESSES {
            return Err("a target has at most 8 addresses");
        }
        match &self.sign_in {
            WebSignIn::ClientCertificate {} if !self.tls => {
                Err("a certificate is shown over TLS only: tls = true, and an https address")
            }
            WebSignIn::ClientCredentials(asked) if asked.pins.is_empty() && !self.tls => Err(
                "nothing is pinned for the server that gives the token: say in `pins` what it must prove",
            ),
            WebSignIn::Form(recipe) => recipe.is_sound(),
            WebSignIn::ClientCredentials(asked) if asked.pins.len() > 20 => {
                Err("at most 20 pins are expected")
            }
            _ => Ok(()),
        }
    }

    pub fn usual_port(&self) -> u16 {
        match self.tls {
            true => 443,
            false => 80,
        }
    }
}

/// A path that ends in a slash, canonical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not the beginning of a path: /, or for example /grafana/, is expected")]
pub struct NotAPrefix;

impl Prefix {
    /// The path at the target for a path at the gateway.
    pub fn before(&self, path: &CanonicalPath) -> String {
        let beginning = self.0.trim_end_matches('/');
        format!("{beginning}{path}")
    }

    /// The path at the gateway for a path at the target; none where it lies elsewhere.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let beginning = self.0.trim_end_matches('/');
        match path.strip_prefix(beginning)? {
            "" => Some("/"),
            rest if rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }

    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl TryFrom<String> for Prefix {
    type Error = NotAPrefix;
    fn try_from(text: String) -> Result<Self, NotAPrefix> {
        let path: CanonicalPath = text.parse().map_err(|_| NotAPrefix)?;
        let text = path.to_string();
        if text.contains("//") || text.len() > 256 {
            return Err(NotAPrefix);
        }
        match text.ends_with('/') {
            true => Ok(Self(text)),
            false => Ok(Self(text + "/")),
        }
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> String {
        prefix.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn web(value: serde_json::Value) -> Web {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_kept_reads_back() {
        let least = json!({ "tls": true, "path": "/", "sign_in": { "by": "none" } });
        assert_eq!(web(json!({ "tls": true })), web(least.clone()));
        for value in [
            least,
            json!({ "tls": false, "path": "/a/b/", "host": "wiki.internal:8080",
                    "sign_in": { "by": "basic" } }),
            json!({ "tls": true, "path": "/", "sign_in": { "by": "bearer" } }),
            json!({ "tls": true, "path": "/", "sign_in": {
                "by": "header", "name": "x-api-key", "template": "Token {secret}" } }),
            json!({ "tls": true, "path": "/", "sign_in": { "by": "query", "name": "api_key" } }),
        ] {
            assert_eq!(serde_json::to_value(web(value.clone())).unwrap(), value);
        }
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for value in [
            json!({}),
            json!({ "tls": true, "port": 3 }),
            json!({ "tls": true, "path": "a" }),
            json!({ "tls": true, "path": "/a/../b" }),
            json!({ "tls": true, "path": "/a//b" }),
            json!({ "tls": true, "host": "a/b" }),
            json!({ "tls": true, "host": "a b" }),
            json!({ "tls": true, "sign_in": { "by": "magic" } }),
            json!({ "tls": true, "sign_in": { "by": "query" } }),
            json!({ "tls": true, "sign_in": { "by": "basic", "name": "x" } }),
        ] {
            assert!(
                serde_json::from_value::<Web>(value.clone()).is_err(),
                "{value}"
            );
        }
    }

    #[test]
    fn a_prefix_is_added_and_taken_away() {
        let prefix = |text: &str| Prefix::try_from(text.to_owned()).unwrap();
        let path: CanonicalPath = "/a/b".parse().unwrap();
        assert_eq!(prefix("/").before(&path), "/a/b");
        assert_eq!(prefix("/w").before(&path), "/w/a/b");
        assert_eq!(prefix("/w/").strip("/w/a"), Some("/a"));
        assert_eq!(prefix("/w/").strip("/w"), Some("/"));
        assert_eq!(prefix("/w/").strip("/wa"), None);
        assert_eq!(prefix("/").strip("/wa"), Some("/wa"));
    }

    #[test]
    fn the_target_is_called_by_its_own_name() {
        let address: Address = "10.0.0.7:443".parse().unwrap();
        let other: Address = "[::1]:3000".parse().unwrap();
        let tls = web(json!({ "tls": true }));
        assert_eq!(tls.authority(&address), "10.0.0.7");
        assert_eq!(tls.authority(&other), "[::1]:3000");
        let named = web(json!({ "tls": true, "host": "Wiki.internal" }));
        assert_eq!(named.authority(&address), "wiki.internal");
        assert_eq!(named.server_name(&address), "wiki.internal");
    }
}
