//! Which of the other nodes have stopped for good.
//!
//! Their clocks may be wrong, so it does not look at what their sign of life says, only at
//! whether it changes while our own clock runs. Never ends anything itself.

use std::{collections::HashMap, time::Duration};

use crate::{
    clock::Stopwatch,
    model::{ids::NodeId, time::Timestamp},
    store::node::Node,
};

#[derive(Debug)]
pub struct Others {
    patience: Duration,
    seen: HashMap<NodeId, (Timestamp, Stopwatch)>,
}

impl Others {
    /// A node without a new sign of life for `patience` is gone. By then it has ended its
    /// sessions itself, if it still runs (P7).
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            seen: HashMap::new(),
        }
    }

    /// Those among `nodes` that are gone.
    pub fn silent(&mut self, nodes: Vec<Node>) -> Vec<Node> {
        self.seen
            .retain(|id, _| nodes.iter().any(|node| node.id == *id));
        let silent = nodes.into_iter().filter(|node| {
            let (last, since) = self
                .seen
                .entry(node.id.clone())
                .or_insert_with(|| (node.seen_at, Stopwatch::start()));
            if *last != node.seen_at {
                (*last, *since) = (node.seen_at, Stopwatch::start());
            }
            since.elapsed() > self.patience
        });
        silent.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u8, seen_at: i64) -> Node {
        let at = Timestamp::from_millis(seen_at);
        Node {
            id: NodeId::new(Timestamp::from_millis(1), [id; 10]),
            name: format!("node {id}"),
            started_at: at,
            seen_at: at,
        }
    }

    #[test]
    fn a_sign_of_life_is_one_that_changes() {
        let mut others = Others::new(Duration::ZERO);
        assert!(others.silent(Vec::new()).is_empty());
        // The second's clock is far behind and the third's far ahead; both live.
        let first = vec![node(1, 1_000), node(2, 5), node(3, i64::MAX)];
        others.silent(first);
        std::thread::sleep(Duration::from_millis(2));
        let gone = others.silent(vec![node(1, 1_000), node(2, 6), node(3, 7)]);
        let gone: Vec<_> = gone.iter().map(|node| node.name.as_str()).collect();
        assert!(gone.contains(&"node 1"), "{gone:?}");

        let mut patient = Others::new(Duration::from_secs(3600));
        for _ in 0..2 {
            assert!(patient.silent(vec![node(1, 1_000)]).is_empty());
        }
    }
}
