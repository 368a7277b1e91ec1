//! Who has a place at the endpoint: so many in all, so many of one network, and fewer who have
//! not proven a token yet.
//!
//! Strangers never keep others out: when their places are taken, the newcomer gets that of the
//! network which holds most of them, or of a stranger of the newcomer's own. Knows no request;
//! who has proven a token, it is told.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

use super::limits::neighbourhood;

/// How many at once.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    pub all: usize,
    /// Of one IPv4 address, or of one IPv6 /64.
    pub of_network: usize,
    /// On which no token was proven yet.
    pub guests: usize,
}

pub struct Room {
    capacity: Capacity,
    taken: Mutex<Taken>,
}

/// One connection's place, given back when the last clone is dropped.
#[derive(Clone)]
pub struct Place(Arc<Held>);

struct Held {
    room: Arc<Room>,
    number: u64,
    shed: CancellationToken,
    proven: CancellationToken,
}

#[derive(Default)]
struct Taken {
    /// In the order of their coming.
    seats: BTreeMap<u64, Seat>,
    networks: HashMap<IpAddr, Count>,
    guests: usize,
    next: u64,
}

struct Seat {
    network: IpAddr,
    guest: bool,
    shed: CancellationToken,
}

#[derive(Default, Clone, Copy)]
struct Count {
    all: usize,
    guests: usize,
}

impl Room {
    pub fn new(capacity: Capacity) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            taken: Mutex::default(),
        })
    }

    /// A guest's place; none if there is no room and nobody who would have to go is a guest.
    pub fn take(self: &Arc<Self>, peer: SocketAddr) -> Option<Place> {
        let network = neighbourhood(peer);
        let mut taken = self.taken();
        let count = taken.networks.get(&network).copied().unwrap_or_default();
        let full = taken.seats.len() >= self.capacity.all;
        if count.all >= self.capacity.of_network {
            // A network may be many people behind one address, of whom one is a stranger.
            taken.shed_of(network)?;
        } else if full || taken.guests >= self.capacity.guests {
            taken.shed_one()?;
        }
        let (shed, number) = (CancellationToken::new(), taken.next);
        taken.next += 1;
        taken.guests += 1;
        let count = taken.networks.entry(network).or_default();
        count.all += 1;
        count.guests += 1;
        let seat = Seat {
            network,
            guest: true,
            shed: shed.clone(),
        };
        taken.seats.insert(number, seat);
        Some(Place(Arc::new(Held {
            room: Arc::clone(self),
            number,
            shed,
            proven: CancellationToken::new(),
        })))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes the oldest guest of the network that has most of them out.
    fn shed_one(&mut self) -> Option<()> {
        let most = self.networks.values().map(|count| count.guests).max()?;
        self.shed(|seat, count| seat.guest && count.guests == most)
    }

    /// Takes the oldest guest of this network out.
    fn shed_of(&mut self, network: IpAddr) -> Option<()> {
        self.shed(|seat, _| seat.guest && seat.network == network)
    }

    fn shed(&mut self, fits: impl Fn(&Seat, &Count) -> bool) -> Option<()> {
        let (number, seat) = self.seats.iter().find(|(_, seat)| {
            let count = self.networks.get(&seat.network);
            count.is_some_and(|count| fits(seat, count))
        })?;
        seat.shed.cancel();
        let number = *number;
        self.leave(number);
        Some(())
    }

    /// Also told of those who were taken out before.
    fn leave(&mut self, number: u64) {
        let Some(seat) = self.seats.remove(&number) else {
            return;
        };
        self.guests -= usize::from(seat.guest);
        if let Some(count) = self.networks.get_mut(&seat.network) {
            count.all -= 1;
            count.guests -= usize::from(seat.guest);
            if count.all == 0 {
                self.networks.remove(&seat.network);
            }
        }
    }
}

impl Place {
    /// A token was proven here: no guest any more.
    pub fn prove(&self) {
        if self.0.proven.is_cancelled() {
            return;
        }
        self.0.proven.cancel();
        let taken = &mut *self.0.room.taken();
        let Some(seat) = taken.seats.get_mut(&self.0.number) else {
            return;
        };
        // Two requests may prove theirs at once.
        if std::mem::replace(&mut seat.guest, false) {
            taken.guests -= 1;
            if let Some(count) = taken.networks.get_mut(&seat.network) {
                count.guests -= 1;
            }
        }
    }

    pub fn is_proven(&self) -> bool {
        self.0.proven.is_cancelled()
    }

    pub async fn proven(&self) {
        self.0.proven.cancelled().await;
    }

    /// Somebody else needs the place.
    pub async fn shed(&self) {
        self.0.shed.cancelled().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.taken().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(all: usize, of_network: usize, guests: usize) -> Arc<Room> {
        Room::new(Capacity {
            all,
            of_network,
            guests,
        })
    }

    fn at(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    fn is_shed(place: &Place) -> bool {
        place.0.shed.is_cancelled()
    }

    #[test]
    fn a_network_is_an_address_or_what_one_customer_owns() {
        let room = room(10, 1, 10);
        let take = |text: &str| {
            let place = room.take(at(text));
            place.iter().for_each(Place::prove);
            place
        };
        let _one = take("2001:db8::1").unwrap();
        assert!(take("2001:db8::2").is_none());
        let _other = take("2001:db8:0:1::1").unwrap();
        let _mapped = take("::ffff:192.0.2.1").unwrap();
        assert!(take("192.0.2.1").is_none());
    }

    #[test]
    fn a_stranger_behind_the_same_address_keeps_nobody_out() {
        let room = room(10, 2, 10);
        let known = room.take(at("192.0.2.1")).unwrap();
        known.prove();
        let stranger = room.take(at("192.0.2.1")).unwrap();
        let elsewhere = room.take(at("192.0.2.2")).unwrap();
        let newcomer = room.take(at("192.0.2.1")).unwrap();
        assert!(is_shed(&stranger) && !is_shed(&known) && !is_shed(&elsewhere));
        newcomer.prove();
        assert!(room.take(at("192.0.2.1")).is_none(), "nobody is a guest");
    }

    #[test]
    fn a_newcomer_gets_the_place_of_whoever_has_most_guests() {
        let room = room(10, 5, 4);
        let crowd: Vec<_> = (0..3)
            .map(|_| room.take(at("192.0.2.1")).unwrap())
            .collect();
        let other = room.take(at("192.0.2.2")).unwrap();
        let _new = room.take(at("192.0.2.3")).unwrap();
        assert_eq!(
            crowd.iter().map(is_shed).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(!is_shed(&other));
        // Leaving gives nothing back twice.
        drop(crowd);
        assert_eq!(room.taken().guests, 2);
        assert_eq!(room.taken().seats.len(), 2);
    }

    #[test]
    fn whoever_has_proven_a_token_stays() {
        let room = room(3, 5, 2);
        let known = room.take(at("192.0.2.1")).unwrap();
        known.prove();
        known.clone().prove();
        let first = room.take(at("192.0.2.2")).unwrap();
        let second = room.take(at("192.0.2.3")).unwrap();
        let third = room.take(at("192.0.2.4")).unwrap();
        assert!(is_shed(&first) && !is_shed(&known) && known.is_proven());
        second.prove();
        third.prove();
        assert!(room.take(at("192.0.2.5")).is_none(), "nobody is a guest");
        drop((known, first, second, third));
        assert_eq!(room.taken().guests, 0);
        assert!(room.taken().networks.is_empty());
    }
}
