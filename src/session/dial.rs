//! The only outbound connect of the gateway.
//!
//! Resolves, connects within a limit, leashes. Never sends a byte and never retries a
//! target that refused.

use std::{net::IpAddr, time::Duration};

use tokio::net::{TcpStream, lookup_host};

use crate::{
    kill::{KillSwitch, Leashed},
    model::{session::KillReason, target::Address},
};

/// How long all addresses of a target together may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the target {0} cannot be found by name")]
    Unknown(Address, #[source] std::io::Error),
    #[error("the target {0} cannot be reached")]
    Unreachable(Address, #[source] std::io::Error),
    #[error("the target {0} did not answer within {1:?}")]
    TimedOut(Address, Duration),
    #[error("{0}")]
    Killed(KillReason),
}

/// A target's leg, and the address it goes out from.
pub struct Dialled {
    pub stream: Leashed<TcpStream>,
    pub source: Option<IpAddr>,
}

pub async fn dial(address: &Address, switch: &KillSwitch) -> Result<Dialled, DialError> {
    let stream = tokio::select! {
        biased;
        reason = switch.killed() => return Err(DialError::Killed(reason)),
        tried = tokio::time::timeout(PATIENCE, connect(address)) => {
            tried.map_err(|_| DialError::TimedOut(address.clone(), PATIENCE))??
        }
    };
    // Keystrokes go out one by one; waiting to fill a segment is felt as lag.
    stream
        .set_nodelay(true)
        .map_err(|source| DialError::Unreachable(address.clone(), source))?;
    let source = stream
        .local_addr()
        .ok()
        .map(|local| local.ip().to_canonical());
    Ok(Dialled {
        stream: Leashed::new(stream, switch.clone()),
        source,
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that connects"
)]
async fn connect(address: &Address) -> Result<TcpStream, DialError> {
    let found = lookup_host((address.host(), address.port()))
        .await
        .map_err(|source| DialError::Unknown(address.clone(), source))?;
    let mut last = std::io::Error::other("the name has no address");
    for socket in found {
        match TcpStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(DialError::Unreachable(address.clone(), last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_named() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let Err(error) = dial(&address, &KillSwitch::new()).await else {
            panic!("connected")
        };
        assert_eq!(
            error.to_string(),
            format!("the target {address} cannot be reached")
        );
    }

    #[tokio::test]
    async fn a_pulled_switch_dials_nobody() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let switch = KillSwitch::new();
        switch.pull(KillReason::Shutdown);
        assert!(matches!(
            dial(&address, &switch).await,
            Err(DialError::Killed(KillReason::Shutdown))
        ));
    }
}
