//! The walls of the house: who may use whom, and what has only one place.
//! The rules are data at the top; `architecture/scan.rs` reads the sources.
//! Each rule is tried on a made-up source that breaks it, so that it can fail.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "architecture/scan.rs"]
mod scan;

/// Which modules of ours a module may use besides itself. `vault::entropy` means that item
/// (and what is below it) and no other of `vault`; `*` means all. A module without a row fails.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("clock", &["model"]),
    ("telemetry", &["model", "config"]),
    // A private key is a private file, and a certificate has an end.
    (
        "tls",
        &[
            "model",
            "config",
            "clock",
            "vault::entropy",
            "vault::keyfile",
        ],
    ),
    // The clock measures how long a cut took.
    ("kill", &["model", "clock"]),
    // Their own section of the configuration is a plain value.
    // The database's password is a secret that the configuration refers to.
    ("store", &["model", "config", "vault::read_source"]),
    ("vault", &["model", "config"]),
    (
        "recording",
        &[
            "model",
            "config",
            "kill",
            "clock",
            "vault::entropy",
            // Recordings have keys of their own; with these no secret can be unsealed.
            "vault::RecordingKey",
            "vault::RecordingKeys",
            "vault::VaultError",
            "vault::WrappedKey",
        ],
    ),
    (
        "audit",
        &["model", "store", "vault::SigningKey", "vault::is_signed_by"],
    ),
    // A sign-in that was refused is audited where it was refused.
    (
        "identity",
        &[
            "model",
            "store",
            "audit",
            "clock",
            "vault::entropy",
            // Seeds of authenticator apps have a place of their own; with these no secret can
            // be unsealed.
            "vault::Seed",
            "vault::Seeds",
            "vault::VaultError",
            "vault::WrappedKey",
            "telemetry::METRICS_TYPE",
            "telemetry::Metrics",
        ],
    ),
    (
        "lifecycle",
        &[
            "model",
            "store",
            "audit",
            "kill",
            "clock",
            "vault::entropy",
            "telemetry::METRICS_TYPE",
            "telemetry::Metrics",
        ],
    ),
    ("sweeper", &["model", "store", "lifecycle", "kill", "clock"]),
    (
        "keeper",
        &[
            "model",
            "store",
            "audit",
            "recording",
            "clock",
            "telemetry::Metrics",
        ],
    ),
    // Goes out by the one outbound connect, and opens the secrets of channels and no other.
    (
        "notify",
        &[
            "model",
            "store",
            "audit",
            "lifecycle",
            "kill",
            "clock",
            "session::dial",
            "tls::client",
            "telemetry::Metrics",
            "vault::ChannelSecrets",
            "vault::SealedSecret",
            "vault::VaultError",
            "vault::entropy",
        ],
    ),
    (
        "session",
        &[
            "model",
            "store",
            "vault",
            "audit",
            "recording",
            "lifecycle",
            "kill",
            "clock",
            "identity",
            "telemetry",
        ],
    ),
    // The files of the console, whoever serves them.
    ("console", &[]),
    // What browsers are shown and send, whoever serves it.
    ("page", &["model"]),
    // A broker makes the switch and leashes its client's leg; it has no store, no vault, no lifecycle.
    // Its host keys are private files.
    (
        "broker",
        &[
            "model",
            "session",
            "recording",
            "identity",
            "tls",
            "kill",
            "page",
            "clock::Stopwatch",
            "vault::keyfile",
        ],
    ),
    // The admin endpoint seals secrets and cannot unseal one.
    (
        "api",
        &[
            "model",
            "store",
            "vault::Sealer",
            "vault::SealedSecret",
            "vault::SecretField",
            "vault::WrappedKey",
            "vault::entropy",
            "audit",
            "identity",
            "lifecycle",
            "config",
            "clock",
            "console",
            "page",
            "recording",
            // What a webhook signs with is made, or looked at, where it is shown once.
            "notify::hook_secret",
            "notify::signing_key",
            // A certificate for targets is looked at where an admin can still correct it.
            "tls::client",
            // Showing a secret is an admission of its own, which is not the API's to make.
            "session::reveal",
            "session::credential::AccountSecret",
            "session::credential::CredentialError",
            "telemetry::METRICS_TYPE",
            "telemetry::Metrics",
            "telemetry::METRICS_TYPE",
        ],
    ),
    ("app", &["*"]),
    ("cli", &["*"]),
    ("main", &["cli"]),
];

/// Paths of other crates that have one place, and why.
const ONLY_IN: &[(&str, &[&str], &str)] = &[("sqlx", &["store"], "all SQL is in store/")];

