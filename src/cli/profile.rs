//! Which gateway the client speaks to, as whom, and why it trusts it.
//!
//! `client.toml` (mode 0600) keeps a profile for each gateway; the environment overrides it.
//! A token is only ever offered to the server it was stored for.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    client::Server,
    exit::{Exit, Failure},
    screen,
    trust::Trust,
};
use crate::model::time::Timestamp;

const DEFAULT: &str = "default";

/// Everything a client needs to speak to one gateway.
pub struct Access {
    pub server: Server,
    pub trust: Trust,
    pub token: Option<Zeroizing<String>>,
    /// Where the gateway takes SSH, if it said so: `host:port`.
    pub ssh: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The pinned authority in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The SHA-256 fingerprint of the pinned certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
}

impl Profile {
    pub fn trust(&self) -> Result<Trust, Failure> {
        match (&self.ca, &self.certificate) {
            (Some(pem), _) => Ok(Trust::Authority(pem.clone())),
            (None, Some(pin)) => pin
                .parse()
                .map(Trust::Certificate)
                .map_err(|error| Failure::usage(format!("client.toml, certificate: {error}"))),
            (None, None) => Ok(Trust::System),
        }
    }

    pub fn set_trust(&mut self, trust: &Trust) {
        (self.ca, self.certificate) = match trust {
            Trust::System => (None, None),
            Trust::Authority(pem) => (Some(pem.clone()), None),
            Trust::Certificate(pin) => (None, Some(pin.to_string())),
        };
    }
}

/// The file, and which profile of it is meant.
pub struct Profiles {
    path: PathBuf,
    name: String,
    file: File,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads the file; one that is not there is empty.
    pub fn read(chosen: Option<&str>) -> Result<Self, Failure> {
        Self::read_at(place()?, chosen)
    }

    fn read_at(path: PathBuf, chosen: Option<&str>) -> Result<Self, Failure> {
        let file: File = match fs::read_to_string(&path) {
            Ok(text) => {
                warn_if_open(&path);
                toml::from_str(&text).map_err(|error| {
                    Failure::usage(format!(
                        "{} cannot be read: {}",
                        path.display(),
                        error.message()
                    ))
                    .next("mend it, or remove it and sign in again")
                })?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => File::default(),
            Err(error) => {
                return Err(Failure::fault(format!(
                    "{} cannot be read: {error}",
                    path.display()
                )));
            }
        };
        let name = chosen
            .map(str::to_owned)
            .or_else(|| file.current.clone())
            .unwrap_or_else(|| DEFAULT.to_owned());
        Ok(Self { path, name, file })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn chosen(&self) -> Option<&Profile> {
        self.file.profiles.get(&self.name)
    }

    /// Keeps `profile` under the chosen name and makes it the current one.
    pub fn keep(&mut self, profile: Profile) -> Result<(), Failure> {
        self.file.profiles.insert(self.name.clone(), profile);
        self.file.current = Some(self.name.clone());
        self.write()
    }

    /// Forgets the token; what is trusted stays pinned.
    pub fn forget_token(&mut self) -> Result<(), Failure> {
        if let Some(profile) = self.file.profiles.get_mut(&self.name) {
            profile.token = None;
            profile.expires_at = None;
        }
        self.write()
    }

    /// What to speak to and how, with the environment's say.
    pub fn access(&self, environment: Environment) -> Result<Access, Failure> {
        let profile = self.chosen();
        let stored = profile
            .map(|profile| parse_server(&profile.server, "client.toml"))
            .transpose()?;
        let named = environment
            .server
            .map(|server| parse_server(&server, "DOORWARD_SERVER"))
            .transpose()?;
        let Some(server) = named.or_else(|| stored.clone()) else {
            let failure = Failure::new(Exit::NotSignedIn, "not signed in");
            return Err(if self.name == DEFAULT {
                failure.next("run `doorward login --server https://…`")
            } else {
                failure.next(format!(
                    "run `doorward --profile {} login --server https://…`",
                    self.name
                ))
            });
        };
        // INVARIANT: what was stored for one server is never used with another.
        let profile = profile.filter(|_| stored.as_ref() == Some(&server));
        let trust = match environment.ca {
            Some(file) => Trust::Authority(read_ca(Path::new(&file))?),
            None => profile.map_or(Ok(Trust::System), Profile::trust)?,
        };
        let token = environment
            .token
            .or_else(|| profile.and_then(|profile| profile.token.clone()));
        Ok(Access {
            server,
            trust,
            token: token.map(Zeroizing::new),
            ssh: profile.and_then(|profile| profile.ssh.clone()),
        })
    }

    fn write(&self) -> Result<(), Failure> {
        let wrong = |error: std::io::Error| {
            Failure::fault(format!(
                "{} cannot be written: {error}",
                self.path.display()
            ))
        };
        let text = toml::to_string(&self.file)
            .map_err(|error| Failure::fault(format!("client.toml cannot be made: {error}")))?;
        if let Some(folder) = self.path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(wrong)?;
        }
        // A new file that takes the old one's place: never half written, never readable by others.
        let fresh = self
            .path
            .with_extension(format!("toml.{}", std::process::id()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&fresh, &self.path));
        written.map_err(|error| {
            // The first error is the one to tell; the left-over is named in it.
            let _ = fs::remove_file(&fresh);
            wrong(error)
        })
    }
}

/// What the environment says: `DOORWARD_SERVER`, `DOORWARD_TOKEN`, `DOORWARD_CA`.
#[derive(Default)]
pub struct Environment {
    pub server: Option<String>,
    pub token: Option<String>,
    pub ca: Option<String>,
}

impl Environment {
    pub fn read() -> Self {
        let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            server: value("DOORWARD_SERVER"),
            token: value("DOORWARD_TOKEN"),
            ca: value("DOORWARD_CA"),
        }
    }
}

