//! Signs in by a target's own form, as its recipe says, and out again at the end.
//!
//! The target's cookies stay in a jar of the session. The password goes into the one request
//! that the recipe names; it is in no log, no recording, and nothing that a person gets.

use std::time::Duration;

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use tracing::debug;
use zeroize::Zeroizing;

use super::{
    errand::{self, Errand, FORM, Server, Told, form},
    inject::Injected,
    jar::Jar,
    scrape::hidden_value,
};
use crate::{
    model::web::{FormPath, FormPiece, FormRecipe, LogOut, LogOutMethod, Shown, Web},
    session::{DialError, Session},
};

/// How long a log-out may take, both of its requests together.
pub const OUT_WITHIN: Duration = Duration::from_secs(4);

const WHO: &str = "the target";

/// A recipe with what is filled in.
pub struct FormSignIn {
    recipe: FormRecipe,
    server: Server,
    /// `https://wiki.internal`, as the target knows itself.
    origin: String,
    login: String,
    secret: Zeroizing<Vec<u8>>,
}

/// Where a connection to the target comes from.
#[derive(Clone, Copy)]
enum Leg {
    /// Cut with the session.
    Session,
    /// After it; carries nothing of the person's.
    Goodbye,
}

impl FormSignIn {
    pub fn new(
        recipe: &FormRecipe,
        server: Server,
        web: &Web,
        authority: &str,
        login: &str,
        secret: &[u8],
    ) -> Self {
        Self {
            recipe: recipe.clone(),
            server,
            origin: format!("{}://{authority}", web.scheme()),
            login: login.to_owned(),
            secret: Zeroizing::new(secret.to_vec()),
        }
    }

    /// Asks for the page, fills in its form and sends it.
    pub async fn sign_in(&self, session: &Session) -> Result<Injected, String> {
        let jar = Jar::default();
        let recipe = &self.recipe;
        let token = self
            .token(&recipe.page, &jar, Leg::Session, session)
            .await?;
        let fields: Vec<(&str, Zeroizing<Vec<u8>>)> = recipe
            .fields
            .iter()
            .map(|(name, text)| (name.as_str(), self.filled(text.pieces())))
            .collect();
        let mut pairs: Vec<(&str, &[u8])> = fields
            .iter()
            .map(|(name, text)| (*name, text.as_slice()))
            .collect();
        if let (Some(name), Some(token)) = (&recipe.token, &token) {
            pairs.push((name.as_str(), token.as_bytes()));
        }
        let place = recipe.post.as_ref().unwrap_or(&recipe.page);
        let body = form(pairs);
        let mut told = self
            .send(
                Method::POST,
                place,
                Some((&recipe.page, body)),
                &jar,
                Leg::Session,
                session,
            )
            .await?;
        let set = jar.take(&mut told.headers, place.path(), session.now());
        if !self.shown(told.status, &told.headers, &set, |shown| {
            recipe.has_worked(shown)
        }) {
            return Err(format!(
                "{WHO} did not take the account's login and password"
            ));
        }
        let message = format!("the gateway signed in to {}", session.target().name);
        session
            .audit_done("web.sign-in", &message, serde_json::json!({ "by": "form" }))
            .await;
        Ok(Injected::Jar(jar))
    }

    /// Whether an answer says that nobody is signed in any more.
    pub fn has_lapsed(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.shown(status, headers, &[], |shown| self.recipe.has_lapsed(shown))
    }

    pub fn signs_out(&self) -> bool {
        self.recipe.log_out.is_some()
    }

    /// Ends the sign-in at the target. Bounded in time, and tried once.
    pub async fn sign_out(&self, jar: &Jar, session: &Session) {
        let Some(log_out) = &self.recipe.log_out else {
            return;
        };
        let left = tokio::time::timeout(OUT_WITHIN, self.leave(log_out, jar, session)).await;
        let target = &session.target().name;
        let (message, detail) = match left {
            Ok(Ok(status)) if status.as_u16() < 400 => (
                format!("the gateway signed out of {target}"),
                serde_json::json!({ "status": status.as_u16() }),
            ),
            Ok(Ok(status)) => (
                format!("the gateway could not sign out of {target}"),
                serde_json::json!({ "status": status.as_u16() }),
            ),
            Ok(Err(why)) => (
                format!("the gateway could not sign out of {target}: {why}"),
                serde_json::json!({}),
            ),
            Err(_) => (
                format!("the gateway could not sign out of {target} in time"),
                serde_json::json!({}),
            ),
        };
        debug!(session = %session.id(), message, "Signed out of a web target");
        session.audit_later("web.sign-out", &message, detail);
    }

