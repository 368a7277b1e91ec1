//! `access.toml`: users, groups, policies, targets and accounts as one document.
//!
//! Reads the file, refuses every key it does not know (with the nearest one that it does), and
//! keeps secrets apart: they are named by file or environment variable and never in the file.

use std::{
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{account::holds_certificate, ask, exit::Failure};
use crate::model::policy::Terms;

/// The nouns in the order they depend on each other, and what each may say.
const NOUNS: [(&str, &[&str]); 5] = [
    (
        "users",
        &[
            "name",
            "full_name",
            "email",
            "roles",
            "groups",
            "person",
            "disabled",
            "ssh_keys",
        ],
    ),
    ("groups", &["name", "description", "members"]),
    ("policies", &["name", "description", "is_default", "terms"]),
    (
        "targets",
        &[
            "name",
            "protocol",
            "address",
            "host_keys",
            "web",
            "policy",
            "description",
            "labels",
            "disabled",
        ],
    ),
    (
        "accounts",
        &[
            "name",
            "login",
            "targets",
            "policy",
            "description",
            "disabled",
            "secret",
        ],
    ),
];
const SECRET: &[&str] = &["kind", "file", "env", "passphrase_file", "passphrase_env"];
const STAGE: &[&str] = &["votes", "groups"];
const HOURS: &[&str] = &["zone", "windows"];
const WINDOW: &[&str] = &["days", "from", "to"];

/// What a file says: the document for the gateway, and the secrets that go another way.
#[derive(Debug)]
pub struct Access {
    pub document: Value,
    pub secrets: Vec<SecretRef>,
}

/// Where one account's secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    pub account: String,
    pub targets: Vec<String>,
    kind: Option<String>,
    /// None where nothing is stored.
    value: Option<Place>,
    passphrase: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Environment(String),
}

pub fn read(path: &Path) -> Result<Access, Failure> {
    parse(&text(path)?).map_err(|failure| named(failure, path))
}

pub fn read_policy(path: &Path) -> Result<Map<String, Value>, Failure> {
    parse_policy(&text(path)?).map_err(|failure| named(failure, path))
}

fn named(failure: Failure, path: &Path) -> Failure {
    failure.within(&path.display().to_string())
}

fn text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
    Ok(text)
}

fn parse(text: &str) -> Result<Access, Failure> {
    let mut document = toml_to_json(text)?;
    let nouns: Vec<&str> = NOUNS.iter().map(|(noun, _)| *noun).collect();
    known_keys(&document, &nouns, "")?;
    let mut secrets = Vec::new();
    for (noun, keys) in NOUNS {
        let Some(list) = document.get_mut(noun) else {
            continue;
        };
        let Value::Array(entries) = list else {
            return Err(Failure::usage(format!(
                "`{noun}` is a list: begin each entry with [[{noun}]]"
            )));
        };
        for (index, entry) in entries.iter_mut().enumerate() {
            let fields = entry.as_object_mut().ok_or_else(|| {
                Failure::usage(format!("begin each entry of `{noun}` with [[{noun}]]"))
            })?;
            let name = fields.get("name").and_then(Value::as_str);
            let place = match name {
                Some(name) => format!("{noun} {name}"),
                None => {
                    return Err(Failure::usage(format!(
                        "{noun}, entry {}: name is missing",
                        index + 1
                    )));
                }
            };
            known_keys(fields, keys, &place)?;
            if let Some(terms) = fields.get("terms") {
                known_terms(terms, &place)?;
            }
            if let Some(secret) = fields.remove("secret") {
                secrets.push(secret_ref(fields, &secret, &place)?);
            }
        }
    }
    Ok(Access {
        document: Value::Object(document),
        secrets,
    })
}

pub fn parse_policy(text: &str) -> Result<Map<String, Value>, Failure> {
    let file = toml_to_json(text)?;
    known_keys(&file, &["description", "terms"], "")?;
    if let Some(terms) = file.get("terms") {
        known_terms(terms, "")?;
    }
    Ok(file)
}

