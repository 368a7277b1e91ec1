//! The four layers, their refusals, and the shipped file.

use std::{collections::BTreeSet, path::Path};

use super::*;

const SHIPPED: &str = include_str!("../../config/doorward.toml");

fn load_text(text: &str) -> Result<Effective, ConfigError> {
    load_in(tempfile::tempdir().unwrap().path(), text)
}

fn load_in(folder: &Path, text: &str) -> Result<Effective, ConfigError> {
    let path = folder.join("doorward.toml");
    std::fs::write(&path, text).unwrap();
    Load::new().file(path).load()
}

/// What is said about a configuration that is refused, without the folder's name.
fn complaint(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = load_in(folder.path(), text).expect_err("it must be refused");
    error
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "")
}

fn set(key: &str, value: &str) -> Result<Effective, ConfigError> {
    nothing().flag("--set", key, value).load()
}

/// A load that sees no file of this repository.
fn nothing() -> Load {
    Load::new().file("/dev/null")
}

fn env(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn the_shipped_file_is_exactly_the_defaults() {
    let shipped: Config = toml::from_str(SHIPPED).unwrap();
    assert_eq!(shipped, Config::default());
    let loaded = load_text(SHIPPED).unwrap();
    assert_eq!(loaded.config, nothing().load().unwrap().config);
}

#[test]
fn the_shipped_file_explains_every_key() {
    let mut section = "";
    let mut explained = BTreeSet::new();
    let mut was_comment = false;
    for line in SHIPPED.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name;
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && !key.contains(' ')
        {
            // A key that shares the comment of the one above stands right below it.
            assert!(was_comment, "{section}.{key} has no comment");
            explained.insert(format!("{section}.{key}"));
        }
        was_comment = line.starts_with('#') || (was_comment && line.contains(" = "));
    }
    let every: BTreeSet<String> = nothing()
        .load()
        .unwrap()
        .rows()
        .map(|(key, ..)| key.to_owned())
        .collect();
    let missing: Vec<_> = every.difference(&explained).collect();
    assert!(
        missing.is_empty(),
        "not in config/doorward.toml: {missing:?}"
    );
    assert!(explained.contains("database.password"));
}

