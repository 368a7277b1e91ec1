//! A way on which people are told: mail, a webhook, a chat; and what goes that way.
//!
//! Reads and writes its settings and says what fits. Its secret is not here.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Event;
use crate::model::{
    ids::ChannelId,
    name::{GroupName, TargetName, UserName},
    target::Address,
    time::Timestamp,
};

/// `mail`, `soc-webhook`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a name of a channel: 1 to 64 of a-z 0-9 - are expected, not beginning with -")]
pub struct NotAChannel;

impl ChannelName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = NotAChannel;
    fn from_str(text: &str) -> Result<Self, NotAChannel> {
        let fits = (1..=64).contains(&text.len())
            && !text.starts_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Self(text.to_owned())).ok_or(NotAChannel)
    }
}

impl TryFrom<String> for ChannelName {
    type Error = NotAChannel;
    fn try_from(text: String) -> Result<Self, NotAChannel> {
        text.parse()
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> String {
        name.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// To each person whom it concerns, by SMTP.
    Email,
    /// JSON to one address, signed.
    Webhook,
    /// Text to an incoming webhook of Slack, or of what understands the same.
    Slack,
    /// A card to a workflow of Microsoft Teams.
    Teams,
}

impl ChannelKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a kind of channel: email, webhook, slack or teams is expected")]
pub struct NotAKind;

impl FromStr for ChannelKind {
    type Err = NotAKind;
    fn from_str(text: &str) -> Result<Self, NotAKind> {
        [Self::Email, Self::Webhook, Self::Slack, Self::Teams]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(NotAKind)
    }
}

/// A channel without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Channel {
    pub id: ChannelId,
    pub name: ChannelName,
    pub kind: ChannelKind,
    pub disabled: bool,
    /// What goes this way.
    #[serde(flatten)]
    pub scope: Scope,
    /// What only a mail channel has, and every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// What every other has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    /// Whether one is set. A webhook signs with it; of mail it is the password; of a chat it is
    /// the address, which whoever knows may write to.
    pub has_secret: bool,
    pub created_at: Timestamp,
}

/// Which notices: of these events, about these targets, for requesters of these groups. What is
/// empty holds nothing back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Scope {
    #[serde(default)]
    pub events: BTreeSet<Event>,
    #[serde(default)]
    pub targets: BTreeSet<TargetName>,
    /// Labels of targets: one of them is enough, as is one of the targets' names.
    #[serde(default)]
    pub labels: BTreeSet<String>,
    /// Groups of whoever asks.
    #[serde(default)]
    pub groups: BTreeSet<GroupName>,
}

/// Where a notice comes from, as far as a scope asks for it.
#[derive(Debug, Clone, Default)]
pub struct Place {
    pub target: Option<TargetName>,
    pub labels: Vec<String>,
    /// Of the requester.
    pub groups: BTreeSet<GroupName>,
}

impl Scope {
    pub fn takes(&self, event: Event, place: &Place) -> bool {
        let Self {
            events,
            targets,
            labels,
            groups,
        } = self;
        // Who tries a channel tries it, whatever else goes there.
        event == Event::Test || fits((events, targets, labels, groups), event, place)
    }
}

/// What a scope and a subscription hold back with.
type Sets<'a> = (
    &'a BTreeSet<Event>,
    &'a BTreeSet<TargetName>,
    &'a BTreeSet<String>,
    &'a BTreeSet<GroupName>,
);

fn fits((events, targets, labels, groups): Sets<'_>, event: Event, place: &Place) -> bool {
    let named = |target| targets.contains(target);
    let of_target = (targets.is_empty() && labels.is_empty())
        || place.target.as_ref().is_some_and(named)
        || place.labels.iter().any(|label| labels.contains(label));
    (events.is_empty() || events.contains(&event))
        && of_target
        && (groups.is_empty() || !groups.is_disjoint(&place.groups))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// The mail server that takes it: `mail.example.org:587`.
    #[schema(value_type = String)]
    pub relay: Address,
    #[serde(default)]
    pub security: Security,
    /// Whom the gateway signs in as there, with the channel's secret; without one it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// `doorward@example.org`.
    pub from: String,
    /// The authority that vouches for the server, PEM; left out, those the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Who is told besides those whom it concerns.
    #[serde(default)]
    pub subscriptions: Vec<Subscription>,
    /// Whether it may be a link-local address, or a listener of the gateway itself.
    #[serde(default)]
    pub allow_local: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// Begins in the clear and goes no further without TLS.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// In the clear, without a password.
    None,
}

