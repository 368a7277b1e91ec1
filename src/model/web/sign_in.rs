//! How the gateway signs in to a web target, with the secret of the account.
//!
//! Says where the secret goes, and is itself no secret. A way that does not work yet is not
//! declared here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{FormRecipe, TokenRequest};

/// Where the account's password goes in each request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "by", deny_unknown_fields)]
pub enum WebSignIn {
    // Braces, because serde takes unknown keys beside a tag without them.
    /// The target asks for nothing that the gateway could give.
    None {},
    /// Login and password of the account, RFC 7617.
    Basic {},
    /// `Authorization: Bearer SECRET`, RFC 6750.
    Bearer {},
    /// A header of its own.
    Header {
        #[schema(value_type = String)]
        name: SecretHeader,
        /// What it says, with `{secret}` where the secret stands.
        #[schema(value_type = String)]
        template: HeaderTemplate,
    },
    /// A parameter of the query. Servers write queries into their logs: take another way
    /// where there is one.
    Query {
        #[schema(value_type = String)]
        name: QueryName,
    },
    /// A certificate of the account, shown when TLS is spoken.
    ClientCertificate {},
    /// OAuth 2.0 client credentials, RFC 6749 s4.4: for the account's login and password the
    /// gateway fetches a token and sends it as `Authorization: Bearer`.
    ClientCredentials(Box<TokenRequest>),
    /// The target's own form, filled in as a recipe says.
    Form(Box<FormRecipe>),
}

impl Default for WebSignIn {
    fn default() -> Self {
        Self::None {}
    }
}

impl WebSignIn {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None {} => "none",
            Self::Basic {} => "basic",
            Self::Bearer {} => "bearer",
            Self::Header { .. } => "header",
            Self::Query { .. } => "query",
            Self::ClientCertificate {} => "client-certificate",
            Self::ClientCredentials(_) => "client-credentials",
            Self::Form(_) => "form",
        }
    }

    /// Whether it takes a secret at all.
    pub fn needs_secret(&self) -> bool {
        *self != Self::None {}
    }
}

/// A checked text, as it is read and written.
macro_rules! written_as_text {
    ($name:ident, $error:ident) => {
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl $name {
            #[allow(dead_code, reason = "not every text is looked at")]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(super) use written_as_text;

/// The name of a header that carries a secret: lower case, and none that means something to
/// the connection itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretHeader(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not the name of a header that could carry a secret")]
pub struct NotAHeaderName;

/// Those that decide where a request goes, or where it ends.
const NEVER: [&str; 14] = [
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "content-encoding",
];

impl FromStr for SecretHeader {
    type Err = NotAHeaderName;
    fn from_str(text: &str) -> Result<Self, NotAHeaderName> {
        let name = text.to_ascii_lowercase();
        let sound = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
            });
        let taken = NEVER.contains(&name.as_str())
            || ["sec-", "x-forwarded-", "doorward-"]
                .iter()
                .any(|beginning| name.starts_with(beginning));
        match sound && !taken {
            true => Ok(Self(name)),
            false => Err(NotAHeaderName),
        }
    }
}

written_as_text!(SecretHeader, NotAHeaderName);

/// What a header says: printable, with `{secret}` in it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderTemplate(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a header's text with {{secret}} in it once is expected: Token {{secret}}")]
pub struct NotATemplate;

impl HeaderTemplate {
    const PLACE: &'static str = "{secret}";

    /// What stands before the secret, and behind it.
    pub fn around(&self) -> (&str, &str) {
        self.0
            .split_once(Self::PLACE)
            .expect("a template was parsed with its place in it")
    }
}

impl FromStr for HeaderTemplate {
    type Err = NotATemplate;
    fn from_str(text: &str) -> Result<Self, NotATemplate> {
        let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        let once = text.matches(Self::PLACE).count() == 1;
        match plain && once && text.len() <= 256 && text.trim() == text {
            true => Ok(Self(text.to_owned())),
            false => Err(NotATemplate),
        }
    }
}

written_as_text!(HeaderTemplate, NotATemplate);

/// The name of a parameter, of characters that no query needs to encode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueryName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a parameter's name of letters, digits, `-`, `.` and `_` is expected")]
pub struct NotAQueryName;

impl FromStr for QueryName {
    type Err = NotAQueryName;
    fn from_str(text: &str) -> Result<Self, NotAQueryName> {
        let sound = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        match sound {
            true => Ok(Self(text.to_owned())),
            false => Err(NotAQueryName),
        }
    }
}

written_as_text!(QueryName, NotAQueryName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_into_a_header_that_carries_one() {
        for name in ["Authorization", "X-Api-Key", "private-token", "x_key"] {
            assert!(name.parse::<SecretHeader>().is_ok(), "{name}");
        }
        for name in [
            "",
            "Host",
            "cookie",
            "X-Forwarded-For",
            "Sec-WebSocket-Key",
            "a b",
            "a:b",
            "ä",
            "Doorward-Token",
            "transfer-encoding",
        ] {
            assert!(name.parse::<SecretHeader>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_template_holds_the_secret_once() {
        let template: HeaderTemplate = "Token {secret}!".parse().unwrap();
        assert_eq!(template.around(), ("Token ", "!"));
        for text in [
            "",
            "Token",
            "{secret}{secret}",
            "a\n{secret}",
            " {secret}",
            "ä{secret}",
        ] {
            assert!(text.parse::<HeaderTemplate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_needs_no_encoding() {
        assert!("api_key".parse::<QueryName>().is_ok());
        for name in ["", "a b", "a=b", "a&b", "a[]", "%61"] {
            assert!(name.parse::<QueryName>().is_err(), "{name}");
        }
    }
}
