//! Signing in, and why a gateway is believed.

use std::os::unix::fs::PermissionsExt as _;

use super::{Line, scene};
use crate::support::{Gateway, PASSWORD};

#[tokio::test]
async fn a_sign_in_is_kept_where_only_its_owner_reads_it() {
    let gateway = Gateway::start().await;
    let line = Line::stranger();
    let nobody = line.run(&["checkouts"]).await;
    assert_eq!(nobody.code, 3, "{nobody:?}");
    assert_eq!(
        nobody.err,
        "doorward: not signed in: run `doorward login --server https://…`\n"
    );

    let url = gateway.url();
    let ca = gateway.ca();
    let ca = ca.to_str().unwrap();
    let login = [
        "login",
        "--server",
        &url,
        "--ca",
        ca,
        "--user",
        "root",
        "--password-stdin",
    ];
    let wrong = line.feed(&login, "not the password\n").await;
    assert_eq!(wrong.code, 3, "{wrong:?}");
    assert!(!line.client_toml().exists());
    let right = line.feed(&login, &format!("{PASSWORD}\n")).await;
    assert_eq!(right.code, 0, "{right:?}");
    assert!(
        right
            .out
            .starts_with(&format!("Signed in to {url} as root, until ")),
        "{right:?}"
    );

    let kept = std::fs::read_to_string(line.client_toml()).unwrap();
    let mode = std::fs::metadata(line.client_toml())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = kept
        .lines()
        .find_map(|line| line.strip_prefix("token = "))
        .unwrap();
    assert!(
        !right.out.contains(token.trim_matches('"')),
        "a token is not shown"
    );
    assert!(!kept.contains(PASSWORD));

    // From here on the file is enough.
    let me = line.must(&["whoami"]).await;
    assert!(me.contains("root") && me.contains("admin"), "{me}");
    assert_eq!(line.json(&["whoami"]).await["name"], "root");
    assert_eq!(
        line.must(&["logout"]).await,
        format!("Signed out of {url}.\n")
    );
    let out = line.run(&["whoami"]).await;
    assert_eq!(out.code, 3, "{out:?}");
    assert_eq!(
        out.err,
        format!("doorward: not signed in: run `doorward login --server {url}`\n")
    );
    let token = token.trim_matches('"').to_owned();
    let after = Line::of(&gateway, &token).run(&["whoami"]).await;
    assert_eq!(
        after.code, 3,
        "signing out ends the token at the gateway as well: {after:?}"
    );
}

#[tokio::test]
async fn an_unknown_gateway_is_believed_by_its_fingerprint_alone() {
    let gateway = Gateway::start().await;
    let line = Line::stranger();
    let url = gateway.url();
    let login = [
        "login",
        "--server",
        &url,
        "--user",
        "root",
        "--password-stdin",
    ];
    let password = format!("{PASSWORD}\n");
    let unknown = line.feed(&login, &password).await;
    assert_eq!(unknown.code, 7, "{unknown:?}");
    let fingerprint = unknown
        .err
        .split_whitespace()
        .map(|word| word.trim_matches(['(', ')', ':', ',']))
        .find(|word| word.matches(':').count() == 31)
        .unwrap_or_else(|| panic!("it shows the fingerprint: {unknown:?}"))
        .to_owned();

    let changed: String = fingerprint
        .chars()
        .map(|letter| if letter == 'A' { 'B' } else { letter })
        .rev()
        .collect();
    let wrong = line
        .feed(
            &[&login[..], &["--fingerprint", &changed]].concat(),
            &password,
        )
        .await;
    assert_eq!(wrong.code, 7, "{wrong:?}");
    let right = line
        .feed(
            &[&login[..], &["--fingerprint", &fingerprint]].concat(),
            &password,
        )
        .await;
    assert_eq!(right.code, 0, "{right:?}");
    line.must(&["whoami"]).await;

    // Another gateway in the same place has another authority: nothing is sent to it.
    let other = Gateway::start().await;
    let kept = std::fs::read_to_string(line.client_toml()).unwrap();
    std::fs::write(line.client_toml(), kept.replace(&url, &other.url())).unwrap();
    let moved = line.run(&["whoami"]).await;
    assert_eq!(moved.code, 7, "{moved:?}");
    assert!(moved.err.contains("is not trusted"), "{moved:?}");
}

#[tokio::test]
async fn the_first_admin_is_made_from_the_command_line() {
    let gateway = Gateway::start().await;
    let line = Line::stranger();
    let token = line.file("token", "invented\n");
    let outcome = line
        .feed(
            &[
                "bootstrap",
                "--server",
                &gateway.url(),
                "--ca",
                gateway.ca().to_str().unwrap(),
                "--user",
                "eve",
                "--token-file",
                token.to_str().unwrap(),
                "--password-stdin",
            ],
            "correct horse battery staple\n",
        )
        .await;
    assert_ne!(
        outcome.code, 0,
        "the first admin is there already: {outcome:?}"
    );
    assert!(!outcome.err.contains("invented"), "{outcome:?}");
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let scene = scene().await;
    let wrong = scene
        .alice
        .feed(&["password", "--password-stdin"], "wrong\na new password\n")
        .await;
    assert_ne!(wrong.code, 0, "{wrong:?}");
    let input = format!("{PASSWORD}\nquite another password\n");
    let right = scene
        .alice
        .feed(&["password", "--password-stdin"], &input)
        .await;
    assert_eq!(
        (right.code, right.out.as_str()),
        (0, "Your password is changed.\n"),
        "{right:?}"
    );
}

#[tokio::test]
async fn the_command_line_asks_for_the_code() {
    let gateway = Gateway::start().await;
    let mut app = gateway.app_of(&gateway.root).await;
    let line = Line::stranger();
    let (url, ca) = (gateway.url(), gateway.ca());
    let ca = ca.to_str().unwrap();
    let login = [
        "login",
        "--server",
        &url,
        "--ca",
        ca,
        "--user",
        "root",
        "--password-stdin",
    ];
    let without = line.feed(&login, &format!("{PASSWORD}\n")).await;
    assert_ne!(without.code, 0, "{without:?}");
    assert!(!line.client_toml().exists());
    let wrong = line.feed(&login, &format!("{PASSWORD}\n000000\n")).await;
    assert_eq!(wrong.code, 3, "{wrong:?}");
    assert!(wrong.err.contains("this is not right"), "{wrong:?}");
    let code = app.code();
    let right = line.feed(&login, &format!("{PASSWORD}\n{code}\n")).await;
    assert_eq!(right.code, 0, "{right:?}");
    assert!(line.must(&["whoami"]).await.contains("root"));
}