/// What a pure module may not touch: I/O, clocks, tasks, secrets, logs.
const IMPURE: &[&str] = &[
    "aws_lc_rs",
    "axum",
    "chrono::Local",
    "futures",
    "hyper",
    "reqwest",
    "russh",
    "rustls",
    "sqlx",
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tokio_util",
    "tracing",
];

/// Macros and the modules that may call them.
const MACROS: &[(&str, &[&str], &str)] = &[
    (
        "print",
        &["cli"],
        "only the command line writes to the terminal; log with tracing",
    ),
    (
        "println",
        &["cli"],
        "only the command line writes to the terminal; log with tracing",
    ),
    (
        "eprint",
        &["cli"],
        "only the command line writes to the terminal; log with tracing",
    ),
    (
        "eprintln",
        &["cli"],
        "only the command line writes to the terminal; log with tracing",
    ),
    ("dbg", &[], "left over from a search"),
    ("todo", &[], "what is not there is not called"),
    ("unimplemented", &[], "what is not there is not called"),
];

/// Lints that hold a wall, and the only files that may switch them off.
const WALL_LINTS: &[(&str, &[&str])] = &[
    (
        "clippy::disallowed_methods",
        &["clock.rs", "session/dial.rs"],
    ),
    ("clippy::unwrap_used", &[]),
    ("unsafe_code", &[]),
];

const LONGEST_FILE: usize = 600;
/// A file of tests is a list of sentences, read one at a time.
const LONGEST_TESTS: usize = 1000;

#[test]
fn the_walls_of_the_house_hold() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(
        files.len() > 15,
        "found only {} sources below {}",
        files.len(),
        src.display()
    );

    let mut broken = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("a source can be read");
        let below_src = file.strip_prefix(&src).expect("it was found there");
        broken.extend(judge(below_src, &text));
    }
    assert!(
        broken.is_empty(),
        "{} walls are broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn the_compiler_holds_its_share_of_the_walls() {
    let read = |name: &str| -> toml::Table {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
            .expect("it is in the repository");
        text.parse().expect("it is TOML")
    };
    let lints = &read("Cargo.toml")["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for lint in [
        "unwrap_used",
        "todo",
        "unimplemented",
        "dbg_macro",
        "await_holding_lock",
    ] {
        assert_eq!(lints["clippy"][lint].as_str(), Some("deny"), "{lint}");
    }
    let banned: Vec<String> = read("clippy.toml")["disallowed-methods"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|method| method["path"].as_str().expect("each has a path").to_owned())
        .collect();
    for method in [
        "std::time::SystemTime::now",
        "std::time::Instant::now",
        "tokio::time::Instant::now",
        "chrono::Utc::now",
        "std::net::TcpStream::connect",
        "tokio::net::TcpStream::connect",
        "russh::client::connect",
    ] {
        assert!(
            banned.iter().any(|path| path == method),
            "{method} is not banned any more"
        );
    }
}

/// The promises of `ARCHITECTURE.md`, P1 to P10.
const PROMISES: usize = 10;

#[test]
fn every_promise_has_a_test_that_bears_its_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("tests"), &mut files);
    sources(&root.join("src"), &mut files);
    let names: Vec<String> = files
        .iter()
        .flat_map(|file| scan::tests(&fs::read_to_string(file).expect("a source can be read")))
        .collect();
    let bears =
        |name: &str, promise: usize| name.split('_').any(|part| part == format!("p{promise}"));
    let without: Vec<String> = (1..=PROMISES)
        .filter(|promise| !names.iter().any(|name| bears(name, *promise)))
        .map(|promise| format!("P{promise}"))
        .collect();
    assert!(
        without.is_empty(),
        "no test bears the number of {}",
        without.join(", ")
    );

    let architecture =
        fs::read_to_string(root.join("ARCHITECTURE.md")).expect("it is in the repository");
    for promise in 1..=PROMISES {
        assert!(
            architecture.contains(&format!("| P{promise} |")),
            "ARCHITECTURE.md is silent on P{promise}"
        );
    }
}

/// Every source below `folder`.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("its entry can be read").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    into.sort();
}

