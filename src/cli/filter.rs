//! Of which sessions something is listed: what every list of sessions and recordings takes.

use clap::Args;

use super::{checkout::CheckoutRef, client::Query};
use crate::model::name::{TargetName, UserName};

#[derive(Args)]
pub struct Filter {
    /// Only under this check-out
    #[arg(long, value_name = "CODE")]
    checkout: Option<CheckoutRef>,
    #[arg(long)]
    user: Option<UserName>,
    #[arg(long)]
    target: Option<TargetName>,
}

impl Filter {
    pub fn narrow(&self, query: &mut Query) {
        let checkout = self.checkout.as_ref().map(ToString::to_string);
        query.extend(checkout.map(|code| ("checkout", code)));
        query.extend(self.user.as_ref().map(|user| ("user", user.to_string())));
        let target = self.target.as_ref().map(ToString::to_string);
        query.extend(target.map(|target| ("target", target)));
    }
}
