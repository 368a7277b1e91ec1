//! How much of a list is shown, and in which order.

use clap::Args;
use serde_json::Value;

use super::{client::Query, screen::Screen};

/// How much of a list, and in which order.
#[derive(Args)]
pub struct Page {
    /// The field to sort by; -FIELD turns the order round
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// How many to show at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Page {
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    pub fn sort(&self, query: &mut Query) {
        query.extend(self.sort.clone().map(|field| ("sort", field)));
    }

    /// Says that there is more than what was shown.
    pub fn note_more(&self, answer: &Value, screen: &Screen) {
        note_more(answer, self.limit, screen);
    }
}

pub fn note_more(answer: &Value, limit: u32, screen: &Screen) {
    if answer["next"].is_string() {
        screen.note(format!("There are more than {limit}: add --limit N."));
    }
}
