//! What a target is told of who is there: nothing, plain headers, or a signed token that is
//! kept while it is good.
//!
//! What somebody outside says of themselves is dropped in `headers`, whatever is told here.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

use crate::{
    clock::Stopwatch,
    model::{name::GroupName, principal::Principal, web::Identity},
    session::{IdentityError, Session},
};

const TOKEN: HeaderName = HeaderName::from_static("doorward-identity");
const USER: HeaderName = HeaderName::from_static("x-forwarded-user");
const GROUPS: HeaderName = HeaderName::from_static("x-forwarded-groups");

/// Who tells a target, of one session.
pub struct Teller {
    how: Identity,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: HeaderValue,
    /// What it says of them.
    groups: BTreeSet<GroupName>,
    since: Stopwatch,
    good_for: Duration,
}

/// What one request says of its sender.
pub struct Who(Vec<(HeaderName, HeaderValue)>);

impl Who {
    pub fn nobody() -> Self {
        Self(Vec::new())
    }

    pub fn tell(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name.clone(), value.clone());
        }
    }
}

impl Teller {
    pub fn new(how: Identity) -> Self {
        Self {
            how,
            kept: Mutex::default(),
        }
    }

    pub async fn says(&self, session: &Session, by: &Principal) -> Result<Who, IdentityError> {
        let text = |text: &str| HeaderValue::from_str(text).expect("names are ASCII");
        match self.how {
            Identity::None => Ok(Who::nobody()),
            Identity::Headers => {
                let groups: Vec<_> = by.groups.iter().map(GroupName::as_str).collect();
                Ok(Who(vec![
                    (USER, text(by.name.as_str())),
                    (GROUPS, text(&groups.join(","))),
                ]))
            }
            Identity::Token => {
                if let Some(token) = self.kept(by) {
                    return Ok(Who(vec![(TOKEN, token)]));
                }
                let signed = session.identity_token(by).await?;
                let mut token = text(&signed.token);
                token.set_sensitive(true);
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                *kept = Some(Kept {
                    token: token.clone(),
                    groups: by.groups.clone(),
                    since: Stopwatch::start(),
                    good_for: signed.good_for,
                });
                Ok(Who(vec![(TOKEN, token)]))
            }
        }
    }

    /// One that is good for as long again as it was used, so that no target gets one that
    /// ends on the way.
    fn kept(&self, by: &Principal) -> Option<HeaderValue> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref()?;
        let fresh = kept.since.elapsed() * 2 < kept.good_for && kept.groups == by.groups;
        fresh.then(|| kept.token.clone())
    }
}
