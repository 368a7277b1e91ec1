//! The main line: refused, asked, approved, in, cut.

use reqwest::Method;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::AsyncReadExt;

use crate::{
    sshd::Sshd,
    support::{Gateway, PATIENCE, Person, outcome_of, text},
};

/// A gateway with one target, somebody who asks and somebody who answers.
pub struct Scene {
    pub gateway: Gateway,
    pub sshd: Sshd,
    pub alice: Person,
    pub bob: Person,
}

pub async fn scene() -> Scene {
    scene_with("").await
}

/// The same with more lines of configuration.
pub async fn scene_with(more: &str) -> Scene {
    let (gateway, sshd) = tokio::join!(Gateway::start_with(more), Sshd::start());
    sshd.enter(&gateway, "db1").await;
    let alice = gateway.person("alice", &["requester"]).await;
    let bob = gateway.person("bob", &["approver"]).await;
    Scene {
        gateway,
        sshd,
        alice,
        bob,
    }
}

impl Scene {
    pub async fn ask(&self) -> String {
        let ask = json!({ "target": "db1", "reason": "disk is full", "ticket": "CHG0012345" });
        text(
            &self
                .gateway
                .post(&self.alice.token, "/checkouts", ask)
                .await["id"],
        )
    }

    pub async fn approved(&self) -> String {
        let id = self.ask().await;
        self.gateway
            .post(
                &self.bob.token,
                &format!("/checkouts/{id}/approve"),
                json!({}),
            )
            .await;
        id
    }

    pub async fn revoke(&self, id: &str) {
        let body = json!({ "message": "maintenance is over" });
        self.gateway
            .post(&self.bob.token, &format!("/checkouts/{id}/revoke"), body)
            .await;
    }

    async fn sessions(&self) -> Vec<Value> {
        self.gateway.get(&self.gateway.root, "/sessions").await["items"]
            .as_array()
            .unwrap()
            .clone()
    }
}

#[tokio::test]
async fn without_a_check_out_nobody_gets_through_and_everybody_is_told() {
    let scene = scene().await;
    let output = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("true")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(77));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("you have no active check-out for db1"),
        "{told}"
    );
    let event = scene.gateway.audit_event(|event| {
        event["event"]["kind"] == "session.open"
            && event["event"]["outcome"]["refused"] == "no-checkout"
    });
    event.await;
    assert!(
        !scene.sshd.log().contains("Accepted"),
        "the target was never reached"
    );
}

#[tokio::test]
async fn p1_an_approved_check_out_opens_the_target_with_a_credential_nobody_sees() {
    let scene = scene().await;
    scene.approved().await;
    let output = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("echo out; echo err >&2; exit 7")
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n", "{told}");
    assert!(told.ends_with("err\n"), "{told}");
    assert_eq!(output.status.code(), Some(7));
    let closed = scene
        .gateway
        .audit_event(|event| event["event"]["kind"] == "session.close")
        .await;
    assert_eq!(closed["event"]["outcome"], "done");
    let sessions = scene.sessions().await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["outcome"], "closed");
}

#[tokio::test]
async fn p2_p10_a_revoke_cuts_a_busy_stream_and_says_why() {
    let scene = scene().await;
    let id = scene.approved().await;
    let mut flood = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("yes")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = flood.stdout.take().unwrap();
    let mut some = vec![0; 1 << 20];
    stdout.read_exact(&mut some).await.unwrap();
    let drained =
        tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
    scene.revoke(&id).await;
    let output = tokio::time::timeout(PATIENCE, flood.wait_with_output())
        .await
        .expect("ssh ends")
        .unwrap();
    drained.await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("Access ended: revoked by bob: maintenance is over (check-out "),
        "{told}"
    );
    assert!(!output.status.success());
    scene
        .gateway
        .eventually("the session's end", async || {
            let sessions = scene.sessions().await;
            (sessions[0]["outcome"] == "revoked").then_some(())
        })
        .await;
    let again = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("true")
        .output()
        .await
        .unwrap();
    assert_eq!(
        again.status.code(),
        Some(77),
        "a revoked person must ask again"
    );
}

