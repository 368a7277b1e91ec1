//! The door's limits, and what happens to those who stand in it.

#![allow(
    clippy::disallowed_methods,
    reason = "the other end of a connection is the test's own"
)]

use tokio::io::AsyncReadExt;

use super::*;

fn limits(handshakes: usize, per_address: usize, connections: usize) -> Limits {
    Limits {
        handshakes,
        handshakes_per_address: per_address,
        connections,
        handshake_timeout: Span::minutes(1),
    }
}

#[test]
fn one_address_cannot_fill_the_hall() {
    let hall = Hall::new(limits(3, 2, 10));
    let enter = |address: &str| hall.enter(address.parse().unwrap());
    let mut first = enter("10.0.0.1").unwrap();
    let second = enter("10.0.0.1").unwrap();
    assert!(enter("10.0.0.1").is_none());
    let third = enter("2001:db8::1").unwrap();
    assert!(enter("2001:db8::2").is_none(), "three are in the hall");
    first.leave_handshake();
    assert!(enter("2001:db8::2").is_some());
    drop((second, third));
    assert!(hall.handshakes.lock().unwrap().by_address.is_empty());
}

#[test]
fn a_v6_network_is_one_address() {
    let hall = Hall::new(limits(9, 1, 10));
    let enter = |address: &str| hall.enter(address.parse().unwrap());
    let _first = enter("2001:db8::1").unwrap();
    assert!(enter("2001:db8::ffff").is_none());
    assert!(enter("2001:db8:0:1::1").is_some());
    let _mapped = enter("::ffff:10.0.0.1").unwrap();
    assert!(enter("10.0.0.1").is_none());
}

#[test]
fn the_signed_in_count_as_connections() {
    let hall = Hall::new(limits(9, 9, 1));
    let mut place = hall.enter([10, 0, 0, 1].into()).unwrap();
    place.leave_handshake();
    assert!(hall.enter([10, 0, 0, 2].into()).is_none());
    drop(place);
    assert!(hall.enter([10, 0, 0, 2].into()).is_some());
}

/// Holds its connections until their switch is pulled.
struct Silent;

impl Broker for Silent {
    async fn serve(&self, connection: Connection) {
        connection.switch.killed().await;
    }
}

#[tokio::test]
async fn who_does_not_sign_in_is_cut_and_the_stop_waits_for_nobody_half_open() {
    for (timeout, stopped) in [(Span::seconds(0), false), (Span::minutes(9), true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let limits = Limits {
            handshake_timeout: timeout,
            ..limits(9, 9, 9)
        };
        let door = tokio::spawn(listen(listener, Arc::new(Silent), limits, stop.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        if stopped {
            stop.cancel();
        }
        // Closed or reset: either way nothing more comes.
        let read = stream.read(&mut [0; 8]).await;
        assert!(!matches!(read, Ok(1..)), "{read:?}");
        stop.cancel();
        door.await.unwrap();
    }
}
