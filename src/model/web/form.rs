//! How the gateway fills in a target's log-in form: a small recipe.
//!
//! Says which page, which fields, and what tells that it worked or that it has lapsed. All
//! addresses are the target's own. It holds no secret and reads no page.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{CanonicalPath, sign_in::written_as_text};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormRecipe {
    /// The page with the form: `/login`.
    #[schema(value_type = String)]
    pub page: FormPath,
    /// Where it is sent; left out, to its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub post: Option<FormPath>,
    /// What is filled in, with `{login}` and `{secret}` where those of the account stand.
    #[schema(value_type = BTreeMap<String, String>)]
    pub fields: BTreeMap<FieldName, FieldText>,
    /// A field, or a `meta`, of the page whose value is sent along under its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub token: Option<FieldName>,
    /// What the answer shows when the target took it.
    pub success: Mark,
    /// What an answer shows when the sign-in has lapsed; left out, it leads to the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<Mark>,
    /// How the sign-in is ended with the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_out: Option<LogOut>,
}

/// What an answer shows. All that is said must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The path that it leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub location: Option<FormPath>,
    /// A cookie that it sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub cookie: Option<FieldName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogOut {
    #[schema(value_type = String)]
    pub path: FormPath,
    #[serde(default)]
    pub method: LogOutMethod,
    /// The page with the `token` that a POST needs; left out, none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub page: Option<FormPath>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogOutMethod {
    #[default]
    Get,
    Post,
}

/// What an answer showed, as far as a recipe asks.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub status: u16,
    /// The path at the target that it leads to, without its query.
    pub location: Option<&'a str>,
    /// The cookies that it sets and does not take back.
    pub cookies: &'a [&'a str],
}

impl Mark {
    const MOST_FIELDS: usize = 32;

    pub fn is_on(&self, shown: Shown<'_>) -> bool {
        let says_something = *self != Self::default();
        let location = |wanted: &FormPath| shown.location == Some(wanted.path());
        says_something
            && self.status.is_none_or(|status| status == shown.status)
            && self.location.as_ref().is_none_or(location)
            && self
                .cookie
                .as_ref()
                .is_none_or(|cookie| shown.cookies.contains(&cookie.as_str()))
    }
}

impl FormRecipe {
    /// Whether an answer to the form says that the target took it.
    pub fn has_worked(&self, shown: Shown<'_>) -> bool {
        shown.status < 400 && self.success.is_on(shown)
    }

    /// Whether an answer says that nobody is signed in any more.
    pub fn has_lapsed(&self, shown: Shown<'_>) -> bool {
        match &self.lapsed {
            Some(mark) => mark.is_on(shown),
            None => (300..400).contains(&shown.status) && shown.location == Some(self.page.path()),
        }
    }

    /// Whether it fits together; if not, one sentence.
    pub fn is_sound(&self) -> Result<(), &'static str> {
        let empty = |mark: &Mark| *mark == Mark::default();
        let holds_secret = self.fields.values().any(FieldText::holds_secret);
        if !holds_secret || self.fields.len() > Mark::MOST_FIELDS {
            return Err("a form has 1 to 32 fields, and {secret} in one of them");
        }
        if self
            .token
            .as_ref()
            .is_some_and(|it| self.fields.contains_key(it))
        {
            return Err("the token is read from the page, so it is none of the fields");
        }
        if empty(&self.success) || self.lapsed.as_ref().is_some_and(empty) {
            return Err("a status, a location or a cookie is expected, to know the answer by");
        }
        if self
            .lapsed
            .as_ref()
            .is_some_and(|mark| mark.cookie.is_some())
        {
            return Err("a sign-in that has lapsed is known by a status or a location");
        }
        Ok(())
    }
}

/// A path at the target, and its query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FormPath {
    path: CanonicalPath,
    query: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a path at the target is expected, with a query or without: /login?next=/")]
pub struct NotAFormPath;

impl FormPath {
    pub fn path(&self) -> &str {
        self.path.as_str()
    }
}

impl FromStr for FormPath {
    type Err = NotAFormPath;
    fn from_str(text: &str) -> Result<Self, NotAFormPath> {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let plain = |query: &str| query.bytes().all(|it| it.is_ascii_graphic() && it != b'#');
        match text.len() <= 1024 && query.is_none_or(plain) {
            true => Ok(Self {
                path: path.parse().map_err(|_| NotAFormPath)?,
                query: query.map(str::to_owned),
            }),
            false => Err(NotAFormPath),
        }
    }
}

impl fmt::Display for FormPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.query {
            Some(query) => write!(f, "{}?{query}", self.path),
            None => write!(f, "{}", self.path),
        }
    }
}

impl TryFrom<String> for FormPath {
    type Error = NotAFormPath;
    fn try_from(text: String) -> Result<Self, NotAFormPath> {
        text.parse()
    }
}

impl From<FormPath> for String {
    fn from(path: FormPath) -> String {
        path.to_string()
    }
}

/// The name of a field or of a cookie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name of a field is expected, without blanks, quotes, `=`, `;` and `,`")]
pub struct NotAFieldName;

