//! The real `ssh`, started for a measurement: always killed with its bench, always with a
//! deadline, and never with anything of the user's own configuration.

use std::{process::Stdio, time::Duration};

use doorward::clock::Stopwatch;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    Result,
    routes::{Offer, Roads},
};

/// Nothing here takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// `ssh HOST COMMAND` with all three streams at `/dev/null`.
pub fn ssh(roads: &Roads, offer: Offer, host: &str) -> Command {
    let mut command = Command::new("ssh");
    command
        .arg("-F")
        .arg(roads.config(offer))
        .arg(host)
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// The same with a terminal on the target, which is made raw and then says `R`.
pub fn ssh_on_a_pty(roads: &Roads, offer: Offer, host: &str, then: &str) -> Command {
    let mut command = ssh(roads, offer, host);
    command
        .arg("-tt")
        .arg(format!("stty raw -echo; printf R; {then}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// The time from start to end of `ssh HOST true`.
pub async fn time_of_true(roads: &Roads, offer: Offer, host: &str) -> Result<Duration> {
    let mut command = ssh(roads, offer, host);
    command.arg("true");
    let watch = Stopwatch::start();
    let status = timeout(PATIENCE, command.status()).await??;
    let took = watch.elapsed();
    if !status.success() {
        return Err(format!("`ssh {host} true` ended with {status}").into());
    }
    Ok(took)
}

/// What the client and its nearest peer agreed on.
#[derive(Debug, Clone)]
pub struct Agreed {
    pub kex: String,
    pub cipher: String,
}

pub async fn agreed(roads: &Roads, offer: Offer, host: &str) -> Result<Agreed> {
    let mut command = ssh(roads, offer, host);
    // Its own log level stands in the configuration; only the first that is named counts, and
    // the command line comes first.
    command
        .args(["-o", "LogLevel=DEBUG1", "true"])
        .stderr(Stdio::piped());
    let output = timeout(PATIENCE, command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("`ssh {host} true` ended with {}:\n{said}", output.status).into());
    }
    let after = |key: &str| {
        let line = said.lines().rev().find_map(|line| line.split_once(key));
        line.map_or("?", |(_, rest)| {
            rest.split_whitespace().next().unwrap_or("?")
        })
        .to_owned()
    };
    Ok(Agreed {
        kex: after("kex: algorithm: "),
        cipher: after("kex: server->client cipher: "),
    })
}

/// Reads on until the one byte that says the far end is ready.
pub async fn ready(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let mut byte = [0];
    let reading = async {
        while byte[0] != b'R' {
            stream.read_exact(&mut byte).await?;
        }
        std::io::Result::Ok(())
    };
    timeout(PATIENCE, reading)
        .await
        .map_err(|_| "the far end did not become ready")?
        .map_err(|error| format!("the session ended before it was ready: {error}").into())
}

pub async fn end(mut child: Child) -> Result<()> {
    child.start_kill()?;
    timeout(PATIENCE, child.wait()).await??;
    Ok(())
}
