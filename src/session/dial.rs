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

/// How long all that one name stands for may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The same where there is another address to try.
pub const SHORT_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the target {0} cannot be found by name")]
    Unknown(Address, #[source] std::io::Error),
    #[error("the target {0} cannot be reached")]
    Unreachable(Address, #[source] std::io::Error),
    #[error("the target {0} did not answer within {1:?}")]
    TimedOut(Address, Duration),
    #[error(
        "the target {0} is a name for the gateway itself, or for a link-local address; if that \
         is meant, an admin gives the address instead of the name"
    )]
    Misled(Address),
    #[error("{0}")]
    Killed(KillReason),
}

/// A target's leg, and the address it goes out from.
pub struct Dialled {
    pub stream: Leashed<TcpStream>,
    pub source: Option<IpAddr>,
    /// Whether the other end is on this machine.
    pub is_here: bool,
}

pub async fn dial(address: &Address, switch: &KillSwitch) -> Result<Dialled, DialError> {
    reach(address, |_| true, PATIENCE, switch).await
}

/// The same for what anybody may be led to by a name: not to the gateway's own listeners, and
/// not to what machines of a cloud tell their neighbours (169.254.169.254). An address that an
/// admin wrote down is meant.
pub async fn dial_elsewhere(
    address: &Address,
    own_ports: &[u16],
    patience: Duration,
    switch: &KillSwitch,
) -> Result<Dialled, DialError> {
    if address.host().parse::<IpAddr>().is_ok() {
        return reach(address, |_| true, patience, switch).await;
    }
    let dialled = reach(address, |found| !is_link_local(found), patience, switch).await?;
    let own = own_ports.contains(&address.port()) && dialled.is_here;
    match own {
        true => Err(DialError::Misled(address.clone())),
        false => Ok(dialled),
    }
}

/// The same without believing an address more than a name.
pub async fn dial_outside(
    address: &Address,
    own_ports: &[u16],
    patience: Duration,
    switch: &KillSwitch,
) -> Result<Dialled, DialError> {
    let dialled = reach(address, |found| !is_link_local(found), patience, switch).await?;
    match own_ports.contains(&address.port()) && dialled.is_here {
        true => Err(DialError::Misled(address.clone())),
        false => Ok(dialled),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

async fn reach(
    address: &Address,
    may: impl Fn(IpAddr) -> bool,
    patience: Duration,
    switch: &KillSwitch,
) -> Result<Dialled, DialError> {
    let stream = tokio::select! {
        biased;
        reason = switch.killed() => return Err(DialError::Killed(reason)),
        tried = tokio::time::timeout(patience, connect(address, may)) => {
            tried.map_err(|_| DialError::TimedOut(address.clone(), patience))??
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
    let there = stream.peer_addr().ok().map(|peer| peer.ip().to_canonical());
    Ok(Dialled {
        stream: Leashed::new(stream, switch.clone()),
        // A machine reaches itself from the address it reaches.
        is_here: there.is_none() || there == source,
        source,
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that connects"
)]
async fn connect(address: &Address, may: impl Fn(IpAddr) -> bool) -> Result<TcpStream, DialError> {
    let found = lookup_host((address.host(), address.port()))
        .await
        .map_err(|source| DialError::Unknown(address.clone(), source))?;
    let mut last = std::io::Error::other("the name has no address");
    for socket in found {
        if !may(socket.ip()) {
            return Err(DialError::Misled(address.clone()));
        }
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
    async fn a_name_does_not_lead_to_the_gateway_itself() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let at = |host: &str| -> Address { format!("{host}:{port}").parse().unwrap() };
        let switch = KillSwitch::new();
        let dialled =
            async |host: &str, own: u16| dial_elsewhere(&at(host), &[own], PATIENCE, &switch).await;
        let misled = dialled("localhost", port).await;
        assert!(matches!(misled, Err(DialError::Misled(_))));
        assert!(dialled("localhost", 1).await.is_ok());
        assert!(dialled("127.0.0.1", port).await.is_ok());
        for (host, own, expected) in [("127.0.0.1", port, false), ("127.0.0.1", 1, true)] {
            let outside = dial_outside(&at(host), &[own], PATIENCE, &switch).await;
            assert_eq!(outside.is_ok(), expected, "{host} {own}");
        }
        let cloud: Address = "169.254.169.254:80".parse().unwrap();
        let outside = dial_outside(&cloud, &[], PATIENCE, &switch).await;
        assert!(matches!(outside, Err(DialError::Misled(_))));
        for (address, expected) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.1.1", true),
            ("fe80::1", true),
            ("10.0.0.1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(
                is_link_local(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
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