impl FromStr for FieldName {
    type Err = NotAFieldName;
    fn from_str(text: &str) -> Result<Self, NotAFieldName> {
        let sound = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"'<>=;,\\".contains(&byte));
        match sound {
            true => Ok(Self(text.to_owned())),
            false => Err(NotAFieldName),
        }
    }
}

written_as_text!(FieldName, NotAFieldName);

/// What a field says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldText(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a field says at most 1024 bytes of text, with {{login}} and {{secret}} once each")]
pub struct NotAFieldText;

/// A piece of what a field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Login,
    Secret,
}

const LOGIN: &str = "{login}";
const SECRET: &str = "{secret}";

impl FieldText {
    pub fn holds_secret(&self) -> bool {
        self.0.contains(SECRET)
    }

    pub fn pieces(&self) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        let mut rest = self.0.as_str();
        loop {
            let next = [(LOGIN, Piece::Login), (SECRET, Piece::Secret)]
                .into_iter()
                .filter_map(|(name, piece)| Some((rest.find(name)?, name, piece)))
                .min_by_key(|(at, ..)| *at);
            let Some((at, name, piece)) = next else {
                break;
            };
            pieces.push(Piece::Text(&rest[..at]));
            pieces.push(piece);
            rest = &rest[at + name.len()..];
        }
        pieces.push(Piece::Text(rest));
        pieces.retain(|piece| *piece != Piece::Text(""));
        pieces
    }
}

/// What nobody types into a field.
fn is_no_text(letter: char) -> bool {
    letter.is_control() || crate::model::text::forbidden(letter)
}

impl FromStr for FieldText {
    type Err = NotAFieldText;
    fn from_str(text: &str) -> Result<Self, NotAFieldText> {
        let once = [LOGIN, SECRET]
            .iter()
            .all(|name| text.matches(name).count() <= 1);
        match once && text.len() <= 1024 && !text.chars().any(is_no_text) {
            true => Ok(Self(text.to_owned())),
            false => Err(NotAFieldText),
        }
    }
}

written_as_text!(FieldText, NotAFieldText);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recipe(change: impl FnOnce(&mut serde_json::Value)) -> Result<(), String> {
        let mut value = json!({
            "page": "/login?next=/", "fields": { "user": "{login}", "password": "{secret}" },
            "token": "csrf", "success": { "location": "/" },
        });
        change(&mut value);
        let recipe: FormRecipe = serde_json::from_value(value).map_err(|it| it.to_string())?;
        recipe.is_sound().map_err(str::to_owned)
    }

    #[test]
    fn a_recipe_says_enough_and_nothing_unknown() {
        assert_eq!(recipe(|_| {}), Ok(()));
        for (name, value) in [
            ("page", json!("login")),
            ("page", json!("/a/../b")),
            ("page", json!("https://elsewhere/")),
            ("fields", json!({ "user": "{login}" })),
            ("fields", json!({ "user": "{secret}{secret}" })),
            ("fields", json!({ "csrf": "{secret}" })),
            ("fields", json!({ "a b": "{secret}" })),
            ("success", json!({})),
            ("success", json!({ "body": "welcome" })),
            ("lapsed", json!({})),
            ("lapsed", json!({ "cookie": "sid" })),
            ("log_out", json!({ "path": "/logout", "method": "delete" })),
            ("script", json!("x")),
        ] {
            let change = |recipe: &mut serde_json::Value| recipe[name] = value.clone();
            assert!(recipe(change).is_err(), "{name} {value}");
        }
    }

    #[test]
    fn the_account_stands_where_the_recipe_says() {
        let text: FieldText = "{login}@example.org".parse().unwrap();
        assert_eq!(text.pieces(), [Piece::Login, Piece::Text("@example.org")]);
        let text: FieldText = "x{secret}{login}".parse().unwrap();
        assert_eq!(
            text.pieces(),
            [Piece::Text("x"), Piece::Secret, Piece::Login]
        );
        assert_eq!("".parse::<FieldText>().unwrap().pieces(), []);
        assert!("a\nb".parse::<FieldText>().is_err());
    }

    #[test]
    fn an_answer_is_known_by_all_that_is_said_of_it() {
        let shown = |status, location, cookies| Shown {
            status,
            location,
            cookies,
        };
        let mark = |value| serde_json::from_value::<Mark>(value).unwrap();
        let both = mark(json!({ "status": 302, "cookie": "sid" }));
        assert!(both.is_on(shown(302, None, &["sid"])));
        assert!(!both.is_on(shown(302, None, &["other"])));
        assert!(!both.is_on(shown(200, None, &["sid"])));
        assert!(!Mark::default().is_on(shown(200, None, &[])));
        let recipe: FormRecipe = serde_json::from_value(json!({
            "page": "/login?next=/", "fields": {}, "success": { "location": "/home" } }))
        .unwrap();
        assert!(recipe.has_worked(shown(302, Some("/home"), &[])));
        assert!(!recipe.has_worked(shown(302, Some("/homes"), &[])));
        assert!(!recipe.has_worked(shown(500, Some("/home"), &[])));
        assert!(recipe.has_lapsed(shown(302, Some("/login"), &[])));
        assert!(!recipe.has_lapsed(shown(200, None, &[])));
    }
}
