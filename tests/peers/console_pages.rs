//! More of the console in a real Chromium: telling people, setting up, looking inside recordings
//! and files, what several tabs and several approvers see of each other.

use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use crate::{
    console::Stage,
    people::Person,
    support::{Gateway, text},
    telling::Server,
    window::Screen,
};

#[tokio::test]
async fn an_admin_enters_channels_tries_them_and_sees_what_did_not_arrive() {
    let stage = Stage::set_with("").await;
    let gateway = &stage.gateway;
    let email = json!({ "email": "root@example.org" });
    gateway.patch("/users/root", email).await;
    let mail = Server::mail(gateway.dir.path(), "nobody@example.org").await;
    let hook = Server::hook(gateway.dir.path()).await;
    let desk = stage.window(Screen::Desk, "root", "/admin/notices").await;
    desk.until_it_says("Nobody is told anything yet").await;
    desk.look("admin-notices-empty").await;

    desk.press_named("Add a channel").await;
    desk.write_into("Name", "mail").await;
    desk.write_into("Mail server", "localhost").await;
    let port = "const it=[...document.querySelectorAll('label')].find(one=>one.innerText.startsWith('Port')).control;\
        it.focus();it.select();return true";
    desk.run(port).await;
    desk.write_into("Port", &mail.port.to_string()).await;
    desk.write_into("Sender", "doorward@example.org").await;
    desk.write_into("Log-in", "doorward").await;
    desk.write_into("Password", "hunter2").await;
    desk.look("admin-channel-form").await;
    // Pasted, as people do: letter by letter it takes a minute on a busy machine.
    let paste = format!(
        "const it=[...document.querySelectorAll('label')].find(one=>one.innerText==='Authority').control;\
        Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype,'value').set.call(it,{});\
        it.dispatchEvent(new Event('input',{{bubbles:true}}));return true",
        json!(mail.authority())
    );
    assert_eq!(desk.run(&paste).await, true);
    desk.press_named("Add it").await;
    desk.until_it_says("not used yet").await;
    desk.press_named("What to do with mail").await;
    desk.press_named("Send a test").await;
    desk.until_it_says("The test has arrived at root@example.org")
        .await;
    assert!(mail.line(|line| line["to"][0] == "root@example.org").await["tls"] == true);

    // A webhook that is there, one that is not, and the secret that is shown once.
    let url = format!("http://127.0.0.1:{}/ok", hook.port);
    for (name, url) in [("soc", url.as_str()), ("lost", "http://127.0.0.1:9/")] {
        desk.press_named("Add a channel").await;
        desk.press_named("Webhook").await;
        desk.write_into("Name", name).await;
        desk.write_into("Address", url).await;
        desk.press_named("Add it").await;
        desk.until_it_says("This is shown once").await;
        let secret = desk
            .run("return document.querySelector('.copy-line pre').innerText")
            .await;
        if name == "soc" {
            desk.look("admin-channel-secret").await;
            hook.tell_secret(text(&secret).trim());
        }
        desk.press_named("I have put it away").await;
        desk.until_gone("This is shown once").await;
    }
    gateway.ask(&stage.alice, "db1").await;
    let line = hook.line(|line| line["path"] == "/ok").await;
    assert_eq!(line["verified"], true, "{line}");
    desk.until_it_says("fails, 1 waiting").await;
    desk.until_it_says("cannot be reached").await;
    desk.look("admin-notices").await;
    let phone = stage.window(Screen::Phone, "root", "/admin/notices").await;
    phone.until_it_says("What went out").await;
    phone.until_it_says("cannot be reached").await;
    phone.look("phone-admin-notices").await;
    phone.go(&stage.at("/admin/health")).await;
    phone.until_it_says("Notices on lost do not arrive").await;
    phone.look("phone-admin-health").await;
    desk.go(&stage.at("/admin/health")).await;
    desk.until_it_says("Notices on lost do not arrive").await;
    desk.look("admin-health").await;

    // Everybody chooses for themselves.
    let bob = stage.window(Screen::Phone, "bob", "/notices").await;
    bob.until_it_says("You have no e-mail address here").await;
    bob.press_named("Somebody asks").await;
    let muted = async || {
        let choice = gateway.get(&stage.bob.token, "/me/notices").await;
        (choice["muted"] == json!(["requested"])).then_some(())
    };
    gateway.eventually("the choice", muted).await;
    bob.look("phone-own-notices").await;
}

