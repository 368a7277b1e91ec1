//! What a stock client and the gateway agree on before anything is said: ciphers, compression,
//! host keys and how they change.

use tokio::process::Command;

use crate::{
    scene::scene,
    seen::{Seen, seen},
};

/// What `seq` says where nothing is in between.
async fn seq(last: &str) -> Seen {
    let mut seq = Command::new("seq");
    seq.args(["1", last]);
    seen(seq).await.well()
}

/// Whether AES is done by the processor, as the gateway asks itself.
fn aes_is_fast() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| {
        text.lines()
            .any(|line| line.split_whitespace().any(|flag| flag == "aes"))
    })
}

#[tokio::test]
async fn a_client_that_puts_chacha20_first_gets_aes_and_one_that_knows_nothing_else_gets_chacha20()
{
    let scene = scene().await;
    scene.approved().await;
    let cipher = |said: &str, name: &str| {
        let lines = said
            .lines()
            .filter(|line| line.contains("cipher: "))
            .count();
        lines == 2 && said.matches(&format!("cipher: {name}")).count() == 2
    };
    // The order of OpenSSH before 10, which is that of the client where it was not told.
    let usual = "Ciphers=chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com";
    let expected = match aes_is_fast() {
        true => "aes256-gcm@openssh.com",
        false => "chacha20-poly1305@openssh.com",
    };
    for options in [&["-v", "-o", usual, "true"][..], &["-v", "true"]] {
        let said = scene.seen(options).await.well().stderr;
        assert!(cipher(&said, expected), "{said}");
    }
    for only in ["chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr"] {
        let done = scene.seen(&["-v", "-c", only, "echo in"]).await.well();
        assert_eq!(done.stdout, "in\n");
        assert!(cipher(&done.stderr, only), "{done:?}");
    }
    // A rekey keeps to what was chosen, and loses nothing.
    let often = ["-v", "-o", "RekeyLimit=1M", "seq 1 2000000"];
    let done = scene.seen(&often).await.well();
    let rekeyed = done.stderr.matches("SSH2_MSG_NEWKEYS received").count();
    assert!(rekeyed > 2, "{}", done.stderr);
    assert!(done.stdout == seq("2000000").await.stdout);
}

#[tokio::test]
async fn compression_is_there_for_who_asks() {
    let scene = scene().await;
    scene.approved().await;
    let direct = seq("500000").await.stdout;
    let done = scene.seen(&["-C", "-v", "seq 1 500000"]).await.well();
    let said = done.stderr;
    assert!(said.contains("compression: zlib@openssh.com"), "{said}");
    assert!(done.stdout == direct);
    let often = ["-C", "-o", "RekeyLimit=1M", "seq 1 500000; cat /dev/null"];
    let done = scene.seen(&often).await.well();
    assert!(done.stdout == direct, "over a rekey, too");
    let log = scene.sshd.log();
    assert!(!log.contains("zlib"), "none towards the target");
}

#[tokio::test]
async fn a_client_learns_the_next_host_key_before_it_is_used() {
    let mut scene = scene().await;
    scene.approved().await;
    let known = scene.gateway.dir.path().join("known_hosts");
    scene.seen(&["true"]).await.well();
    let types = |text: &str| {
        let mut types: Vec<String> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .map(str::to_owned)
            .collect();
        types.sort();
        types.dedup();
        types
    };
    let before = std::fs::read_to_string(&known).unwrap();
    assert_eq!(types(&before), ["ssh-ed25519"]);

    // The operator adds two keys.
    let folder = scene.gateway.data().join("ssh");
    for kind in ["ecdsa", "rsa"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", "", "-f"])
            .arg(folder.join(format!("ssh_host_{kind}_key")))
            .status()
            .await
            .unwrap();
        assert!(made.success());
    }
    scene.gateway.crash_and_restart().await;
    // On another port now, so it is the same host under another name.
    let port = scene.gateway.ssh.port();
    let line = before.lines().next().unwrap();
    let (_, key) = line.split_once(' ').unwrap();
    std::fs::write(&known, format!("[127.0.0.1]:{port} {key}\n")).unwrap();
    let strict = ["StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=yes"];
    let strict = [&["-o"], &strict[..]].concat();
    let loudly = [&strict[..], &["-v", "true"]].concat();
    let said = scene.seen(&loudly).await.well().stderr;
    let after = std::fs::read_to_string(&known).unwrap();
    assert_eq!(
        types(&after),
        ["ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-rsa"],
        "{said}"
    );

    // The old one goes; who has learned the new ones notices nothing.
    std::fs::remove_file(folder.join("ssh_host_ed25519_key")).unwrap();
    scene.gateway.crash_and_restart().await;
    let moved = after.replace(
        &format!(":{port} "),
        &format!(":{} ", scene.gateway.ssh.port()),
    );
    std::fs::write(&known, moved).unwrap();
    let others = "HostKeyAlgorithms=ecdsa-sha2-nistp256,rsa-sha2-512";
    let with_others = [&strict[..], &["-o", others, "true"]].concat();
    scene.seen(&with_others).await.well();
}
