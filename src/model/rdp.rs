//! What makes a target an RDP target: how the gateway signs in there.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The RDP side of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rdp {
    #[serde(default)]
    pub security: Security,
}

/// How a target is spoken to. What it offers instead is never taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// Network level authentication: the credential is bound to the target's certificate, and
    /// a session begins only after it was right.
    #[default]
    Nla,
    /// TLS alone, as xrdp speaks it: the credential goes in the clear inside it.
    Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no way to speak RDP: nla or tls is expected")]
pub struct NotASecurity;

impl FromStr for Security {
    type Err = NotASecurity;
    fn from_str(text: &str) -> Result<Self, NotASecurity> {
        match text {
            "nla" => Ok(Self::Nla),
            "tls" => Ok(Self::Tls),
            _ => Err(NotASecurity),
        }
    }
}