/// Whether `path` is `rule` or below it.
fn covers(rule: &str, path: &str) -> bool {
    rule == "*"
        || path
            .strip_prefix(rule)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every rule that one file breaks, each as `file:line: what and why`.
fn judge(file: &Path, text: &str) -> Vec<String> {
    let at = |line: usize| format!("src/{}:{line}", file.display());
    let source = match scan::scan(file, text) {
        Ok(source) => source,
        Err(error) => {
            return vec![format!(
                "{}: does not parse: {error}",
                at(error.span().start().line)
            )];
        }
    };
    let mut broken = Vec::new();
    if !source.has_head {
        broken.push(format!(
            "{}: begins without a `//!` head: what it answers and what it never does",
            at(1)
        ));
    }
    let longest = if file.ends_with("tests.rs") {
        LONGEST_TESTS
    } else {
        LONGEST_FILE
    };
    if source.lines > longest {
        broken.push(format!(
            "{}: has {} lines, more than {longest}: what second thing moved in?",
            at(1),
            source.lines
        ));
    }
    let Some(module) = scan::module_of(file).into_iter().next() else {
        // lib.rs: the map of the crate, nothing else.
        broken.extend(
            source
                .items
                .iter()
                .map(|item| format!("{}: lib.rs is a map and holds no items", at(item.line))),
        );
        return broken;
    };
    let in_module = |places: &[&str]| places.contains(&module.as_str());

    let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
        broken.push(format!(
            "{}: module `{module}` has no row in MAY_USE (tests/architecture.rs)",
            at(1)
        ));
        return broken;
    };
    for used in &source.ours {
        let allowed =
            covers(&module, &used.what) || may_use.iter().any(|rule| covers(rule, &used.what));
        if !allowed {
            let of = if may_use.is_empty() {
                "nothing of ours".to_owned()
            } else {
                may_use.join(", ")
            };
            broken.push(format!(
                "{}: `{module}` uses `crate::{}`; it may use {of}",
                at(used.line),
                used.what
            ));
        }
    }
    for used in &source.others {
        for (path, places, why) in ONLY_IN {
            if covers(path, &used.what) && !in_module(places) {
                broken.push(format!(
                    "{}: `{module}` uses `{}`: {why}",
                    at(used.line),
                    used.what
                ));
            }
        }
        if module == "model" && IMPURE.iter().any(|impure| covers(impure, &used.what)) {
            broken.push(format!(
                "{}: `model` is pure and uses `{}`",
                at(used.line),
                used.what
            ));
        }
    }
    if module == "model" {
        for word in &source.asynchronous {
            broken.push(format!(
                "{}: `model` is pure and knows no `{}`",
                at(word.line),
                word.what
            ));
        }
    }
    for call in &source.macros {
        for (name, places, why) in MACROS {
            if call.what == *name && !in_module(places) {
                broken.push(format!("{}: `{name}!` in `{module}`: {why}", at(call.line)));
            }
        }
    }
    for lint in &source.allowed_lints {
        for (wall, places) in WALL_LINTS {
            if lint.what == *wall && !places.iter().any(|place| file == Path::new(place)) {
                broken.push(format!(
                    "{}: switches off `{wall}`, which only {places:?} may",
                    at(lint.line)
                ));
            }
        }
    }
    broken
}

/// The rules on made-up sources: what must be seen, and what must not be.
mod the_checker {
    use super::*;

    fn broken(file: &str, text: &str) -> Vec<String> {
        judge(Path::new(file), &format!("//! A head.\n{text}"))
    }

    #[track_caller]
    fn finds(file: &str, text: &str, line: usize, what: &str) {
        let broken = broken(file, text);
        let expected = format!("src/{file}:{line}:");
        assert!(
            broken.len() == 1 && broken[0].starts_with(&expected) && broken[0].contains(what),
            "wanted one finding at {expected} about {what}, found {broken:?}"
        );
    }

    #[test]
    fn finds_an_import_however_it_is_written() {
        finds(
            "model/checkout.rs",
            "use crate::store::Store;",
            2,
            "crate::store::Store",
        );
        finds(
            "model/checkout.rs",
            "\nuse crate::{model::ids, vault::{self as v}};",
            3,
            "crate::vault",
        );
        finds(
            "model/checkout.rs",
            "use super::super::store::Store;",
            2,
            "crate::store::Store",
        );
        finds("model/mod.rs", "use super::clock;", 2, "crate::clock");
        finds(
            "model/mod.rs",
            "mod inner { use super::super::kill::KillSwitch; }",
            2,
            "crate::kill",
        );
        finds(
            "broker/ssh/auth.rs",
            "fn f() { let _x = crate::store::open(); }",
            2,
            "crate::store::open",
        );
        finds(
            "broker/ssh/auth.rs",
            "fn f(_: &crate::vault::Vault) {}",
            2,
            "crate::vault::Vault",
        );
        finds(
            "broker/ssh/auth.rs",
            "fn f() { info!(a = 1, b = %crate::store::open()); }",
            2,
            "crate::store::open",
        );
        finds(
            "broker/ssh/auth.rs",
            "macro_rules! m { () => { $crate::store::open() } }",
            2,
            "crate::store::open",
        );
        finds("audit/mod.rs", "use crate::*;", 2, "crate::*");
        finds("audit/mod.rs", "use crate as all;", 2, "crate::*");
        finds("audit/mod.rs", "use crate::{self as all};", 2, "crate::*");
        finds(
            "main.rs",
            "fn main() { doorward::app::run() }",
            2,
            "crate::app::run",
        );
    }

