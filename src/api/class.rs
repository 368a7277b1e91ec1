//! Who may call a route: one class each, chosen in the table of routes.
//!
//! Answers by role and by the reach of a token alone. Whether the thing itself may be seen
//! or changed is asked in `sight` and, for check-outs, in the model.

use crate::model::{
    principal::{Principal, Role, Scope},
    refusal::Refusal,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Anybody, without proof. `why` says why that is right.
    Open { why: &'static str },
    /// Everybody who is signed in; they are shown what is theirs to see.
    SignedIn,
    /// Everybody, about their own credentials: only with the full reach of a sign-in,
    /// so that a narrow token cannot make itself a wide one.
    Oneself,
    /// Asks for check-outs and holds them.
    Requester,
    /// Looks at a secret under a check-out of their own.
    Revealer,
    /// Answers requests and ends check-outs.
    Approver,
    /// Holders, approvers and admins alike; the check-out decides between them.
    Party,
    /// Reads everything.
    Auditor,
    /// Changes targets, accounts, policies and people.
    Admin,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::SignedIn => "signed-in",
            Self::Oneself => "oneself",
            Self::Requester => "requester",
            Self::Revealer => "revealer",
            Self::Approver => "approver",
            Self::Party => "party",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// One of these roles is needed; none listed means that any will do.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Self::Open { .. } | Self::SignedIn | Self::Oneself => &[],
            Self::Requester | Self::Revealer => &[Role::Requester],
            Self::Approver => &[Role::Approver, Role::Admin],
            Self::Party => &[Role::Requester, Role::Approver, Role::Admin],
            Self::Auditor => &[Role::Auditor, Role::Admin],
            Self::Admin => &[Role::Admin],
        }
    }

    /// One of these scopes is needed.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Open { .. } | Self::Oneself => &[],
            Self::SignedIn | Self::Auditor => &[Scope::Read],
            Self::Requester => &[Scope::Request],
            Self::Revealer => &[Scope::Reveal],
            Self::Approver => &[Scope::Approve, Scope::Admin],
            Self::Party => &[Scope::Request, Scope::Approve, Scope::Admin],
            Self::Admin => &[Scope::Admin],
        }
    }

    pub fn allows(self, by: &Principal) -> Result<(), Refusal> {
        let roles = self.roles();
        if !roles.is_empty() && !roles.iter().any(|role| by.is(*role)) {
            return Err(Refusal::NotAllowed(self.name()));
        }
        let scopes = self.scopes();
        let reaches = match self {
            Self::Oneself => Scope::ALL.iter().all(|scope| by.may(*scope)),
            _ => scopes.is_empty() || scopes.iter().any(|scope| by.may(*scope)),
        };
        if reaches {
            Ok(())
        } else {
            Err(Refusal::NotAllowed("a token that reaches this far"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        ids::{PersonId, UserId},
        principal::Proof,
        time::Timestamp,
    };

    fn principal(roles: &[Role], scopes: &[Scope]) -> Principal {
        let user = UserId::new(Timestamp::from_millis(1), [1; 10]);
        Principal {
            person: PersonId::from(&user),
            user,
            name: "alice".parse().unwrap(),
            vouched_by: Default::default(),
            roles: roles.iter().copied().collect(),
            groups: Default::default(),
            scopes: scopes.iter().copied().collect(),
            proof: Proof::Password,
            factor_at: None,
        }
    }

    #[test]
    fn each_role_opens_its_own_classes_and_no_other() {
        let table = [
            (Class::SignedIn, &Role::ALL[..]),
            (Class::Oneself, &Role::ALL[..]),
            (Class::Requester, &[Role::Requester]),
            (Class::Revealer, &[Role::Requester]),
            (Class::Approver, &[Role::Approver, Role::Admin]),
            (
                Class::Party,
                &[Role::Requester, Role::Approver, Role::Admin],
            ),
            (Class::Auditor, &[Role::Auditor, Role::Admin]),
            (Class::Admin, &[Role::Admin]),
        ];
        for (class, may) in table {
            for role in Role::ALL {
                let by = principal(&[role], &Scope::ALL);
                assert_eq!(
                    class.allows(&by).is_ok(),
                    may.contains(&role),
                    "{class:?} {role}"
                );
            }
        }
    }

    #[test]
    fn a_token_reaches_no_further_than_its_scopes() {
        let read_only = principal(&Role::ALL, &[Scope::Read]);
        assert!(Class::SignedIn.allows(&read_only).is_ok());
        assert!(Class::Auditor.allows(&read_only).is_ok());
        for class in [
            Class::Oneself,
            Class::Requester,
            Class::Revealer,
            Class::Approver,
            Class::Party,
            Class::Admin,
        ] {
            assert!(class.allows(&read_only).is_err(), "{class:?}");
        }
        // Everything but one scope is still not the whole person.
        let all_but_reveal = principal(&Role::ALL, &Scope::ALL[..4]);
        assert!(Class::Oneself.allows(&all_but_reveal).is_err());
    }
}
