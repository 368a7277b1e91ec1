//! The console in a real Chromium, at a desk and on a phone, light and dark: people ask, answer,
//! connect with a real `ssh`, are cut off and told why. Each page is held to WCAG by axe-core and
//! to its own policy, and leaves a picture in the build folder, below `tmp/console`.

use std::process::Stdio;

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Child,
};

use crate::{
    people::Person,
    sshd::Sshd,
    support::{Gateway, PASSWORD},
    window::{Screen, Window},
};

/// A gateway with targets, somebody who asks and somebody who answers.
pub struct Stage {
    pub gateway: Gateway,
    pub sshd: Sshd,
    pub alice: Person,
    pub bob: Person,
}

impl Stage {
    async fn set() -> Self {
        Self::set_with("").await
    }

    /// The same with more lines of configuration.
    pub async fn set_with(more: &str) -> Self {
        let (gateway, sshd) = tokio::join!(Gateway::start_with(more), Sshd::start());
        sshd.enter(&gateway, "db1").await;
        let facts =
            json!({ "description": "Orders, PostgreSQL 17", "labels": ["production", "vienna"] });
        gateway.patch("/targets/db1", facts).await;
        let wiki = json!({
            "name": "wiki", "address": "127.0.0.1:9", "web": { "tls": false, "sign_in": { "by": "basic" } },
            "description": "The handbook", "labels": ["internal"],
        });
        gateway.post(&gateway.root, "/targets", wiki).await;
        let secret = json!({ "kind": "password", "value": "hunter2" });
        let account = json!({ "name": "ops", "targets": ["wiki"], "secret": secret });
        gateway.post(&gateway.root, "/accounts", account).await;
        let (alice, bob) = gateway.people().await;
        for (name, full) in [("alice", "Alice Adler"), ("bob", "Bob Berger")] {
            let facts = json!({ "full_name": full });
            gateway.patch(&format!("/users/{name}"), facts).await;
        }
        let carol = json!({ "name": "carol", "full_name": "Carol Chen", "roles": ["approver"], "password": PASSWORD });
        gateway.post(&gateway.root, "/users", carol).await;
        Self {
            gateway,
            sshd,
            alice,
            bob,
        }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.gateway.url())
    }

    /// Somebody's window, signed in and on that page.
    pub async fn window(&self, screen: Screen, user: &str, path: &str) -> Window {
        let window = Window::on(screen).await;
        window.dark(false).await;
        window.go(&self.at(path)).await;
        let shown = window.until_it_says("Doorward").await;
        assert!(
            !shown.contains("not in this build"),
            "the console is built before its tests: make console"
        );
        window.write_into("User name", user).await;
        window.write_into("Password", PASSWORD).await;
        window.press_named("Sign in").await;
        window.until_gone("Sign in to Doorward").await;
        window
    }

    /// A real `ssh` of alice's on db1 that stays, once it is in.
    async fn ssh(&self) -> Child {
        let mut command = self.gateway.ssh_command(&self.alice, "alice+db1");
        command
            .arg("echo in; exec sleep 600")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut ssh = command.spawn().unwrap();
        let mut lines = BufReader::new(ssh.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("in"));
        ssh
    }
}

#[tokio::test]
async fn p10_alice_asks_bob_answers_on_his_phone_and_revokes_and_both_see_it_happen() {
    let stage = Stage::set().await;
    let strange = Window::open().await;
    strange.go(&stage.at("/")).await;
    strange.until_it_says("Sign in to Doorward").await;
    strange.look("sign-in").await;
    strange.write_into("User name", "alice").await;
    strange.write_into("Password", "guess").await;
    strange.press_named("Sign in").await;
    strange.until_it_says("do not open anything").await;
    strange.close().await;

    let (alice, bob) = tokio::join!(
        stage.window(Screen::Desk, "alice", "/"),
        stage.window(Screen::Phone, "bob", "/"),
    );
    bob.until_it_says("Nobody waits for you").await;
    bob.look("phone-nothing-waits").await;
    alice.until_it_says("You hold nothing right now").await;
    alice.look("home-empty").await;
    assert_eq!(alice.run("return document.cookie").await, "");

    // She asks, and is told what is missing before anybody else hears of it.
    alice.press_named("Ask for db1").await;
    alice
        .until_it_says("bob, carol or root will be asked")
        .await;
    alice.press_named("Ask for it").await;
    alice.until_it_says("Name the ticket").await;
    alice.write_into("Ticket", "CHG0012345").await;
    alice
        .write_into("Reason", "Rotate the logs before the disk is full")
        .await;
    alice.look("request").await;
    alice.press_named("Ask for it").await;
    alice
        .until_it_says("It waits for bob, carol or root.")
        .await;
    alice.look("checkout-waiting").await;
    let code = alice.url().await.rsplit('/').next().unwrap().to_owned();

    // Nobody touches bob's window: the request appears in it.
    bob.until_it_says("alice asks for root on db1").await;
    bob.look("phone-pending").await;
    bob.press_named("alice asks for root on db1").await;
    bob.until_it_says("Your answer").await;
    bob.until_it_says("Never asked for it before.").await;
    bob.look("phone-answer").await;
    bob.press_named("30 minutes").await;
    bob.write_into("Message to alice", "go ahead").await;
    bob.press_named("Approve for 30 minutes").await;
    bob.until_it_says("Active").await;

    // Nor hers.
    let shown = alice.until_it_says("In a terminal").await;
    let line = format!("ssh -p {} alice+db1@", stage.gateway.ssh.port());
    assert!(shown.contains(&line), "{shown}");
    let mut ssh = stage.ssh().await;
    alice.until_it_says("alice, root on db1").await;
    alice.look("checkout-active").await;
    alice.press_named("Home").await;
    alice.until_it_says("My check-outs").await;
    alice.until_it_says(&code).await;
    alice.look("home-active").await;

    // He ends it from the link that messages carry.
    bob.go(&stage.at(&format!("/checkouts/{code}"))).await;
    bob.press_named("Revoke").await;
    bob.until_it_says("One live session of alice on db1 ends now")
        .await;
    bob.write_into("Why, for alice to read", "maintenance is over")
        .await;
    bob.look("phone-revoke").await;
    bob.press_named("Revoke and end").await;
    bob.until_it_says("Revoked by bob").await;
    assert!(!ssh.wait().await.unwrap().success());
    alice.until_gone(&format!("{code}\n")).await;
    alice.go(&stage.at(&format!("/checkouts/{code}"))).await;
    let shown = alice.until_it_says("Revoked by bob").await;
    assert!(shown.contains("maintenance is over"), "{shown}");
    alice.look("checkout-revoked").await;

    alice.press_named("You: alice").await;
    alice.press_named("Sign out").await;
    alice.until_it_says("Sign in to Doorward").await;
    alice.go(&stage.at(&format!("/checkouts/{code}"))).await;
    alice.until_it_says("Sign in to Doorward").await;
}

