//! Where people find the gateway, as the gateway itself tells them.

use serde::{Deserialize, Serialize};

use super::target::Address;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WaysIn {
    /// `https://door.example.org:8443`, without a slash at its end.
    pub console: String,
    /// Where their ssh clients connect.
    #[schema(value_type = String)]
    pub ssh: Address,
}

impl WaysIn {
    pub fn new(console: &Address, ssh: Address) -> Self {
        // The port everybody assumes is not said.
        let console = match console.port() {
            443 => format!("https://{}", console.bracketed()),
            _ => format!("https://{console}"),
        };
        Self { console, ssh }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_not_said() {
        let at = |console: &str| {
            let ssh = "door.example.org:22".parse().unwrap();
            WaysIn::new(&console.parse().unwrap(), ssh).console
        };
        assert_eq!(at("door.example.org:443"), "https://door.example.org");
        assert_eq!(at("door.example.org:8443"), "https://door.example.org:8443");
        assert_eq!(at("[::1]:443"), "https://[::1]");
    }
}