#[test]
fn later_layers_win_and_each_value_knows_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doorward.toml");
    let text = "[ssh]\nlisten = \"0.0.0.0:1\"\nmax_channels = 7\n[log]\nlevel = \"warn\"\n";
    std::fs::write(&path, text).unwrap();
    let effective = Load::new()
        .file(&path)
        .env(env(&[
            ("DOORWARD_SSH__LISTEN", "0.0.0.0:2"),
            ("DOORWARD_LOG__LEVEL", "debug"),
            ("DOORWARD_TOKEN", "not for us"),
            ("HOME", "/root"),
        ]))
        .flag("--log-level", "log.level", "trace")
        .load()
        .unwrap();
    assert_eq!(effective.config.ssh.listen.address().port(), 2);
    assert_eq!(effective.config.ssh.max_channels.get(), 7);
    assert_eq!(effective.config.log.level, LogLevel::Trace);
    let origins: Vec<String> = effective
        .rows()
        .filter(|(key, ..)| {
            ["log.format", "log.level", "ssh.listen", "ssh.max_channels"].contains(key)
        })
        .map(|(key, value, origin)| format!("{key} = {value} ({origin})"))
        .collect();
    assert_eq!(
        origins,
        [
            "log.format = \"auto\" (default)".to_owned(),
            "log.level = \"trace\" (flag --log-level)".to_owned(),
            "ssh.listen = \"0.0.0.0:2\" (environment variable DOORWARD_SSH__LISTEN)".to_owned(),
            format!("ssh.max_channels = 7 ({} line 3)", path.display()),
        ]
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_right_one() {
    for (text, expected) in [
        (
            "[ssh]\n\nlisen = \"0.0.0.0:2222\"\n",
            "unknown key `ssh.lisen` (doorward.toml line 3): did you mean `ssh.listen`?",
        ),
        (
            "[sssh]\nlisten = \"0.0.0.0:2222\"\n",
            "unknown key `sssh.listen` (doorward.toml line 2): did you mean `ssh.listen`?",
        ),
        (
            "[ssh]\nfail_closed_after = \"10s\"\n",
            "unknown key `ssh.fail_closed_after` (doorward.toml line 2): \
             did you mean `database.fail_closed_after`?",
        ),
        (
            "[colour]\nof_the_house = 1\n",
            "unknown key `colour.of_the_house` (doorward.toml line 2)",
        ),
        ("speed = 1\n", "unknown key `speed` (doorward.toml line 1)"),
        (
            "[ssh.listen]\nport = 1\n",
            "`ssh.listen` is { port = 1 } (doorward.toml line 1): expected a string",
        ),
    ] {
        let said = complaint(text);
        assert!(said.starts_with(expected), "{said}");
    }
    let by_env = nothing()
        .env(env(&[("DOORWARD_SSH__LISEN", "x")]))
        .load()
        .unwrap_err();
    assert_eq!(
        by_env.to_string(),
        "unknown key `ssh.lisen` (environment variable DOORWARD_SSH__LISEN): did you mean `ssh.listen`?"
    );
}

#[test]
fn a_bad_value_is_named_with_what_was_expected() {
    for (text, expected) in [
        (
            "[ssh]\nlisten = \"2222\"\n",
            "`ssh.listen` is \"2222\" (doorward.toml line 2): expected an IP address and a port, \
             for example 127.0.0.1:8443 or [::]:2222",
        ),
        (
            "[ssh]\nmax_channels = 0\n",
            "`ssh.max_channels` is 0 (doorward.toml line 2): expected a whole number, 1 or more",
        ),
        (
            "[ssh]\nmax_channels = \"many\"\n",
            "`ssh.max_channels` is \"many\" (doorward.toml line 2): expected a whole number, 1 or more",
        ),
        (
            "[recording]\nreserve_mb = -1\n",
            "`recording.reserve_mb` is -1 (doorward.toml line 2): expected a whole number",
        ),
        (
            "[recording]\nreserve_mb = 99999999999999999999\n",
            "`recording.reserve_mb` is \"99999999999999999999\" (doorward.toml line 2): expected a whole number",
        ),
        (
            "[log]\nlevel = \"loud\"\n",
            "`log.level` is \"loud\" (doorward.toml line 2): \
             expected one of `error`, `warn`, `info`, `debug`, `trace`",
        ),
        (
            "[limits]\ndrain = \"5\"\n",
            "`limits.drain` is \"5\" (doorward.toml line 2): this is not a length of time: \
             write for example 90s, 30m, 1h30m or 7d",
        ),
        (
            "[admin]\nnames = [\"ok\", \"not ok\"]\n",
            "`admin.names` is [\"ok\", \"not ok\"] (doorward.toml line 2): \
             expected host names or IP addresses, for example door.example.org",
        ),
        (
            "[database]\nurl = \"sqlite:x.db?mode=ro\"\n",
            "`database.url` is \"sqlite:x.db?mode=ro\" (doorward.toml line 2): \
             expected sqlite:FILE or postgres://USER@HOST:PORT/NAME",
        ),
        (
            "[database]\nurl = \"sqlite::memory:\"\n",
            "`database.url` is \"sqlite::memory:\" (doorward.toml line 2): \
             expected sqlite:FILE or postgres://USER@HOST:PORT/NAME",
        ),
        (
            "[ssh]\nenv_allow = [\"*\"]\n",
            "`ssh.env_allow` is [\"*\"] (doorward.toml line 2): \
             expected names of environment variables, for example LANG or LC_*",
        ),
        (
            "[ssh]\nhandshake_timeout = \"0s\"\n",
            "`ssh.handshake_timeout` is 0s",
        ),
        ("[ssh\n", "the configuration"),
    ] {
        let said = complaint(text);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let said = complaint("[ssh]\nlisen = 1\nmax_channels = 0\n[log]\nformat = \"xml\"\n");
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn a_secret_is_never_written_here_and_never_repeated() {
    for text in [
        "[vault]\nkey = \"hunter2\"\n",
        "[vault]\nkey = { value = \"hunter2\" }\n",
        "[vault]\nkey = { file = \"x\", env = \"hunter2\" }\n",
        "[database]\npassword = \"hunter2\"\n",
        "[database]\nurl = \"postgres://doorward:hunter2@db/doorward\"\n",
        "[database]\nurl = \"postgres://doorward@db/doorward?password=hunter2\"\n",
        "[database]\nurl = \"mysql://doorward:hunter2@db/doorward\"\n",
    ] {
        let said = complaint(text);
        assert!(!said.contains("hunter2"), "{said}");
        assert!(
            said.contains("file = ") || said.contains("expected sqlite:FILE"),
            "{said}"
        );
    }
    let by_env = nothing()
        .env(env(&[("DOORWARD_VAULT__KEY", "hunter2")]))
        .load();
    assert!(!by_env.unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn a_secret_is_referred_to_by_file_or_variable_in_every_layer() {
    let from_file = load_text("[vault]\nkey = { env = \"KEY\" }\n").unwrap();
    assert_eq!(
        from_file.config.vault.key,
        SecretSource::Env("KEY".to_owned())
    );
    let from_env = nothing()
        .env(env(&[("DOORWARD_VAULT__KEY__FILE", "/run/key")]))
        .load()
        .unwrap();
    assert_eq!(
        from_env.config.vault.key,
        SecretSource::File("/run/key".into())
    );
    let password = set("database.password.env", "PGPASSWORD").unwrap();
    assert_eq!(
        password.config.database.password,
        Some(SecretSource::Env("PGPASSWORD".to_owned()))
    );
}

#[test]
fn two_listeners_never_want_one_port() {
    for (ssh, clashes) in [
        ("127.0.0.1:8443", true),
        ("0.0.0.0:8443", true),
        ("[::]:8443", true),
        ("127.0.0.2:8443", false),
        ("127.0.0.1:0", false),
    ] {
        assert_eq!(set("ssh.listen", ssh).is_err(), clashes, "{ssh}");
    }
    let both_any =
        nothing()
            .flag("", "ssh.listen", "127.0.0.1:0")
            .flag("", "admin.listen", "127.0.0.1:0");
    both_any
        .load()
        .expect("port 0 is a different one each time");
    let said = set("ssh.listen", "0.0.0.0:8443").unwrap_err().to_string();
    assert_eq!(
        said,
        "`ssh.listen` and `admin.listen` both want port 8443: give one of them another"
    );
}

#[test]
fn text_becomes_what_the_key_is() {
    assert_eq!(
        set("ssh.max_channels", "5")
            .unwrap()
            .config
            .ssh
            .max_channels
            .get(),
        5
    );
    assert_eq!(
        set("admin.names", "a.example, b.example")
            .unwrap()
            .config
            .admin
            .names
            .len(),
        2
    );
    assert!(
        set("admin.names", "")
            .unwrap()
            .config
            .admin
            .names
            .is_empty()
    );
    assert_eq!(
        set("admin.certs", "7").unwrap().config.admin.certs,
        Path::new("7")
    );
    assert!(set("ssh.max_channels", "5.5").is_err());
}

#[test]
fn what_is_relative_is_below_the_data_directory() {
    let config = set("data.dir", "/srv/door").unwrap().config;
    assert_eq!(
        config.vault.key,
        SecretSource::File("/srv/door/vault.key".into())
    );
    assert_eq!(config.recording.dir, Path::new("/srv/door/recordings"));
    assert_eq!(config.ssh.host_keys, Path::new("/srv/door/ssh"));
    assert_eq!(config.database.url.as_str(), "sqlite:/srv/door/doorward.db");
    assert_eq!(config.admin.certs, Path::new("certs"));
    for (url, becomes) in [
        ("sqlite:/var/x.db", "sqlite:/var/x.db"),
        ("sqlite://y.db", "sqlite:/srv/door/y.db"),
        ("postgres://u@h/d", "postgres://u@h/d"),
    ] {
        let load = nothing()
            .flag("", "data.dir", "/srv/door")
            .flag("", "database.url", url);
        assert_eq!(load.load().unwrap().config.database.url.as_str(), becomes);
    }
}

#[test]
fn a_password_goes_into_the_address_whatever_it_contains() {
    let config = set("database.url", "postgres://door@db.example:5432/door")
        .unwrap()
        .config;
    assert_eq!(
        *config.database.url.with_password("p@ss/w:rd ü"),
        "postgres://door:p%40ss%2Fw%3Ard%20%C3%BC@db.example:5432/door"
    );
}

#[test]
fn a_named_file_must_exist() {
    let error = Load::new()
        .file("/nonexistent/doorward.toml")
        .load()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not read the configuration /nonexistent/doorward.toml"
    );
}

#[test]
fn an_allowed_variable_may_end_in_a_star() {
    let config = nothing().load().unwrap().config;
    let allowed = |name: &str| {
        config
            .ssh
            .env_allow
            .iter()
            .any(|pattern| pattern.matches(name))
    };
    assert!(allowed("LANG") && allowed("LC_TIME"));
    assert!(!allowed("LANGUAGE") && !allowed("LD_PRELOAD") && !allowed("lc_time"));
}

/// Every key that the shipped file shows, also those that stand in a comment because they have
/// no default.
#[test]
fn a_key_without_a_default_can_be_set() {
    let text = "admin.public = \"door.example.org:443\"\nssh.public = \"door.example.org:22\"\n\
                web.public_port = 443\nweb.redirect = \"0.0.0.0:80\"\n";
    let config = load_text(text).unwrap().config;
    assert_eq!(config.web.public_port.map(u16::from), Some(443));
    assert!(config.admin.public.is_some() && config.ssh.public.is_some());
    let redirect = config
        .listeners()
        .iter()
        .any(|(key, _)| *key == "web.redirect");
    assert!(redirect);
    let rows = |loaded: Result<Effective, _>| loaded.unwrap().rows().count();
    assert_eq!(rows(load_text(text)), rows(nothing().load()) + 4);
    let by_env = nothing()
        .env(env(&[("DOORWARD_WEB__PUBLIC_PORT", "443")]))
        .load();
    assert_eq!(
        by_env.unwrap().config.web.public_port.map(u16::from),
        Some(443)
    );
    let near = complaint("web.redirekt = \"0.0.0.0:80\"");
    assert!(near.contains("did you mean `web.redirect`?"), "{near}");
    let twice = complaint("web.redirect = \"0.0.0.0:8444\"");
    assert!(
        twice.contains("web.redirect") && twice.contains("8444"),
        "{twice}"
    );
}