pub fn read_ca(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}

fn parse_server(text: &str, place: &str) -> Result<Server, Failure> {
    text.parse()
        .map_err(|error| Failure::usage(format!("{place}: {error}")))
}

/// `$XDG_CONFIG_HOME/doorward/client.toml`, else below `~/.config`.
fn place() -> Result<PathBuf, Failure> {
    let folder = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    folder("XDG_CONFIG_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".config")))
        .map(|config| config.join("doorward").join("client.toml"))
        .ok_or_else(|| {
            Failure::usage("there is no home directory to keep client.toml in")
                .next("set HOME or XDG_CONFIG_HOME")
        })
}

fn warn_if_open(path: &Path) {
    let open = fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
    if open {
        screen::warn(&format!(
            "others can read {0}, which holds a token: chmod 600 {0}",
            path.display()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_in() -> Profile {
        Profile {
            server: "https://gw:8443".to_owned(),
            user: Some("alice".to_owned()),
            token: Some("dw_secret".to_owned()),
            ca: Some("PEM".to_owned()),
            ..Profile::default()
        }
    }

    fn kept(folder: &Path) -> Profiles {
        let path = folder.join("doorward/client.toml");
        let mut profiles = Profiles::read_at(path, None).unwrap();
        profiles.keep(signed_in()).unwrap();
        profiles
    }

    #[test]
    fn a_profile_is_kept_where_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let profiles = kept(folder.path());
        let again = Profiles::read_at(profiles.path.clone(), None).unwrap();
        assert_eq!(again.chosen(), Some(&signed_in()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&profiles.path), 0o600);
        assert_eq!(mode(profiles.path.parent().unwrap()), 0o700);
        let files = fs::read_dir(profiles.path.parent().unwrap()).unwrap();
        assert_eq!(files.count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_token_never_goes_to_another_server() {
        let folder = tempfile::tempdir().unwrap();
        let profiles = kept(folder.path());
        let own = profiles.access(Environment::default()).unwrap();
        assert_eq!(own.token.as_deref().map(String::as_str), Some("dw_secret"));
        let elsewhere = Environment {
            server: Some("https://evil:8443".to_owned()),
            ..Environment::default()
        };
        let access = profiles.access(elsewhere).unwrap();
        assert_eq!(access.token, None);
        assert_eq!(access.trust, Trust::System);
    }

    #[test]
    fn the_environment_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let profiles = kept(folder.path());
        let access = profiles
            .access(Environment {
                token: Some("dw_other".to_owned()),
                ..Environment::default()
            })
            .unwrap();
        assert_eq!(
            access.token.as_deref().map(String::as_str),
            Some("dw_other")
        );
    }

    #[test]
    fn nobody_signed_in_is_told_how() {
        let folder = tempfile::tempdir().unwrap();
        let profiles = Profiles::read_at(folder.path().join("client.toml"), None).unwrap();
        let failure = profiles.access(Environment::default()).err().unwrap();
        assert_eq!(failure.exit(), Some(Exit::NotSignedIn));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.toml");
        fs::write(&path, "[profiles.default]\nserver = \"x\"\ntokne = \"y\"\n").unwrap();
        let failure = Profiles::read_at(path, None).err().unwrap();
        let Failure::Said(said) = failure else {
            panic!("it is said")
        };
        assert!(said.to_string().contains("tokne"), "{said}");
        assert!(!said.to_string().contains("\"y\""), "{said}");
    }
}
