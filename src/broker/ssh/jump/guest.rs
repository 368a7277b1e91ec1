//! Who comes through an outer connection, and what the name means that they give inside.
//!
//! Their identity is that of the outer connection; inside it is chosen only as whom they want
//! to be on the target.

use super::super::login::{Login, Place};
use crate::{
    model::{
        name::{AccountName, TargetName},
        principal::Principal,
        refusal::Refusal,
        text::Text,
    },
    session::Gate,
};

#[derive(Clone)]
pub struct Guest {
    /// Proven on the outer connection.
    pub principal: Principal,
    /// The host they jumped to.
    pub target: TargetName,
}

impl Guest {
    /// What they want: their own name leaves the account open, any other names it.
    ///
    /// Clients that are not told otherwise send the name their user has at home. That is
    /// taken for an account only where it is one.
    pub async fn login(&mut self, typed: &str, gate: &Gate) -> Result<Login, Refusal> {
        self.principal = gate.as_of_now(&self.principal).await?;
        let Self { principal, target } = &*self;
        let account = if typed == principal.name.as_str() {
            None
        } else {
            Some(self.account(typed, gate).await?)
        };
        Ok(Login {
            user: principal.name.clone(),
            place: Some(Place {
                account,
                target: target.clone(),
            }),
        })
    }

    async fn account(&self, typed: &str, gate: &Gate) -> Result<AccountName, Refusal> {
        let Self { principal, target } = self;
        if let Ok(account) = typed.parse()
            && gate.may_name(principal, target, &account).await?
        {
            return Ok(account);
        }
        let typed: String = typed.chars().take(64).collect();
        Err(Refusal::NotYourName {
            typed: Text::ours(&typed).one_line(),
            user: principal.name.clone(),
            target: target.clone(),
        })
    }
}
