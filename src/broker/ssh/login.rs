//! What somebody types before the `@`: who they are and what they want to reach.
//!
//! `alice+db1` is alice on target db1, `alice+root@db1` with the account named, `alice`
//! alone names no target. One parse, at the last `+`; it never looks anything up.

use std::{fmt, str::FromStr};

use crate::model::name::{AccountName, TargetName, UserName};

/// A log-in name of the SSH door, of one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub user: UserName,
    pub place: Option<Place>,
}

/// The target somebody means, and the account if they named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub account: Option<AccountName>,
    pub target: TargetName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a log-in name: user+target or user+account@target is expected, for example alice+db1"
)]
pub struct NotALogin;

impl FromStr for Login {
    type Err = NotALogin;

    fn from_str(text: &str) -> Result<Self, NotALogin> {
        // The last `+`, so that a user may be `a+b@example.org`: neither a target nor an
        // account holds one.
        let (user, place) = match text.rsplit_once('+') {
            Some((user, place)) => (user, Some(place.parse()?)),
            None => (text, None),
        };
        let user = user.parse().map_err(|_| NotALogin)?;
        Ok(Self { user, place })
    }
}

impl FromStr for Place {
    type Err = NotALogin;

    fn from_str(text: &str) -> Result<Self, NotALogin> {
        let (account, target) = match text.split_once('@') {
            Some((account, target)) => (Some(account.parse().map_err(|_| NotALogin)?), target),
            None => (None, text),
        };
        let target = target.parse().map_err(|_| NotALogin)?;
        Ok(Self { account, target })
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.user)?;
        match &self.place {
            Some(place) => write!(f, "+{place}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(account) = &self.account {
            write!(f, "{account}@")?;
        }
        write!(f, "{}", self.target)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_login_has_one_reading() {
        for (text, user, account, target) in [
            ("alice+db1", "alice", None, Some("db1")),
            ("alice+root@db1", "alice", Some("root"), Some("db1")),
            ("a+b+c", "a+b", None, Some("c")),
            (
                "a@example.org+root@db1",
                "a@example.org",
                Some("root"),
                Some("db1"),
            ),
            ("a+b@example.org+db1", "a+b@example.org", None, Some("db1")),
            (
                "alice+svc_backup$@db1",
                "alice",
                Some("svc_backup$"),
                Some("db1"),
            ),
            ("alice@example.org", "alice@example.org", None, None),
            ("alice", "alice", None, None),
        ] {
            let login: Login = text.parse().unwrap();
            assert_eq!(login.user.as_str(), user, "{text}");
            let place = login.place.as_ref();
            let named = place.and_then(|place| place.account.as_ref());
            assert_eq!(named.map(AccountName::as_str), account, "{text}");
            assert_eq!(place.map(|place| place.target.as_str()), target, "{text}");
            assert_eq!(login.to_string(), text);
        }
    }

    #[test]
    fn what_could_be_read_twice_is_refused() {
        let long = "a".repeat(64 * 1024);
        let with_long_target = format!("alice+{}", "a".repeat(64));
        for text in [
            "",
            "+",
            "alice+",
            "+db1",
            "alice+@db1",
            "alice+root@",
            "alice+root@db1@db2",
            "a@b@c+root@db1.",
            "-oProxyCommand=x",
            "alice+-oProxyCommand=x",
            "alice+-root@db1",
            "alice+db1.",
            "alice+db1 ",
            " alice+db1",
            "alice +db1",
            "alice+DB1",
            "Alice+db1",
            "аlice+db1",
            "alice+db１",
            "alice+db1\0",
            "alice+db1\n",
            "alice+../db1",
            "alice:db1+",
            "alice+x@example.org",
            &long,
            &with_long_target,
        ] {
            assert_eq!(text.parse::<Login>(), Err(NotALogin), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_written_as_it_was_read(text in ".{0,80}|[a-z0-9@+.$-]{0,40}") {
            if let Ok(login) = text.parse::<Login>() {
                prop_assert_eq!(login.to_string(), text);
            }
        }

        #[test]
        fn the_parts_come_back(
            user in "[a-z0-9]([a-z0-9._@+-]{0,20}[a-z0-9])?",
            account in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9._$-]{0,20}"),
            target in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
        ) {
            let place = match &account {
                Some(account) => format!("{account}@{target}"),
                None => target.clone(),
            };
            let login: Login = format!("{user}+{place}").parse().unwrap();
            prop_assert_eq!(login.user.as_str(), user);
            let place = login.place.unwrap();
            prop_assert_eq!(place.account.map(String::from), account);
            prop_assert_eq!(place.target.as_str(), target);
        }
    }
}
