//! Other people's clients and servers: PuTTY, dropbear, paramiko, asyncssh, Ansible.
//!
//! Each does the same directly and through the gateway, and must see the same.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::json;
use tokio::{net::TcpStream, process::Command};

use crate::{
    scene::{Limits, Scene, Target, Way},
    sshd::{free_port, keygen},
};

/// Only keeps a hanging client from hanging for ever.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where `scripts/prerequisites test` puts what comes from PyPI.
pub fn python() -> PathBuf {
    let home = std::env::var("HOME").unwrap();
    let python = PathBuf::from(home).join(".cache/doorward/peers/bin/python");
    let missing =
        "paramiko, asyncssh and Ansible are not installed; run: scripts/prerequisites test";
    assert!(python.exists(), "{missing}");
    python
}

/// Everything it said, with its own folder's name taken out.
async fn said(mut command: Command, way: &Way) -> String {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = tokio::time::timeout(PATIENCE, command.output());
    let output = running.await.unwrap_or_else(|_| panic!("{command:?} hung"));
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    said.replace(&way.home.display().to_string(), "HOME")
        .replace(&format!("username \"{}\"", way.user), "username USER")
}

async fn same(scene: &Scene, what: &str, expected: &str, make: impl Fn(&Way) -> Command) -> String {
    let (direct, bridge) = tokio::join!(
        said(make(&scene.direct), &scene.direct),
        said(make(&scene.bridge), &scene.bridge)
    );
    assert_eq!(bridge, direct, "{what}");
    assert!(direct.contains(expected), "{what}: {direct}");
    direct
}

fn client(scene: &Scene, script: &str, way: &Way) -> Command {
    let folders = scene.folders(script).into_iter();
    let mut own = folders.filter(|folder| folder.starts_with(&way.home));
    let folder = own.next().expect("each way has a folder");
    let mut command = way.command(python().to_str().unwrap(), &folder);
    command
        .arg(format!(
            "{}/tests/peers/clients/{script}",
            env!("CARGO_MANIFEST_DIR")
        ))
        .args([way.port.to_string(), way.user.clone()])
        .arg(&way.key)
        .arg(&folder);
    command
}

#[tokio::test]
async fn paramiko_works_as_directly() {
    let scene = Scene::set().await;
    let make = |way: &Way| client(&scene, "paramiko_client.py", way);
    same(&scene, "paramiko", "after: b'lives on", make).await;
}

#[tokio::test]
async fn asyncssh_works_as_directly() {
    let scene = Scene::set().await;
    let make = |way: &Way| client(&scene, "asyncssh_client.py", way);
    same(&scene, "asyncssh", "compression: ", make).await;
}