    async fn leave(
        &self,
        log_out: &LogOut,
        jar: &Jar,
        session: &Session,
    ) -> Result<StatusCode, String> {
        let method = match log_out.method {
            LogOutMethod::Get => Method::GET,
            LogOutMethod::Post => Method::POST,
        };
        let mut body = None;
        if let (LogOutMethod::Post, Some(page)) = (log_out.method, &log_out.page) {
            let token = self.token(page, jar, Leg::Goodbye, session).await?;
            let pair = self.recipe.token.as_ref().zip(token.as_ref());
            let pair = pair.map(|(name, token)| (name.as_str(), token.as_bytes()));
            body = Some((page, form(pair)));
        } else if log_out.method == LogOutMethod::Post {
            body = Some((&log_out.path, Zeroizing::default()));
        }
        let told = self.send(method, &log_out.path, body, jar, Leg::Goodbye, session);
        Ok(told.await?.status)
    }

    /// Asks for a page, and reads the token out of it where the recipe names one.
    async fn token(
        &self,
        page: &FormPath,
        jar: &Jar,
        leg: Leg,
        session: &Session,
    ) -> Result<Option<Zeroizing<String>>, String> {
        let mut told = self
            .send(Method::GET, page, None, jar, leg, session)
            .await?;
        jar.take(&mut told.headers, page.path(), session.now());
        if told.status != StatusCode::OK {
            let status = told.status.as_u16();
            return Err(format!("{WHO} answered with {status} instead of its form"));
        }
        let Some(name) = &self.recipe.token else {
            return Ok(None);
        };
        match hidden_value(&told.body, name.as_str()) {
            Some(token) => Ok(Some(Zeroizing::new(token))),
            None => Err(format!("the form of {WHO} holds no {name}")),
        }
    }

    async fn send(
        &self,
        method: Method,
        place: &FormPath,
        posted: Option<(&FormPath, Zeroizing<String>)>,
        jar: &Jar,
        leg: Leg,
        session: &Session,
    ) -> Result<Told, String> {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        set(header::ACCEPT, "text/html, */*;q=0.8");
        let body = match posted {
            None => Zeroizing::default(),
            Some((from, body)) => {
                // Both are what a browser says, and what a target looks at that fears other sites.
                set(header::ORIGIN, &self.origin);
                set(header::REFERER, &format!("{}{}", self.origin, from.path()));
                headers.insert(header::CONTENT_TYPE, FORM);
                body
            }
        };
        jar.fill(&mut headers, place.path(), session.now());
        let errand = Errand {
            method,
            path_and_query: &place.to_string(),
            headers,
            body,
        };
        let dialling = async {
            match leg {
                Leg::Session => session.dial().await,
                Leg::Goodbye => session.dial_goodbye().await,
            }
        };
        let dialling: std::pin::Pin<&mut (dyn Future<Output = Result<_, DialError>> + Send)> =
            std::pin::pin!(dialling);
        let told = self.server.ask(dialling, errand).await;
        told.map_err(|error| errand::failed(WHO, &session.target().name, &error))
    }

    fn filled(&self, pieces: Vec<FormPiece<'_>>) -> Zeroizing<Vec<u8>> {
        let length = pieces.len() * (1024 + self.login.len() + self.secret.len());
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        for piece in pieces {
            match piece {
                FormPiece::Text(piece) => text.extend_from_slice(piece.as_bytes()),
                FormPiece::Login => text.extend_from_slice(self.login.as_bytes()),
                FormPiece::Secret => text.extend_from_slice(&self.secret),
            }
        }
        text
    }

    fn shown(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        set: &[String],
        judge: impl FnOnce(Shown<'_>) -> bool,
    ) -> bool {
        let location = headers.get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let cookies: Vec<&str> = set.iter().map(String::as_str).collect();
        judge(Shown {
            status: status.as_u16(),
            location: location.and_then(|location| path_of(location, &self.origin)),
            cookies: &cookies,
        })
    }
}

/// The path at the target that a `Location` leads to, if it stays there.
fn path_of<'a>(location: &'a str, origin: &str) -> Option<&'a str> {
    let path = match location.strip_prefix(origin) {
        Some("") => "/",
        Some(path) => path,
        None => location,
    };
    let is_here = path.starts_with('/') && !path.starts_with("//");
    let end = path.find(['?', '#']).unwrap_or(path.len());
    is_here.then(|| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_counts_where_it_stays_at_the_target() {
        for (location, path) in [
            ("/login?next=/a", Some("/login")),
            ("https://wiki/login#x", Some("/login")),
            ("https://wiki", Some("/")),
            ("https://wiki.evil/login", None),
            ("https://evil/login", None),
            ("//evil/login", None),
            ("login", None),
        ] {
            assert_eq!(path_of(location, "https://wiki"), path, "{location}");
        }
    }
}