fn toml_to_json(text: &str) -> Result<Map<String, Value>, Failure> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Failure::usage(match line {
            Some(line) => format!("line {line}: {}", error.message()),
            None => error.message().to_owned(),
        })
    })?;
    match serde_json::to_value(table) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Failure::usage("this is not a table in TOML")),
    }
}

fn known_keys(fields: &Map<String, Value>, known: &[&str], place: &str) -> Result<(), Failure> {
    let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    let place = if place.is_empty() {
        String::new()
    } else {
        format!("{place}: ")
    };
    let failure = Failure::usage(format!("{place}there is no key `{unknown}`"));
    Err(match nearest(unknown, known) {
        Some(near) => failure.next(format!("`{near}` is meant?")),
        None => failure.next(format!("known are {}", known.join(", "))),
    })
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|key| (strsim::jaro_winkler(word, key), *key))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}

/// The keys of `Terms` and of what is inside it, as the gateway itself reads them.
fn known_terms(terms: &Value, place: &str) -> Result<(), Failure> {
    let place = if place.is_empty() {
        "terms".to_owned()
    } else {
        format!("{place}, terms")
    };
    let Value::Object(fields) = terms else {
        return Err(Failure::usage(format!("{place}: a table is expected")));
    };
    let all = serde_json::to_value(Terms::default()).unwrap_or_default();
    let known: Vec<&str> = all
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys().map(String::as_str))
        .collect();
    known_keys(fields, &known, &place)?;
    let tables = |value: &'_ Value| -> Vec<Map<String, Value>> {
        let list = value.as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_object).cloned().collect()
    };
    for stage in tables(&terms["approvals"]) {
        known_keys(&stage, STAGE, &format!("{place}, approvals"))?;
    }
    if let Some(hours) = terms["weekly_hours"].as_object() {
        known_keys(hours, HOURS, &format!("{place}, weekly_hours"))?;
        for window in tables(&terms["weekly_hours"]["windows"]) {
            known_keys(&window, WINDOW, &format!("{place}, weekly_hours"))?;
        }
    }
    serde_json::from_value::<Terms>(terms.clone())
        .map_err(|error| Failure::usage(format!("{place}: {error}")))?
        .check()
        .map_err(|error| Failure::usage(format!("{place}: {error}")))
}

fn secret_ref(
    account: &Map<String, Value>,
    secret: &Value,
    place: &str,
) -> Result<SecretRef, Failure> {
    let place = format!("{place}, secret");
    let Value::Object(fields) = secret else {
        return Err(
            Failure::usage(format!("{place}: a secret never stands in this file"))
                .next("name where it is: secret = { file = \"…\" } or { env = \"…\" }"),
        );
    };
    known_keys(fields, SECRET, &place)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let found = |file: &str, env: &str| match (text(file), text(env)) {
        (Some(path), None) => Some(Place::File(path.into())),
        (None, Some(name)) => Some(Place::Environment(name)),
        _ => None,
    };
    let kind = text("kind");
    let value = found("file", "env");
    let stored = kind.as_deref() != Some("ssh-ca");
    if stored && value.is_none() {
        return Err(Failure::usage(format!(
            "{place}: either file or env is expected"
        )));
    };
    if !stored && fields.len() > 1 {
        return Err(Failure::usage(format!(
            "{place}: nothing is stored for ssh-ca, so it names no file"
        )));
    }
    if let Some(kind) = kind.as_deref()
        && !["password", "ssh-key", "client-certificate", "ssh-ca"].contains(&kind)
    {
        return Err(Failure::usage(format!(
            "{place}: kind is password, ssh-key, client-certificate or ssh-ca, not {kind}"
        )));
    }
    Ok(SecretRef {
        account: account
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        targets: account
            .get("targets")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|target| target.as_str().map(str::to_owned))
            .collect(),
        kind,
        value,
        passphrase: found("passphrase_file", "passphrase_env"),
    })
}

