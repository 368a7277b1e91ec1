//! Where people find the gateway, as the gateway itself tells them.

use serde::{Deserialize, Serialize};

use super::{name::TargetName, target::Address};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WaysIn {
    /// `https://door.example.org:8443`, without a slash at its end.
    pub console: String,
    /// Where their ssh clients connect.
    #[schema(value_type = String)]
    pub ssh: Address,
    /// Where web targets are found.
    pub web: WebWay,
    /// Where their RDP clients connect; none where that is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub rdp: Option<Address>,
}

/// Every web target is a host of its own: `https://wiki.door.example.org:8444/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WebWay {
    /// What stands behind the target's name.
    pub domain: String,
    pub port: u16,
}

impl WebWay {
    /// The host of a target as browsers name it, without the port everybody assumes.
    pub fn authority(&self, target: &TargetName) -> String {
        match self.port {
            443 => format!("{target}.{}", self.domain),
            port => format!("{target}.{}:{port}", self.domain),
        }
    }
}

impl WaysIn {
    pub fn new(console: &Address, ssh: Address, web: WebWay, rdp: Option<Address>) -> Self {
        // The port everybody assumes is not said.
        let console = match console.port() {
            443 => format!("https://{}", console.bracketed()),
            _ => format!("https://{console}"),
        };
        Self {
            console,
            ssh,
            web,
            rdp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_not_said() {
        let at = |console: &str| {
            let ssh = "door.example.org:22".parse().unwrap();
            let web = WebWay {
                domain: "door.example.org".to_owned(),
                port: 8444,
            };
            WaysIn::new(&console.parse().unwrap(), ssh, web, None).console
        };
        assert_eq!(at("door.example.org:443"), "https://door.example.org");
        assert_eq!(at("door.example.org:8443"), "https://door.example.org:8443");
        assert_eq!(at("[::1]:443"), "https://[::1]");
        let of = |port| {
            let domain = "door.example.org".to_owned();
            WebWay { domain, port }.authority(&"wiki".parse().unwrap())
        };
        assert_eq!(of(443), "wiki.door.example.org");
        assert_eq!(of(8444), "wiki.door.example.org:8444");
    }
}
