//! What a session has asked its target to open towards the person, and so may come back.
//!
//! Only remembers. Whether it may be asked is the permit's business, and was decided before
//! it stands here.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::model::capability::Endpoint;

/// Of one session, over all its channels.
#[derive(Default)]
pub struct Openings {
    agent: AtomicBool,
    display: AtomicBool,
    listeners: watch::Sender<Vec<Listener>>,
}

/// A place where the target listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub endpoint: Endpoint,
    /// The address as the client wrote it, by which it knows its forward.
    pub address: String,
    /// None while the target chooses it.
    pub port: Option<u16>,
}

impl Listener {
    /// With the port that the target has chosen.
    pub fn place(&self) -> String {
        match (self.endpoint.port(), self.port) {
            (0, Some(port)) => format!("{} (port {port})", self.endpoint),
            _ => self.endpoint.to_string(),
        }
    }
}

impl Openings {
    pub fn allow_agent(&self) {
        self.agent.store(true, Ordering::Release);
    }

    pub fn agent(&self) -> bool {
        self.agent.load(Ordering::Acquire)
    }

    pub fn allow_display(&self) {
        self.display.store(true, Ordering::Release);
    }

    pub fn display(&self) -> bool {
        self.display.load(Ordering::Acquire)
    }

    pub fn listeners(&self) -> usize {
        self.listeners.borrow().len()
    }

    /// Before the target is asked, so that it may come back at once.
    pub fn expect(&self, listener: Listener) {
        self.listeners.send_modify(|all| all.push(listener));
    }

    /// The target has chosen the port of the one that had none.
    pub fn chosen(&self, port: u16) {
        self.listeners.send_modify(|all| {
            if let Some(listener) = all.iter_mut().find(|listener| listener.port.is_none()) {
                listener.port = Some(port);
            }
        });
    }

    /// The one that was expected last does not listen.
    pub fn not_listening(&self) {
        self.listeners.send_modify(|all| {
            all.pop();
        });
    }

    /// The one that a client means with what it wrote, and the port it knows.
    pub fn named(&self, address: &str, port: u32) -> Option<Listener> {
        let all = self.listeners.borrow();
        let is_meant = |listener: &&Listener| {
            listener.address == address && listener.port.map(u32::from) == Some(port)
        };
        all.iter().find(is_meant).cloned()
    }

    pub fn forget(&self, listener: &Listener) {
        self.listeners.send_modify(|all| {
            if let Some(index) = all.iter().position(|other| other == listener) {
                all.remove(index);
            }
        });
    }

    /// The one that a connection has come in at. Where the target is just choosing a port
    /// it may be that one, so the choice is waited for.
    pub async fn reached(&self, address: &str, port: u32) -> Option<Listener> {
        let mut listeners = self.listeners.subscribe();
        let known = listeners.wait_for(|all| {
            at(all, address, port).is_some() || all.iter().all(|listener| listener.port.is_some())
        });
        // The sender is ours, so there is an answer.
        let all = known.await.ok()?;
        at(&all, address, port).cloned()
    }
}

/// By its port, and by its address where several have that. Targets write the address that
/// was asked for in their own way.
fn at<'a>(all: &'a [Listener], address: &str, port: u32) -> Option<&'a Listener> {
    let mut there = all
        .iter()
        .filter(|listener| listener.port.map(u32::from) == Some(port));
    let first = there.next()?;
    match there.next() {
        None => Some(first),
        Some(second) => [first, second]
            .into_iter()
            .chain(there)
            .find(|listener| listener.endpoint.host().eq_ignore_ascii_case(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(address: &str, port: u16) -> Listener {
        Listener {
            endpoint: Endpoint::to_listen(address, port.into()).unwrap(),
            address: address.to_owned(),
            port: (port != 0).then_some(port),
        }
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_not_reached() {
        let openings = Openings::default();
        assert_eq!(openings.reached("localhost", 8080).await, None);
        openings.expect(listener("localhost", 8080));
        openings.expect(listener("127.0.0.1", 9090));
        openings.expect(listener("10.0.0.1", 9090));
        assert_eq!(openings.reached("localhost", 8081).await, None);
        assert_eq!(
            openings.reached("::1", 8080).await,
            Some(listener("localhost", 8080))
        );
        assert_eq!(
            openings.reached("10.0.0.1", 9090).await,
            Some(listener("10.0.0.1", 9090))
        );
        assert_eq!(openings.reached("localhost", 9090).await, None);
        openings.forget(&listener("localhost", 8080));
        assert_eq!(openings.reached("localhost", 8080).await, None);
    }

    #[tokio::test]
    async fn a_port_that_is_being_chosen_is_waited_for() {
        let openings = Openings::default();
        openings.expect(listener("localhost", 0));
        let (reached, ()) = tokio::join!(openings.reached("localhost", 40_000), async {
            tokio::task::yield_now().await;
            openings.chosen(40_000);
        });
        assert_eq!(reached.unwrap().port, Some(40_000));
        assert!(openings.named("localhost", 40_000).is_some());

        openings.expect(listener("localhost", 0));
        let (reached, ()) = tokio::join!(openings.reached("localhost", 1), async {
            openings.not_listening();
        });
        assert_eq!(reached, None);
    }
}
