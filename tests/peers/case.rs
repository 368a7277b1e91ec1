//! The list of what is run on both ways: `cases/*.toml`, one table a case or a family of them.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

/// One script, and what it is about.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub run: String,
    /// Why it may, and must, come out otherwise through the gateway: a sentence that stands
    /// in `docs/ssh.md`.
    pub differs: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Family>,
}

/// A script with places `{key}`, and for each key the list of what stands there.
#[derive(Debug, Deserialize)]
struct Family {
    name: String,
    run: String,
    differs: Option<String>,
    #[serde(flatten)]
    places: BTreeMap<String, Vec<String>>,
}

/// Set to `all` by `make soak`: every combination of a family's values. Otherwise each value
/// is there once, together with others in turn.
const CASES: &str = "DOORWARD_CASES";

/// The cases of one file.
pub fn read(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers/cases")
        .join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let all = std::env::var(CASES).is_ok_and(|which| which == "all");
    let members = if all {
        Family::every_combination
    } else {
        Family::every_value
    };
    file.case.iter().flat_map(members).collect()
}

impl Family {
    fn every_combination(&self) -> Vec<Case> {
        self.places
            .iter()
            .fold(vec![self.empty()], |cases, (key, values)| {
                cases
                    .iter()
                    .flat_map(|case| values.iter().map(|value| case.with(key, value)))
                    .collect()
            })
    }

    fn every_value(&self) -> Vec<Case> {
        let most = self.places.values().map(Vec::len).max().unwrap_or(1);
        let member = |number: usize| {
            self.places
                .iter()
                .fold(self.empty(), |case, (key, values)| {
                    case.with(key, values[number % values.len()].as_str())
                })
        };
        (0..most).map(member).collect()
    }

    fn empty(&self) -> Case {
        Case {
            name: self.name.clone(),
            run: self.run.clone(),
            differs: self.differs.clone(),
        }
    }
}

impl Case {
    fn with(&self, key: &str, value: &str) -> Self {
        let place = format!("{{{key}}}");
        assert!(self.run.contains(&place), "{}: no {place} in it", self.name);
        Self {
            name: format!("{} [{}]", self.name, shown(value)),
            run: self.run.replace(&place, value),
            differs: self.differs.clone(),
        }
    }
}

fn shown(value: &str) -> String {
    value.chars().take(40).collect()
}