/// A person, or everybody in a group, who wants to be told of more than what concerns them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    pub who: Subject,
    #[serde(default)]
    pub events: BTreeSet<Event>,
    #[serde(default)]
    pub targets: BTreeSet<TargetName>,
    #[serde(default)]
    pub labels: BTreeSet<String>,
    #[serde(default)]
    pub groups: BTreeSet<GroupName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    User(UserName),
    Group(GroupName),
}

impl Subscription {
    pub fn takes(&self, event: Event, place: &Place) -> bool {
        let Self {
            events,
            targets,
            labels,
            groups,
            ..
        } = self;
        event != Event::Test && fits((events, targets, labels, groups), event, place)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Of a webhook. The address of a chat is its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub url: Option<HookUrl>,
    /// The authority that vouches for the server, PEM; left out, those the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Whether it may be a link-local address, or a listener of the gateway itself.
    #[serde(default)]
    pub allow_local: bool,
}

/// `https://soc.example.org/hooks/doorward`; with `http` on this machine only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HookUrl {
    tls: bool,
    address: Address,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "https://host/path is expected, without a name and password in it; http is taken only for \
     localhost, 127.0.0.1 and [::1]"
)]
pub struct NotAHookUrl;

impl HookUrl {
    pub fn tls(&self) -> bool {
        self.tls
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// As the request's `Host` says it.
    pub fn authority(&self) -> String {
        match (self.tls, self.address.port()) {
            (true, 443) | (false, 80) => self.address.bracketed(),
            _ => self.address.to_string(),
        }
    }
}

impl FromStr for HookUrl {
    type Err = NotAHookUrl;
    fn from_str(text: &str) -> Result<Self, NotAHookUrl> {
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(NotAHookUrl),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let port = if tls { 443 } else { 80 };
        let address = authority
            .parse::<Address>()
            .or_else(|_| format!("{authority}:{port}").parse())
            .map_err(|_| NotAHookUrl)?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
        let here = matches!(address.host(), "localhost" | "127.0.0.1" | "::1");
        match path.len() <= 2_048 && path.bytes().all(plain) && (tls || here) {
            true => Ok(Self {
                tls,
                address,
                path: path.to_owned(),
            }),
            false => Err(NotAHookUrl),
        }
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl TryFrom<String> for HookUrl {
    type Error = NotAHookUrl;
    fn try_from(text: String) -> Result<Self, NotAHookUrl> {
        text.parse()
    }
}

impl From<HookUrl> for String {
    fn from(url: HookUrl) -> String {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_https_except_on_this_machine() {
        for (text, shown) in [
            ("https://SOC.example.org", "https://soc.example.org/"),
            (
                "https://soc.example.org:443/a?b=c",
                "https://soc.example.org/a?b=c",
            ),
            ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("http://localhost/x", "http://localhost/x"),
        ] {
            assert_eq!(text.parse::<HookUrl>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "soc.example.org",
            "http://soc.example.org/",
            "http://127.0.0.1.example.org/",
            "ftp://soc.example.org/",
            "https://",
            "https://user:word@soc.example.org/",
            "https://soc.example.org/a b",
            "https://soc.example.org/a\r\nHost: x",
            "https://soc.example.org/#x",
        ] {
            assert_eq!(text.parse::<HookUrl>(), Err(NotAHookUrl), "{text}");
        }
    }

    #[test]
    fn what_a_scope_leaves_empty_holds_nothing_back() {
        let place = Place {
            target: Some("db1".parse().unwrap()),
            labels: vec!["production".to_owned()],
            groups: BTreeSet::from(["dba".parse().unwrap()]),
        };
        let scope = |json: serde_json::Value| -> Scope { serde_json::from_value(json).unwrap() };
        for (json, takes) in [
            (serde_json::json!({}), true),
            (serde_json::json!({"events": ["requested"]}), true),
            (serde_json::json!({"events": ["revoked"]}), false),
            (serde_json::json!({"targets": ["db1"]}), true),
            (serde_json::json!({"targets": ["db2"]}), false),
            (
                serde_json::json!({"targets": ["db2"], "labels": ["production"]}),
                true,
            ),
            (serde_json::json!({"labels": ["test"]}), false),
            (serde_json::json!({"groups": ["dba", "web"]}), true),
            (serde_json::json!({"groups": ["web"]}), false),
            (
                serde_json::json!({"targets": ["db1"], "groups": ["web"]}),
                false,
            ),
        ] {
            let scope = scope(json);
            assert_eq!(scope.takes(Event::Requested, &place), takes, "{scope:?}");
            assert!(scope.takes(Event::Test, &place));
        }
    }
}
