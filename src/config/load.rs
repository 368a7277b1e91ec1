//! Lays the four sources of configuration over each other.
//!
//! Remembers for each key where its value came from, refuses what it does not know, and
//! blames each wrong value on the place that set it. It decides nothing by itself.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{Config, ConfigError, Problem, usual_file};

/// Environment variables of this form set keys: `DOORWARD_SSH__LISTEN` is `ssh.listen`.
/// Those without the double underscore are for the command line and for secrets.
const PREFIX: &str = "DOORWARD_";
const SEPARATOR: &str = "__";

/// Keys that refer to a secret, as a table of `file` or `env`.
const SECRETS: [&str; 2] = ["database.password", "vault.key"];

/// Keys that have no default, and so do not stand among the values until somebody sets them.
const UNSET: [&str; 6] = [
    "admin.public",
    "ssh.public",
    "web.public_port",
    "web.redirect",
    "rdp.listen",
    "rdp.public",
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Env(String),
    Flag(String),
}

/// What to load the configuration from.
#[derive(Debug, Clone, Default)]
pub struct Load {
    file: Option<PathBuf>,
    env: Vec<(String, String)>,
    flags: Vec<(String, String, String)>,
}

/// A configuration and where each of its values came from.
#[derive(Debug, Clone)]
pub struct Effective {
    pub config: Config,
    values: BTreeMap<String, (Value, Origin)>,
}

impl Load {
    /// Defaults, and the usual file if it is there. Not yet the environment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads this file, which must then exist, instead of the usual one.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Takes these environment variables; those of others are passed over.
    pub fn env(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.env.extend(variables);
        self
    }

    /// Sets one key from the command line; `flag` is its name there.
    pub fn flag(mut self, flag: &str, key: &str, value: &str) -> Self {
        self.flags
            .push((flag.to_owned(), key.to_owned(), value.to_owned()));
        self
    }

    /// Puts everything together, or tells everything that is wrong.
    pub fn load(self) -> Result<Effective, ConfigError> {
        let mut layers = Layers::new();
        if let Some((path, text)) = self.text()? {
            layers.file(&path, &text)?;
        }
        for (variable, value) in &self.env {
            if let Some(key) = key_of(variable) {
                layers.text(&key, value, Origin::Env(variable.clone()));
            }
        }
        for (flag, key, value) in &self.flags {
            layers.text(key, value, Origin::Flag(flag.clone()));
        }
        layers.finish()
    }

    fn text(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        let path = self.file.clone().unwrap_or_else(|| usual_file().to_owned());
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some((path, text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.file.is_none() => {
                Ok(None)
            }
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }
}

impl Effective {
    /// Every key with its value as TOML and its origin, sorted by key.
    pub fn rows(&self) -> impl Iterator<Item = (&str, String, &Origin)> {
        self.values
            .iter()
            .map(|(key, (value, origin))| (key.as_str(), shown(value), origin))
    }
}

struct Layers {
    values: BTreeMap<String, (Value, Origin)>,
    problems: Vec<Problem>,
}

impl Layers {
    fn new() -> Self {
        let defaults = Table::try_from(Config::default()).expect("the defaults are TOML");
        let mut values = BTreeMap::new();
        for (section, keys) in defaults {
            let Value::Table(keys) = keys else {
                unreachable!("every section is a table")
            };
            for (key, value) in keys {
                values.insert(format!("{section}.{key}"), (value, Origin::Default));
            }
        }
        Self {
            values,
            problems: Vec::new(),
        }
    }

    fn file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let parsed = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: line(text, error.span().unwrap_or_default()),
            message: error.message().to_owned(),
        })?;
        for (section, keys) in parsed.get_ref() {
            let origin = |span: Range<usize>| Origin::File {
                path: path.to_owned(),
                line: line(text, span),
            };
            let DeValue::Table(keys) = keys.get_ref() else {
                self.unknown(section.get_ref(), origin(section.span()));
                continue;
            };
            for (name, value) in keys {
                let key = format!("{}.{}", section.get_ref(), name.get_ref());
                self.set(&key, plain(value), origin(name.span()));
            }
        }
        Ok(())
    }

    /// A value from where everything is text; it becomes what the key's default is.
    fn text(&mut self, key: &str, text: &str, origin: Origin) {
        // `vault.key.file = x` is how text says `vault.key = { file = "x" }`.
        if let Some((secret, place)) = key.rsplit_once('.')
            && SECRETS.contains(&secret)
        {
            let place = Table::from_iter([(place.to_owned(), Value::from(text))]);
            return self.set(secret, Value::Table(place), origin);
        }
        let whole = || {
            let number = text.parse();
            number.map_or_else(|_| Value::from(text), Value::Integer)
        };
        let value = match self.values.get(key).map(|(default, _)| default) {
            Some(Value::Integer(_)) => whole(),
            None if key == "web.public_port" => whole(),
            Some(Value::Boolean(_)) => text
                .parse()
                .map_or_else(|_| Value::from(text), Value::Boolean),
            Some(Value::Array(_)) => {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                Value::Array(parts.map(Value::from).collect())
            }
            _ => Value::from(text),
        };
        self.set(key, value, origin);
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) {
        if !self.is_known(key) {
            return self.unknown(key, origin);
        }
        let key = key.to_owned();
        match tried(&key, &value) {
            Ok(()) => {
                self.values.insert(key, (value, origin));
            }
            // Its value is not told: it may be the secret itself.
            Err(_) if SECRETS.contains(&key.as_str()) => {
                self.problems.push(Problem::NotAReference { key, origin });
            }
            Err(why) => {
                let value = without_password(shown(&value));
                self.problems.push(Problem::BadValue {
                    key,
                    value,
                    origin,
                    why,
                });
            }
        }
    }

    fn is_known(&self, key: &str) -> bool {
        self.values.contains_key(key) || SECRETS.contains(&key) || UNSET.contains(&key)
    }

    fn unknown(&mut self, key: &str, origin: Origin) {
        let known = self.values.keys().map(String::as_str);
        let known = known.chain(SECRETS).chain(UNSET);
        let nearest = nearest(key, known);
        self.problems.push(Problem::UnknownKey {
            key: key.to_owned(),
            origin,
            nearest,
        });
    }

    fn finish(mut self) -> Result<Effective, ConfigError> {
        let whole = self
            .values
            .iter()
            .fold(Table::new(), |mut whole, (key, (value, _))| {
                put(&mut whole, key, value.clone());
                whole
            });
        let config: Config = whole.try_into().expect("each value was tried for its key");
        self.problems.extend(config.contradictions());
        if !self.problems.is_empty() {
            return Err(ConfigError::Problems(self.problems));
        }
        Ok(Effective {
            config: config.rooted(),
            values: self.values,
        })
    }
}

