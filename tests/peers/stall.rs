//! No stall, ever: much data by every way of moving files, many times over, past slow readers
//! and writers, with the recording on. What does not end in time has stalled.
//!
//! `make test` does a short form; `make soak` sets how often and how much.

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::scene::Scene;

/// Times over; `make soak` says 50.
const ROUNDS: &str = "DOORWARD_ROUNDS";
/// Mebibytes of each transfer; `make soak` says 64, and once more 4096.
const SIZE: &str = "DOORWARD_MIB";

fn number(name: &str, otherwise: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => otherwise,
    }
}

/// Each script finds `$data` and its sum in `$sum`, and ends well only if what arrived is the
/// same. `$PWD` is the same folder on both sides.
const TRANSFERS: [(&str, &str); 14] = [
    ("sftp up", "echo put $data far | sftp -q -b - target:$PWD; check far"),
    ("sftp down", "echo get $data near | sftp -q -b - target; check near"),
    (
        "sftp down, as pipelined as can be",
        "echo get $data near | sftp -q -R 256 -B 250000 -b - target; check near",
    ),
    (
        "sftp up, as pipelined as can be",
        "echo put $data far | sftp -q -R 256 -B 250000 -b - target:$PWD; check far",
    ),
    ("scp up and down", "scp -q $data target:$PWD/far; scp -q target:$PWD/far near; check near"),
    (
        "scp by its old protocol",
        "scp -q -O $data target:$PWD/far; scp -q -O target:$PWD/far near; check near",
    ),
    (
        "rsync both ways",
        "rsync -W $data target:$PWD/far; rsync -W target:$PWD/far near; check near",
    ),
    (
        "both directions at once",
        "ssh target cat < $data > near; check near",
    ),
    (
        "many channels of one connection",
        "ssh -M -S control -fN target
         for n in 1 2 3; do (ssh -S control target cat < $data > near$n; check near$n || touch bad) & done; wait
         ssh -S control -O exit target 2> /dev/null; [ ! -e bad ]",
    ),
    (
        "sftp up and down at once in one connection",
        "ssh -M -S control -fN target
         echo put $data far | sftp -q -o ControlPath=control -b - target:$PWD & up=$!
         echo get $data near | sftp -q -o ControlPath=control -b - target && wait $up; ended=$?
         ssh -S control -O exit target 2> /dev/null; [ $ended = 0 ] && check far && check near",
    ),
    (
        "within a limit",
        "scp -q -l 400000 $data target:$PWD/far && check far &&
         echo get $data near | sftp -q -l 400000 -b - target; check near",
    ),
    (
        "a slow reader",
        "ssh target cat $data | (head -c 3000000; sleep 2; head -c 3000000; sleep 1; cat) > near; check near",
    ),
    (
        "a slow writer",
        "(head -c 3000000; sleep 2; head -c 3000000; sleep 1; cat) < $data | ssh target \"cat > $PWD/far\"; check far",
    ),
    (
        "a slow target",
        "ssh -o RekeyLimit=8M target \"(head -c 3000000; sleep 2; cat) > $PWD/far\" < $data; check far",
    ),
];

#[tokio::test]
async fn no_transfer_stalls_or_damages_a_byte() {
    let (rounds, size) = (number(ROUNDS, 1), number(SIZE, 8));
    let scene = Scene::set().await;
    let data = scene.bridge.home.join("data");
    let make = format!("head -c {size}M /dev/urandom > data && sha256sum < data > sum");
    let made = script(&scene, &scene.bridge.home, &make).await;
    assert!(made.unwrap().success());
    let patience = Duration::from_secs(120 + size as u64);
    let done = AtomicUsize::new(0);
    for round in 1..=rounds {
        for (name, transfer) in TRANSFERS {
            let folder = scene.bridge.home.join("round");
            std::fs::create_dir(&folder).unwrap();
            let whole = format!(
                "data={data} sum={sum}
                 check() {{ sha256sum < $1 | cmp -s - $sum; }}
                 {transfer}",
                data = data.display(),
                sum = scene.bridge.home.join("sum").display(),
            );
            let running = tokio::time::timeout(patience, script(&scene, &folder, &whole));
            let ended = running.await;
            let ended = ended.unwrap_or_else(|_| panic!("{name} stalled in round {round}"));
            assert!(ended.unwrap().success(), "{name} failed in round {round}");
            std::fs::remove_dir_all(&folder).unwrap();
            done.fetch_add(1, Ordering::Relaxed);
        }
        // A soak of hours shows that it goes on.
        println!(
            "round {round} of {rounds}: {} transfers of {size} MiB",
            done.load(Ordering::Relaxed)
        );
    }
}

async fn script(
    scene: &Scene,
    folder: &Path,
    text: &str,
) -> std::io::Result<std::process::ExitStatus> {
    let mut command = scene.bridge.command("bash", folder);
    command.args(["-c", text]).stdout(Stdio::null());
    command.status().await
}
