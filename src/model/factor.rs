//! Second factors: which there are, who must have one, how long showing one counts as fresh.
//!
//! Pure. What a factor is checked against is not here.

use serde::{Deserialize, Serialize};

use super::{
    principal::{Role, Roles},
    text::Text,
    time::{Span, Timestamp},
};

/// For how long whoever has just shown who they are may change how they do that.
pub const RECENT: Span = Span::minutes(10);

/// Who must have a second factor to sign in with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondFactorRule {
    /// Whoever has set one up.
    #[default]
    Optional,
    /// Approvers and admins.
    Staff,
    Everybody,
}

impl SecondFactorRule {
    pub fn demands(self, roles: &Roles) -> bool {
        match self {
            Self::Optional => false,
            Self::Staff => [Role::Approver, Role::Admin]
                .iter()
                .any(|role| roles.contains(role)),
            Self::Everybody => true,
        }
    }
}

/// What was shown besides a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FactorKind {
    /// A code of an authenticator app.
    App,
    Passkey,
    /// One of those that were written down; each counts once.
    RecoveryCode,
}

impl FactorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery-code",
        }
    }
}

/// What somebody has to show; nothing of it can be used to show it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Factors {
    /// Since when an authenticator app counts, if one does.
    pub app: Option<Timestamp>,
    pub passkeys: Vec<Passkey>,
    /// Codes that were written down and not used yet.
    pub recovery_codes: u64,
}

impl Factors {
    /// Recovery codes alone are none: they stand in for another that was lost.
    pub fn any(&self) -> bool {
        self.app.is_some() || !self.passkeys.is_empty()
    }
}

/// A passkey without what it is checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Passkey {
    /// As its authenticator calls it, base64url.
    pub id: String,
    pub label: Text,
    pub added_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_names_whom_it_is_for() {
        let of = |roles: &[Role]| roles.iter().copied().collect::<Roles>();
        for role in Role::ALL {
            let roles = of(&[role]);
            let staff = matches!(role, Role::Approver | Role::Admin);
            assert!(!SecondFactorRule::Optional.demands(&roles));
            assert_eq!(SecondFactorRule::Staff.demands(&roles), staff, "{role}");
            assert!(SecondFactorRule::Everybody.demands(&roles));
        }
        assert!(!SecondFactorRule::Staff.demands(&of(&[])));
    }

    #[test]
    fn recovery_codes_alone_are_no_factor() {
        let codes = Factors {
            recovery_codes: 10,
            ..Factors::default()
        };
        assert!(!codes.any());
        let app = Some(Timestamp::from_millis(1));
        assert!(Factors { app, ..codes }.any());
    }
}