    #[test]
    fn lets_pass_what_the_matrix_allows() {
        for (file, text) in [
            (
                "model/checkout.rs",
                "use crate::model::ids::CheckoutId; use super::time::Timestamp; use self::inner::X;",
            ),
            (
                "model/checkout.rs",
                "pub(crate) fn f() {} pub(in crate::model) fn g() {} use std::time::Duration;",
            ),
            (
                "lifecycle.rs",
                "use crate::{audit::append, kill::Switchboard, model::{checkout, ids::*}, store};",
            ),
            (
                "broker/mod.rs",
                "mod ssh; use self::ssh::Listener; use crate::session::{Gate, Session};",
            ),
            (
                "cli/demo.rs",
                "use crate::app; fn f() { println!(\"crate::nobody\"); }",
            ),
            ("main.rs", "fn main() { doorward::cli::main(); }"),
        ] {
            assert_eq!(broken(file, text), Vec::<String>::new(), "{file}: {text}");
        }
    }

    #[test]
    fn holds_a_rule_about_a_single_item() {
        assert!(
            broken(
                "api/accounts.rs",
                "use crate::vault::{Sealer, SealedSecret};"
            )
            .is_empty()
        );
        finds(
            "api/accounts.rs",
            "use crate::vault::Vault;",
            2,
            "crate::vault::Vault",
        );
        finds("api/accounts.rs", "use crate::vault;", 2, "crate::vault");
        finds(
            "identity/tokens.rs",
            "use crate::vault::entropy_of_another_kind;",
            2,
            "entropy_of_another_kind",
        );
    }

    #[test]
    fn does_not_judge_tests_inside_a_module() {
        let text = "#[cfg(test)] mod tests { use crate::store::Store; fn f() { println!(); } }";
        assert!(broken("model/checkout.rs", text).is_empty());
        assert!(broken("model/tests.rs", "use crate::store::Store;").is_empty());
        assert!(broken("model/tests/life.rs", "use crate::store::Store;").is_empty());
        finds(
            "model/checkout.rs",
            "#[cfg(unix)] mod tests { use crate::store::Store; }",
            2,
            "crate::store",
        );
    }

    #[test]
    fn keeps_the_model_pure() {
        finds(
            "model/checkout.rs",
            "use tokio::sync::Mutex;",
            2,
            "tokio::sync::Mutex",
        );
        finds(
            "model/checkout.rs",
            "fn f() { let _ = std::fs::read(\"x\"); }",
            2,
            "std::fs::read",
        );
        finds("model/checkout.rs", "async fn f() {}", 2, "async");
        assert!(broken("model/checkout.rs", "use std::net::SocketAddr;").is_empty());
    }

    #[test]
    fn keeps_what_has_one_place_there() {
        finds("api/users.rs", "use sqlx::Row;", 2, "all SQL is in store/");
        finds("lifecycle.rs", "fn f() { println!(\"x\"); }", 2, "println!");
        finds(
            "lifecycle.rs",
            "async fn f() { tokio::select! { _ = g() => { eprintln!(\"x\") } } }",
            2,
            "eprintln!",
        );
        finds("cli/request.rs", "fn f() { todo!() }", 2, "todo!");
        let allow = "#![allow(clippy::disallowed_methods, reason = \"the clock\")]";
        assert!(broken("clock.rs", allow).is_empty());
        finds("sweeper.rs", allow, 2, "clippy::disallowed_methods");
    }

    #[test]
    fn counts_as_a_test_only_what_runs() {
        let text = "#[test] fn p1_a() {} #[tokio::test(flavor = \"multi_thread\")] async fn p2_b() {} \
                    fn p3_c() {} #[test] #[ignore] fn p4_d() {} mod inner { #[test] fn p5_e() {} }";
        assert_eq!(scan::tests(text), ["p1_a", "p2_b", "p5_e"]);
    }

    #[test]
    fn asks_for_a_head_a_row_and_a_bound() {
        let no_head = judge(
            Path::new("kill.rs"),
            "// A comment is no head.\nuse crate::model::ids;",
        );
        assert!(
            no_head.len() == 1 && no_head[0].contains("//!"),
            "{no_head:?}"
        );
        finds("newcomer/mod.rs", "fn f() {}", 1, "no row in MAY_USE");
        finds("kill.rs", &"// line\n".repeat(600), 1, "601 lines");
        finds(
            "lib.rs",
            "pub mod api;\nfn helper() {}",
            3,
            "lib.rs is a map",
        );
        finds("kill.rs", "fn f( {", 2, "does not parse");
    }
}