/// Whether a configuration that sets only this key is one; if not, why.
fn tried(key: &str, value: &Value) -> Result<(), String> {
    let mut defaults = Table::try_from(Config::default()).expect("the defaults are TOML");
    put(&mut defaults, key, value.clone());
    let tried: Result<Config, _> = defaults.try_into();
    tried.map(drop).map_err(|error| {
        // serde says `invalid type: string "x", expected u32`; the value is told anyway.
        match error.message().trim().rsplit_once("expected ") {
            Some((_, "u32" | "u64")) => "expected a whole number".to_owned(),
            Some((_, "a nonzero u16" | "a nonzero u32")) => {
                "expected a whole number, 1 or more".to_owned()
            }
            Some((_, expected)) => format!("expected {expected}"),
            None => error.message().trim().to_owned(),
        }
    })
}

fn put(table: &mut Table, key: &str, value: Value) {
    let (section, name) = key
        .split_once('.')
        .expect("a known key has a section and a name");
    let keys = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(keys) = keys {
        keys.insert(name.to_owned(), value);
    }
}

/// The key that an environment variable sets, if it is of the form that sets keys.
fn key_of(variable: &str) -> Option<String> {
    let key = variable.strip_prefix(PREFIX)?;
    key.contains(SEPARATOR)
        .then(|| key.replace(SEPARATOR, ".").to_ascii_lowercase())
}

fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    // The name alone counts as well, for the right key in the wrong section.
    let name = key.rsplit('.').next().unwrap_or(key);
    let distance = |known: &str| {
        let known_name = known.rsplit('.').next().unwrap_or(known);
        let elsewhere = 2 + strsim::damerau_levenshtein(name, known_name);
        strsim::damerau_levenshtein(key, known).min(elsewhere)
    };
    let (distance, nearest) = known.map(|known| (distance(known), known)).min()?;
    (distance <= (key.len() / 3).clamp(1, 4)).then(|| nearest.to_owned())
}

fn line(text: &str, span: Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

fn plain(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(datetime) => Value::Datetime(*datetime),
        DeValue::Array(items) => Value::Array(items.iter().map(plain).collect()),
        DeValue::Table(keys) => {
            let keys = keys
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), plain(value)));
            Value::Table(keys.collect())
        }
        // Out of range for what TOML promises: kept as text, which no number accepts.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.as_str()), Value::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Value::from(number.as_str()), Value::Float),
    }
}

/// A wrong database address may be wrong because of the password in it.
fn without_password(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text;
    };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let rest = rest.split('?').next().unwrap_or(rest);
    format!("{scheme}://…{rest}")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Table(keys) => {
            let mut text = String::from("{ ");
            for (key, value) in keys {
                // Writing to a string cannot fail.
                let _ = write!(text, "{key} = {value} ");
            }
            text + "}"
        }
        other => other.to_string(),
    }
}