/// Everything that admins and auditors look at, at both sizes.
#[tokio::test]
async fn the_pages_of_admins_and_auditors_hold_at_a_desk_and_on_a_phone() {
    let stage = Stage::set().await;
    let gateway = &stage.gateway;
    let groups = json!({ "name": "dba", "description": "Databases", "members": ["alice"] });
    gateway.post(&gateway.root, "/groups", groups).await;
    let terms = json!({
        "requesters": ["dba"], "ticket_pattern": "CHG[0-9]{7}", "maximum_duration": "4h", "duration_presets": ["30m", "1h", "4h"],
        "approvals": [{ "votes": 2, "groups": ["dba"] }],
    });
    let policy =
        json!({ "name": "databases", "description": "For whatever holds data", "terms": terms });
    gateway.post(&gateway.root, "/policies", policy).await;
    gateway.check_out(&stage.alice, &stage.bob, "db1").await;
    let mut ssh = gateway.ssh_command(&stage.alice, "alice+db1");
    let ran = ssh.arg("echo hello; id -un").status().await.unwrap();
    assert!(ran.success());
    gateway.ask(&stage.alice, "wiki").await;

    let (desk, phone) = tokio::join!(
        stage.window(Screen::Desk, "root", "/"),
        stage.window(Screen::Phone, "root", "/"),
    );
    let pages = [
        ("checkouts", "/checkouts", "CHG0012345"),
        ("sessions", "/sessions", "alice"),
        ("recordings", "/recordings", "Command"),
        ("audit", "/audit", "approved"),
        ("reports", "/reports", "Who has access now"),
        ("admin-targets", "/admin/targets", "db1"),
        ("admin-accounts", "/admin/accounts", "password"),
        (
            "admin-policies",
            "/admin/policies",
            "Members of dba may ask",
        ),
        ("admin-users", "/admin/users", "Carol Chen"),
        ("admin-groups", "/admin/groups", "Databases"),
        ("me", "/me", "Sign out everywhere"),
        (
            "nowhere",
            "/admin/nowhere",
            "There is nothing at this address",
        ),
    ];
    for (name, path, says) in pages {
        for (window, prefix) in [(&desk, ""), (&phone, "phone-")] {
            window.go(&stage.at(path)).await;
            window.until_it_says(says).await;
            window.look(&format!("{prefix}{name}")).await;
        }
    }

    // A list is asked for by its address, and says so there.
    desk.go(&stage.at("/checkouts?state=active&sort=target"))
        .await;
    desk.until_it_says("root").await;
    desk.press_named("Requested by").await;
    let sorted = async || desk.url().await.contains("sort=requester").then_some(());
    desk.wait_for("the order in the address", sorted).await;

    // The player is loaded where something is played.
    desk.go(&stage.at("/recordings")).await;
    desk.press_named("Watch the recording of alice on db1")
        .await;
    desk.until_it_says("Skip idle time").await;
    let playing = async || {
        let there = "return !!document.querySelector('.ap-player, .asciinema-player')";
        (desk.run(there).await == true).then_some(())
    };
    desk.wait_for("the player", playing).await;
    desk.look("recording").await;

    // An admin enters a target by hand.
    desk.go(&stage.at("/admin/targets")).await;
    desk.press_named("Add a target").await;
    desk.write_into("Name", "db2").await;
    desk.write_into("Address", "127.0.0.1:2299").await;
    desk.look("admin-target-form").await;
    desk.press_named("Add it").await;
    desk.until_it_says("db2").await;
    desk.go(&stage.at("/admin/policies")).await;
    desk.press_named("Add a policy").await;
    desk.until_it_says("In plain words").await;
    desk.look("admin-policy-form").await;
}