#[tokio::test]
async fn p2_a_revoke_cuts_a_client_that_stopped_reading() {
    let scene = scene().await;
    let id = scene.approved().await;
    let mut stalled = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("echo $$ > pid; exec yes".replace(
            "pid",
            &scene.sshd.dir.path().join("pid").display().to_string(),
        ))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = stalled.stdout.take().unwrap();
    let mut some = vec![0; 1 << 16];
    stdout.read_exact(&mut some).await.unwrap();
    // From here on nobody reads: pipe, window and sockets fill up.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    scene.revoke(&id).await;
    tokio::time::timeout(PATIENCE, stalled.wait())
        .await
        .expect("ssh ends")
        .unwrap();
    let pid = std::fs::read_to_string(scene.sshd.dir.path().join("pid")).unwrap();
    let gone =
        async || (!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists()).then_some(());
    scene
        .gateway
        .eventually("the end of the target's process", gone)
        .await;
}

#[tokio::test]
async fn p9_a_killed_gateway_leaves_no_open_session_and_resurrects_nothing() {
    let mut scene = scene().await;
    let id = scene.approved().await;
    let mut live = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("echo in; sleep 600")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 3];
    live.stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut some)
        .await
        .unwrap();
    scene.gateway.crash_and_restart().await;
    tokio::time::timeout(PATIENCE, live.wait())
        .await
        .expect("ssh ends")
        .unwrap();
    let sessions = scene.sessions().await;
    assert_eq!(sessions[0]["outcome"], "lost", "{sessions:?}");
    let checkout = scene
        .gateway
        .get(&scene.alice.token, &format!("/checkouts/{id}"))
        .await;
    assert_eq!(
        checkout["state"]["state"], "active",
        "the check-out itself goes on: {checkout}"
    );
    scene.revoke(&id).await;
    scene.gateway.crash_and_restart().await;
    let refused = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .arg("true")
        .output()
        .await
        .unwrap();
    assert_eq!(refused.status.code(), Some(77), "no revoke is lost");
    let verdict = scene
        .gateway
        .get(&scene.gateway.root, "/audit/verify")
        .await;
    assert_eq!(verdict["intact"], true, "{verdict}");
}

/// Asks, approves, goes in and revokes until the gateway is gone. What it was told is done.
async fn bustle(scene: &Scene, by: &Person) -> Vec<(String, &'static str)> {
    let mut done: Vec<(String, &str)> = Vec::new();
    let post = async |token: &str, path: &str, body: Value| {
        let answered = scene
            .gateway
            .try_call(token, Method::POST, path, Some(body));
        let (status, answer) = answered.await.ok()?;
        assert!(status.is_success(), "{path}: {status} {answer}");
        Some(answer)
    };
    loop {
        let ask = json!({ "target": "db1", "reason": "disk is full", "ticket": "CHG0012345" });
        let Some(asked) = post(&by.token, "/checkouts", ask).await else {
            return done;
        };
        done.push((text(&asked["id"]), "requested"));
        let (id, state) = done.last_mut().expect("it was pushed");
        let approve = format!("/checkouts/{id}/approve");
        if post(&scene.bob.token, &approve, json!({})).await.is_none() {
            return done;
        }
        *state = "active";
        let mut ssh = scene.gateway.ssh_command(by, "alice+db1");
        let mut inside = ssh
            .arg("echo in; sleep 600")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // In, or gone in the middle of it.
        let mut some = [0; 3];
        inside
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut some)
            .await
            .ok();
        let revoke = format!("/checkouts/{id}/revoke");
        if post(&scene.bob.token, &revoke, json!({})).await.is_none() {
            return done;
        }
        *state = "ended";
    }
}

