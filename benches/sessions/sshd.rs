//! An OpenSSH server of the bench's own: a free port, a host key and a configuration in a
//! folder, nothing of the machine's.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{Error, Result};

const STARTS_WITHIN: Duration = Duration::from_secs(10);

pub struct Sshd {
    pub port: u16,
    /// One line of OpenSSH's form.
    pub host_key: String,
    child: Child,
}

impl Sshd {
    /// Lets in whoever has a key of `authorized_keys`, as the user that runs the bench.
    /// `more` are lines of its configuration.
    pub async fn start(
        folder: &Path,
        name: &str,
        authorized_keys: &Path,
        more: &str,
    ) -> Result<Self> {
        let key = make_key(folder, &format!("{name}.host")).await?;
        // sshd takes no port 0. The port is free now; if it is not in a moment, sshd says so.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = folder.join(format!("{name}.conf"));
        fs::write(
            &config,
            format!(
                "ListenAddress 127.0.0.1:{port}\n\
                 HostKey {key}\n\
                 AuthorizedKeysFile {authorized_keys}\n\
                 PidFile none\n\
                 StrictModes no\n\
                 UsePAM no\n\
                 UseDNS no\n\
                 PrintMotd no\n\
                 PrintLastLog no\n\
                 PasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\n\
                 PermitRootLogin prohibit-password\n\
                 AllowTcpForwarding yes\n\
                 MaxStartups 2000\n\
                 MaxSessions 2000\n\
                 Subsystem sftp internal-sftp\n\
                 {more}\n",
                key = key.display(),
                authorized_keys = authorized_keys.display(),
            ),
        )?;
        if !Path::new("/run/sshd").exists() {
            // Where sshd, started as root, locks its unprivileged half in. Others need none.
            let _ = fs::create_dir("/run/sshd");
        }
        let mut child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stderr = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(stderr).lines();
        let listens = async {
            let mut said = String::new();
            while let Some(line) = lines.next_line().await? {
                if line.contains("Server listening") {
                    return Ok(());
                }
                said.push_str(&line);
            }
            Err::<(), Error>(format!("sshd did not start: {said}").into())
        };
        timeout(STARTS_WITHIN, listens)
            .await
            .map_err(|_| "sshd did not start in time")??;
        // Its log has no reader otherwise, and a full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let host_key = public_half(&key)?;
        Ok(Self {
            port,
            host_key,
            child,
        })
    }

    pub async fn stop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill().await;
    }
}

/// A new Ed25519 key without a passphrase; answers the private half's file.
pub async fn make_key(folder: &Path, name: &str) -> Result<PathBuf> {
    let file = folder.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await?;
    if !made.success() {
        return Err("ssh-keygen made no key".into());
    }
    Ok(file)
}

pub fn public_half(private: &Path) -> Result<String> {
    let mut file = private.as_os_str().to_owned();
    file.push(".pub");
    let line = fs::read_to_string(file)?;
    // Key type and key, without the comment.
    Ok(line
        .split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" "))
}
