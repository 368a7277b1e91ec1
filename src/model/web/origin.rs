//! A host name, with a port or without: what a target calls itself.
//!
//! One form each, so that comparing two is comparing their text. Resolves nothing.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::target::Address;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    host: String,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a host: a name or an address, with a port or without, is expected")]
pub struct NotAnOrigin;

impl Origin {
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;
    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        if let Ok(address) = text.parse::<Address>() {
            return Ok(Self {
                host: address.host().to_owned(),
                port: Some(address.port()),
            });
        }
        // A port that everybody assumes makes an address of it.
        let address: Address = format!("{text}:1").parse().map_err(|_| NotAnOrigin)?;
        Ok(Self {
            host: address.host().to_owned(),
            port: None,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = NotAnOrigin;
    fn try_from(text: String) -> Result<Self, NotAnOrigin> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        for (text, shown) in [
            ("Wiki.Internal", "wiki.internal"),
            ("wiki:8080", "wiki:8080"),
            ("[::1]", "[::1]"),
            ("[::1]:80", "[::1]:80"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), shown);
        }
        for text in [
            "", "a b", "a/b", "a@b", "a:0", "a:b", "::1", "a..b", "-a", "ä",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(NotAnOrigin), "{text}");
        }
    }
}