#[tokio::test]
async fn p9_killed_at_any_moment_the_gateway_keeps_what_it_said_was_done() {
    let mut scene = scene().await;
    for round in 0..6 {
        let pid = nix::unistd::Pid::from_raw(scene.gateway.pid().try_into().unwrap());
        let (done, ()) = tokio::join!(bustle(&scene, &scene.alice), async {
            // Into another write each time, wherever the machine is by then.
            tokio::time::sleep(std::time::Duration::from_millis(150 + 93 * round)).await;
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        });
        scene.gateway.crash_and_restart().await;
        for (id, state) in &done {
            let path = format!("/checkouts/{id}");
            let found = scene.gateway.get(&scene.gateway.root, &path).await;
            // What was under way when it was killed may have been done or not.
            let found = text(&found["state"]["state"]);
            let fits = match *state {
                "requested" => true,
                "active" => found != "requested",
                ended => found == ended,
            };
            assert!(fits, "round {round}: {id} was {state} and is {found}");
        }
        let live = scene
            .gateway
            .get(&scene.gateway.root, "/sessions?live=true")
            .await;
        assert_eq!(live["items"], json!([]), "round {round}");
        let verdict = scene
            .gateway
            .get(&scene.gateway.root, "/audit/verify")
            .await;
        assert_eq!(verdict["intact"], true, "round {round}: {verdict}");
        // What was left open is out of the way of the next round.
        for (id, _) in done {
            let path = format!("/checkouts/{id}/revoke");
            let ended = scene
                .gateway
                .call(&scene.bob.token, Method::POST, &path, Some(json!({})));
            ended.await;
            let path = format!("/checkouts/{id}/cancel");
            let ended =
                scene
                    .gateway
                    .call(&scene.alice.token, Method::POST, &path, Some(json!({})));
            ended.await;
        }
    }
}

#[tokio::test]
async fn p3_the_secret_is_nowhere_but_in_the_vault() {
    let scene = scene().await;
    scene.approved().await;
    let output = scene
        .gateway
        .ssh_command(&scene.alice, "alice+db1")
        .args(["-v", "true"])
        .output()
        .await
        .unwrap();
    let key = std::fs::read_to_string(&scene.sshd.key).unwrap();
    let secret = key
        .lines()
        .nth(2)
        .expect("the middle of a private key")
        .as_bytes()
        .to_vec();
    let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(!holds(&output.stderr) && !holds(&output.stdout));
    assert!(
        !holds(scene.gateway.log().join("\n").as_bytes()),
        "in the log"
    );
    let mut looked_at = 0;
    let mut folders = vec![scene.gateway.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                looked_at += 1;
                assert!(
                    !holds(&std::fs::read(&path).unwrap()),
                    "in {}",
                    path.display()
                );
            }
        }
    }
    assert!(looked_at > 3, "there are files to look at");
    let audit = scene
        .gateway
        .call(&scene.gateway.root, Method::GET, "/audit/export", None)
        .await;
    assert!(!holds(audit.1.to_string().as_bytes()), "in the audit log");
}

#[tokio::test]
async fn a_stranger_is_refused_once_and_written_down_once() {
    let scene = scene().await;
    let strange = scene.gateway.dir.path().join("strange");
    crate::sshd::keygen(&strange).await;
    let nobody = Person {
        token: String::new(),
        key: strange,
    };
    let mut ssh = scene.gateway.ssh_command(&nobody, "alice+db1");
    let output = ssh.arg("true").output().await.unwrap();
    assert_eq!(output.status.code(), Some(255));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("Permission denied"), "{told}");
    let refused =
        |event: &Value| event["event"]["kind"] == "user.sign-in" && outcome_of(event) == "sign-in";
    let event = scene.gateway.audit_event(refused).await;
    assert_eq!(
        event["event"]["actor"]["nobody"]["claimed"], "alice",
        "{event}"
    );
}