impl SecretRef {
    /// `{kind, value, passphrase?}`, as the gateway takes it.
    pub fn body(&self) -> Result<Value, Failure> {
        let Some(value) = &self.value else {
            return Ok(json!({"kind": self.kind}));
        };
        let value = value.read()?;
        let key = value.trim_start().starts_with("-----BEGIN ");
        let kind = match &self.kind {
            Some(kind) => kind.as_str(),
            None if holds_certificate(&value) => "client-certificate",
            None if key => "ssh-key",
            None => "password",
        };
        let value = if key {
            value.as_str()
        } else {
            value.trim_end_matches(['\r', '\n'])
        };
        let mut body = json!({"kind": kind, "value": value});
        if let Some(place) = &self.passphrase {
            body["passphrase"] = json!(place.read()?.trim_end_matches(['\r', '\n']));
        }
        Ok(body)
    }
}

impl Place {
    fn read(&self) -> Result<Zeroizing<String>, Failure> {
        match self {
            Self::File(path) => ask::secret_file(path),
            Self::Environment(name) => match env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Zeroizing::new(value)),
                _ => Err(Failure::usage(format!(
                    "the environment variable {name} is not set"
                ))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        match parse(text) {
            Err(Failure::Said(said)) => said.to_string(),
            other => panic!("it is refused: {other:?}"),
        }
    }

    #[test]
    fn the_example_is_read() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/access.example.toml");
        let access = read(Path::new(example)).unwrap();
        for (noun, _) in NOUNS {
            let entries = access.document[noun].as_array();
            assert!(entries.is_some_and(|entries| !entries.is_empty()), "{noun}");
        }
        assert!(!access.secrets.is_empty());
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_one() {
        for (text, said) in [
            (
                "[[target]]\nname = \"a\"\n",
                "there is no key `target`: `targets` is meant?",
            ),
            (
                "[[targets]]\nname = \"a\"\nadress = \"b:22\"\n",
                "targets a: there is no key `adress`: `address` is meant?",
            ),
            (
                "[[policies]]\nname = \"p\"\n[policies.terms]\nmaximum_duraton = \"4h\"\n",
                "policies p, terms: there is no key `maximum_duraton`: `maximum_duration` is meant?",
            ),
            (
                "[[policies]]\nname = \"p\"\n[[policies.terms.approvals]]\nvote = 2\n",
                "policies p, terms, approvals: there is no key `vote`: `votes` is meant?",
            ),
        ] {
            assert_eq!(refusal(text), said);
        }
    }

    #[test]
    fn senseless_terms_are_refused_before_they_are_sent() {
        let text = "[[policies]]\nname = \"p\"\n[policies.terms]\nmaximum_duration = \"1s\"\n";
        assert!(refusal(text).starts_with("policies p, terms: durations"));
    }

    #[test]
    fn a_secret_never_stands_in_the_file() {
        let text = "[[accounts]]\nname = \"root\"\nsecret = \"hunter2\"\n";
        let said = refusal(text);
        assert!(said.contains("never stands in this file"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        let text = "[[accounts]]\nname = \"root\"\nsecret = { value = \"hunter2\" }\n";
        assert!(!refusal(text).contains("hunter2"));
    }

    #[test]
    fn a_secret_is_kept_apart_from_the_document() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "hunter2\n").unwrap();
        let text = format!(
            "[[accounts]]\nname = \"root\"\ntargets = [\"db1\"]\nsecret = {{ file = {file:?} }}\n"
        );
        let access = parse(&text).unwrap();
        assert!(!access.document.to_string().contains("secret"));
        assert_eq!(
            access.secrets[0].body().unwrap(),
            json!({"kind": "password", "value": "hunter2"})
        );
    }

    #[test]
    fn broken_toml_names_its_line() {
        assert!(refusal("[[users]]\nname = \n").starts_with("line 2: "));
    }
}