#[tokio::test]
async fn ansible_works_as_directly() {
    let scene = Scene::set().await;
    let ansible = python().with_file_name("ansible");
    // Python on the target comes through standard input with pipelining, else as a file by sftp.
    for (module, arguments, expected, pipelining) in [
        ("ping", "", "pong", "True"),
        ("command", "echo from ansible", "from ansible", "False"),
        ("copy", COPY, "\"changed\": true", "True"),
        ("copy", COPY, "\"changed\": true", "False"),
        ("shell", "exit 3", "FAILED", "True"),
    ] {
        let name = format!("ansible-{module}-{pipelining}");
        let folders = scene.folders(&name);
        let make = |way: &Way| {
            let folder = folders.iter().find(|folder| folder.starts_with(&way.home));
            let folder = folder.unwrap();
            let mut command = way.command(ansible.to_str().unwrap(), folder);
            command
                .args(["target", "-i", "target,", "-m", module, "-a"])
                .arg(arguments.replace("HERE", folder.to_str().unwrap()))
                .args(["-e", "ansible_python_interpreter=/usr/bin/python3"])
                .env("ANSIBLE_PIPELINING", pipelining)
                .env("ANSIBLE_SSH_EXECUTABLE", way.home.join("bin/ssh"))
                .env("ANSIBLE_SFTP_EXECUTABLE", way.home.join("bin/sftp"))
                .env("ANSIBLE_SSH_CONTROL_PATH_DIR", way.home.join("c"))
                .env("ANSIBLE_NOCOLOR", "1")
                .env("ANSIBLE_LOCALHOST_WARNING", "False");
            command
        };
        let (direct, bridge) = tokio::join!(
            said(make(&scene.direct), &scene.direct),
            said(make(&scene.bridge), &scene.bridge)
        );
        // Times and temporary names are of their own each.
        let kept = |said: &str| {
            let lines = said
                .lines()
                .filter(|line| !VOLATILE.iter().any(|word| line.contains(word)));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(kept(&bridge), kept(&direct), "{name}");
        assert!(direct.contains(expected), "{name}: {direct}");
    }
}

const COPY: &str = "content='one\ntwo\n' dest=HERE/copied mode=0640";

/// Fields of Ansible's answers that are another each time.
const VOLATILE: [&str; 5] = [
    "\"src\"",
    "\"start\"",
    "\"end\"",
    "\"delta\"",
    "ansible-tmp",
];

/// PuTTY reads its own form of private key.
async fn putty_key(way: &Way) -> PathBuf {
    let ppk = way.home.join("key.ppk");
    let made = Command::new("puttygen")
        .arg(&way.key)
        .args(["-O", "private", "-o"])
        .arg(&ppk)
        .status()
        .await
        .expect("putty-tools is installed");
    assert!(made.success());
    ppk
}

#[tokio::test]
async fn putty_works_as_directly() {
    let scene = Scene::set().await;
    for way in scene.ways() {
        putty_key(way).await;
    }
    let [near, far] = scene.folders("putty");
    std::fs::write(near.join("file"), vec![7; 3_000_000]).unwrap();
    std::fs::write(far.join("file"), vec![7; 3_000_000]).unwrap();
    let putty = |program: &str, way: &Way, host_key: &str| {
        let folder = way.home.join("putty");
        let mut command = way.command(program, &folder);
        command
            .args(["-batch", "-P", &way.port.to_string(), "-l", &way.user, "-i"])
            .arg(way.home.join("key.ppk"))
            .args(["-hostkey", host_key]);
        command
    };
    let mut keys = Vec::new();
    for way in scene.ways() {
        keys.push((way.name, way.fingerprint().await));
    }
    let key = |way: &Way| {
        let found = keys.iter().find(|(name, _)| *name == way.name);
        found.unwrap().1.clone()
    };
    for command in [
        "echo out; echo err >&2; exit 7",
        "kill -TERM $$",
        "seq 1 100000 | cksum",
        "echo ü; printf '\\377' | od -c",
    ] {
        let make = |way: &Way| {
            let mut plink = putty("plink", way, &key(way));
            plink.args(["127.0.0.1", command]);
            plink
        };
        same(&scene, command, "", make).await;
    }
    let make = |way: &Way| {
        let mut plink = putty("plink", way, &key(way));
        plink.args(["-t", "127.0.0.1", "stty size; echo $TERM; exit 4"]);
        plink
    };
    same(&scene, "plink -t", "xterm", make).await;
    let batch = "cd HERE\nput file up\nget up down\nmkdir new\nls no\nmv up new/up\nrm new/up\nrmdir new\nquit\n";
    for way in scene.ways() {
        let folder = way.home.join("putty");
        let batch = batch.replace("HERE", folder.to_str().unwrap());
        std::fs::write(folder.join("batch"), batch).unwrap();
    }
    let make = |way: &Way| {
        let mut psftp = putty("psftp", way, &key(way));
        psftp.args(["-be", "-b", "batch", "127.0.0.1"]);
        psftp
    };
    same(&scene, "psftp", "remote:HOME/putty/up => local:down", make).await;
    for way in scene.ways() {
        let down = std::fs::read(way.home.join("putty/down")).unwrap();
        assert!(down == vec![7; 3_000_000], "{}", way.name);
    }
    for protocol in ["-sftp", "-scp"] {
        let make = |way: &Way| {
            let mut pscp = putty("pscp", way, &key(way));
            let place = format!(
                "127.0.0.1:{}/copied{protocol}",
                way.home.join("putty").display()
            );
            pscp.args(["-q", protocol, "file", &place]);
            pscp
        };
        same(&scene, protocol, "", make).await;
        for way in scene.ways() {
            let copied = way.home.join(format!("putty/copied{protocol}"));
            assert_eq!(std::fs::metadata(copied).unwrap().len(), 3_000_000);
        }
    }
}

#[tokio::test]
async fn dropbears_client_works_as_directly() {
    let scene = Scene::set().await;
    for way in scene.ways() {
        let converted = Command::new("dropbearconvert")
            .args(["openssh", "dropbear"])
            .arg(&way.key)
            .arg(way.home.join("key.dropbear"))
            .output()
            .await
            .expect("dropbear-bin is installed");
        assert!(converted.status.success(), "{converted:?}");
    }
    for command in [
        "echo out; echo err >&2; exit 7",
        "seq 1 100000 | cksum",
        "kill -TERM $$",
    ] {
        let make = |way: &Way| {
            let mut dbclient = way.command("dbclient", &way.home);
            dbclient
                .args(["-y", "-y", "-i"])
                .arg(way.home.join("key.dropbear"))
                .args([
                    "-p",
                    &way.port.to_string(),
                    "-l",
                    &way.user,
                    "127.0.0.1",
                    command,
                ]);
            dbclient
        };
        same(&scene, command, "", make).await;
    }
}

/// The least of SSH servers that people really have as a target.
#[tokio::test]
async fn dropbear_as_a_target_behaves_as_directly() {
    let scene = Scene::before(dropbear().await, json!({}), Limits::ForManyAtOnce).await;
    for script in [
        "ssh target 'echo out; echo err >&2; exit 7'",
        "yes doorward | head -c 3000000 | ssh target cat | cksum",
        "ssh target 'kill -TERM $$'; echo $?",
        "ssh -tt target 'stty size; tty -s; echo $?' < /dev/null",
        "terminal \"ssh -t target 'echo ready; exec sleep 60'\" 'see ready' 'type \\x03'",
        "seq 1 100 > one; scp -O one target:$PWD/two && cksum < two",
        "ssh -M -S control -fN target; for n in 1 2 3; do ssh -S control target echo $n; done; ssh -S control -O exit target",
    ] {
        let [near, far] = scene.folders("dropbear");
        let make = |way: &Way| {
            let folder = if near.starts_with(&way.home) {
                &near
            } else {
                &far
            };
            let mut command = way.command("bash", folder);
            command.args(["-c", script]);
            command
        };
        same(&scene, script, "", make).await;
    }
}

/// It looks for keys in the home of whom it lets in, so it is told of another home.
async fn dropbear() -> Target {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    std::fs::create_dir_all(place("home/.ssh")).unwrap();
    keygen(&place("user")).await;
    std::fs::copy(place("user.pub"), place("home/.ssh/authorized_keys")).unwrap();
    for (name, mode) in [("home", 0o755), ("home/.ssh", 0o700)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(place(name), mode).unwrap();
    }
    let id = |what: &'static str| async move {
        let output = Command::new("id").arg(what).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (login, user, group) = (id("-un").await, id("-u").await, id("-g").await);
    let home = place("home").display().to_string();
    let account = format!("{login}:x:{user}:{group}:{login}:{home}:/bin/bash\n");
    std::fs::write(place("passwd"), account).unwrap();
    std::fs::write(place("group"), format!("{login}:x:{group}:\n")).unwrap();
    let made = Command::new("dropbearkey")
        .args(["-t", "ed25519", "-f"])
        .arg(place("host"))
        .output()
        .await
        .expect("dropbear-bin is installed");
    let made = String::from_utf8_lossy(&made.stdout).into_owned();
    let host_key = made.lines().find(|line| line.starts_with("ssh-ed25519 "));
    let host_key = host_key.expect("it shows the public key").to_owned();
    let port = free_port().await;
    let server = Command::new("/usr/sbin/dropbear")
        .args(["-F", "-E", "-s", "-p", &format!("127.0.0.1:{port}"), "-r"])
        .arg(place("host"))
        .arg("-P")
        .arg(place("pid"))
        .env("LD_PRELOAD", "libnss_wrapper.so")
        .env("NSS_WRAPPER_PASSWD", place("passwd"))
        .env("NSS_WRAPPER_GROUP", place("group"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("dropbear-bin is installed");
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Target {
        port,
        host_key,
        login,
        key: place("user"),
        _server: Box::new((server, dir)),
    }
}