#[tokio::test]
async fn an_admin_comes_from_nothing_to_a_target_that_works() {
    let stage = Stage::set_with("").await;
    let gateway = &stage.gateway;
    for name in ["db1", "wiki"] {
        let path = format!("/targets/{name}");
        let (status, answer) = gateway
            .call(&gateway.root, Method::DELETE, &path, None)
            .await;
        assert!(status.is_success(), "{answer}");
    }
    let desk = stage.window(Screen::Desk, "root", "/").await;
    desk.until_it_says("Set up your first target").await;
    desk.look("home-first-steps").await;
    desk.press_named("Begin").await;
    desk.until_it_says("Begin with a machine").await;
    desk.write_into("Name", "app1").await;
    let address = format!("127.0.0.1:{}", stage.sshd.port);
    desk.write_into("Address", &address).await;
    desk.press_named("Look at its host keys").await;
    desk.until_it_says("Compare with what the machine itself says")
        .await;
    desk.look("setup-target").await;
    desk.press_named("Add the target").await;
    desk.until_it_says("As whom does the gateway get into app1?")
        .await;
    desk.look("setup-account").await;
    // The key is entered as people do, by pasting.
    let secret = std::fs::read_to_string(&stage.sshd.key).unwrap();
    let account = json!({ "name": "root", "login": stage.sshd.login, "targets": ["app1"],
        "secret": { "kind": "ssh-key", "value": secret } });
    gateway.post(&gateway.root, "/accounts", account).await;
    desk.until_it_says("app1 is set up.").await;
    desk.look("setup-done").await;
    let phone = stage.window(Screen::Phone, "root", "/setup").await;
    phone.until_it_says("Begin with a machine").await;
    phone.look("phone-setup").await;
    gateway.check_out(&stage.alice, &stage.bob, "app1").await;
    let mut ssh = gateway.ssh_command(&stage.alice, "alice+app1");
    let ran = ssh.arg("true").status().await.unwrap();
    assert!(ran.success(), "what was set up works");
}

#[tokio::test]
async fn an_auditor_finds_words_in_a_recording_and_the_files_of_a_session() {
    let stage = Stage::set_with("").await;
    let gateway = &stage.gateway;
    gateway.check_out(&stage.alice, &stage.bob, "db1").await;
    let mut ssh = gateway.ssh_command(&stage.alice, "alice+db1");
    let ran = ssh.args(["-tt", "echo begin; sleep 1; echo droptable orders"]);
    assert!(ran.status().await.unwrap().success());
    let file = gateway.dir.path().join("report.csv");
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    copied(gateway, &stage.alice, &file).await;
    gateway.closed_sessions().await;

    let desk = stage.window(Screen::Desk, "root", "/recordings").await;
    desk.press_named("Search inside").await;
    desk.until_it_says("Which words?").await;
    desk.write_into("Words", "droptable").await;
    desk.press_named("Search").await;
    desk.until_it_says("droptable orders").await;
    desk.look("search").await;
    let found = "const it=[...document.querySelectorAll('.found a')].pop();const at=new URL(it.href);\
        return at.pathname.startsWith('/recordings/') && Number(at.searchParams.get('at')) >= 1";
    assert_eq!(desk.run(found).await, true);
    desk.run("document.querySelector('.found a').click()").await;
    desk.until_it_says("Skip idle time").await;

    desk.go(&stage.at("/sessions")).await;
    desk.press_named("Files of alice on db1").await;
    desk.until_it_says("Files of alice on db1").await;
    let phone = stage.window(Screen::Phone, "root", "/sessions").await;
    for (window, name) in [(&desk, "files"), (&phone, "phone-files")] {
        let sessions = gateway.list("/sessions").await;
        for session in sessions {
            let id = text(&session["id"]);
            let moved = gateway.list(&format!("/sessions/{id}/files")).await;
            if !moved.is_empty() {
                window.go(&stage.at(&format!("/sessions/{id}/files"))).await;
                window.until_it_says("there.csv").await;
                window.look(name).await;
            }
        }
    }
    phone.go(&stage.at("/search?q=droptable")).await;
    phone.until_it_says("droptable orders").await;
    phone.look("phone-search").await;
}

async fn copied(gateway: &Gateway, alice: &Person, file: &std::path::Path) {
    let known = gateway.dir.path().join("known_hosts");
    let status = Command::new("scp")
        .args(["-F", "none", "-B", "-o", "StrictHostKeyChecking=accept-new"])
        .args(["-o", &format!("UserKnownHostsFile={}", known.display())])
        .arg("-i")
        .arg(&alice.key)
        .args([
            "-o",
            "User=alice+db1",
            "-P",
            &gateway.ssh.port().to_string(),
        ])
        .arg(file)
        .arg(format!(
            "127.0.0.1:{}/there.csv",
            gateway.dir.path().display()
        ))
        .status()
        .await
        .unwrap();
    assert!(status.success());
    let back = gateway.dir.path().join("there.csv");
    assert!(back.exists());
}

#[tokio::test]
async fn an_approver_gives_what_nobody_asked_for_and_a_desktop_has_a_way_in() {
    let stage = Stage::set_with("rdp.listen = \"127.0.0.1:0\"").await;
    let gateway = &stage.gateway;
    let terms = json!({ "grant_without_request": true, "ticket": "optional", "recording": "off" });
    let policy = json!({ "name": "desktops", "terms": terms });
    gateway.post(&gateway.root, "/policies", policy).await;
    let desk = stage.window(Screen::Desk, "root", "/admin/targets").await;
    desk.press_named("Add a target").await;
    desk.press_named("RDP").await;
    desk.write_into("Name", "win1").await;
    desk.write_into("Address", "win1.example.org").await;
    let pin = format!("sha256//{}", data_encoding::BASE64.encode(&[7; 32]));
    desk.write_into("Pins", &pin).await;
    desk.look("admin-target-form-rdp").await;
    desk.press_named("Add it").await;
    desk.until_it_says("win1.example.org:3389").await;
    let shown = desk.until_it_says("pinned: key").await;
    assert!(!shown.contains("not pinned: nobody gets through\nwin1"));
    gateway
        .patch("/targets/win1", json!({ "policy": "desktops" }))
        .await;
    let secret = json!({ "kind": "password", "value": "hunter2" });
    let account = json!({ "name": "ops", "targets": ["win1"], "secret": secret });
    gateway.post(&gateway.root, "/accounts", account).await;

    let terms = json!({ "grant_without_request": false });
    gateway.under("db1", terms).await;
    let bob = stage.window(Screen::Phone, "bob", "/checkouts").await;
    bob.press_named("Give access").await;
    bob.until_it_says("A check-out that nobody asked for").await;
    bob.look("phone-grant").await;
    bob.write_into("To whom", "alice").await;
    bob.write_into("Target", "db1").await;
    bob.write_into("Reason", "night shift").await;
    bob.press_named("Give it").await;
    bob.until_it_says("does not let an approver").await;
    bob.run("const it=[...document.querySelectorAll('label')].find(one=>one.innerText.startsWith('Target')).control;it.focus();it.select()").await;
    bob.write_into("Target", "\u{e003}\u{e003}\u{e003}win1")
        .await;
    bob.press_named("Give it").await;
    bob.until_it_says("Active").await;

    let alice = stage.window(Screen::Desk, "alice", "/").await;
    alice.until_it_says("win1").await;
    let code = text(&gateway.list("/checkouts?target=win1").await[0]["code"]);
    alice.go(&stage.at(&format!("/checkouts/{code}"))).await;
    alice.press_named("Show the way in").await;
    alice.until_it_says("Download the .rdp file").await;
    let port = gateway.rdp().port().to_string();
    let shown = alice.until_it_says(&port).await;
    assert!(!shown.contains("hunter2"));
    alice.look("checkout-rdp").await;
    alice.press_named("Download the .rdp file").await;
    let seen = gateway
        .audit_event(|event| text(&event["event"]["kind"]).contains("one-time"))
        .await;
    assert!(seen.is_object());
}

#[tokio::test]
async fn tabs_share_a_stream_and_approvers_see_each_other_and_a_cut_is_said() {
    let mut stage = Stage::set_with("").await;
    let (bob, carol) = tokio::join!(
        stage.window(Screen::Desk, "bob", "/"),
        stage.window(Screen::Desk, "carol", "/"),
    );
    // Twelve tabs of one browser are one stream, so that none is one too many.
    let home = stage.at("/");
    for _ in 0..11 {
        bob.tab(&home).await;
        bob.until_it_says("Waiting for your answer").await;
        let quiet = bob.says().await;
        assert!(!quiet.contains("Offline, reconnecting"), "{quiet}");
    }
    let asked = stage.gateway.ask(&stage.alice, "db1").await;
    let code = text(&asked["code"]);
    // The last tab hears of it, whichever tab has the stream; and so does carol.
    bob.until_it_says("alice asks for root on db1").await;
    bob.go(&stage.at(&format!("/checkouts/{code}"))).await;
    carol.go(&stage.at(&format!("/checkouts/{code}"))).await;
    for window in [&bob, &carol] {
        window.until_it_says("Your answer").await;
    }
    // Both answer at once: one decision, and both see it.
    tokio::join!(
        bob.press_named("Approve for 1 hour"),
        carol.press_named("Approve for 1 hour")
    );
    for window in [&bob, &carol] {
        window.until_it_says("Active").await;
    }
    let path = format!("/checkouts/{code}");
    let votes = stage.gateway.get(&stage.gateway.root, &path).await;
    assert_eq!(votes["votes"].as_array().map(Vec::len), Some(1), "{votes}");

    // The gateway goes and comes back: it is said, and what happens afterwards arrives.
    carol.go(&home).await;
    carol.until_it_says("Nobody waits for you").await;
    let config = stage.gateway.config().to_owned();
    let written = std::fs::read_to_string(&config).unwrap();
    let same = format!("admin.listen = \"{}\"", stage.gateway.admin);
    let kept = written.replace("admin.listen = \"127.0.0.1:0\"", &same);
    std::fs::write(&config, kept).unwrap();
    tokio::join!(
        stage.gateway.crash_and_restart(),
        carol.until_it_says("Offline, reconnecting")
    );
    carol.until_gone("Offline, reconnecting").await;
    stage.gateway.ask(&stage.alice, "wiki").await;
    carol.until_it_says("alice asks for ops on wiki").await;
}
