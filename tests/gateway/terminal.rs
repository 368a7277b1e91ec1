//! A real `ssh` in a terminal of its own, and a person who reads and types.
//!
//! `script` of util-linux makes the terminal, so that ssh may ask on `/dev/tty` too.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    people::Person,
    support::{Gateway, PATIENCE},
};

pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    /// Everything that was shown.
    pub shown: String,
    /// Up to where `sees` has looked.
    seen: usize,
    bytes: Vec<u8>,
}

impl Terminal {
    /// `ssh` as this person to `login`, with more arguments, as somebody types it.
    pub fn ssh(gateway: &Gateway, person: &Person, login: &str, arguments: &[&str]) -> Self {
        let key = person.key.display().to_string();
        let mut line = vec!["-i".to_owned(), key];
        line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Self::open(gateway, login, &line)
    }

    /// The same without a key: a password is asked for.
    pub fn with_password(gateway: &Gateway, login: &str, arguments: &[&str]) -> Self {
        let mut line = vec!["-o".to_owned(), "PubkeyAuthentication=no".to_owned()];
        line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Self::open(gateway, login, &line)
    }

    fn open(gateway: &Gateway, login: &str, arguments: &[String]) -> Self {
        let known = gateway.dir.path().join("known_hosts");
        let mut line = vec![
            "ssh".to_owned(),
            "-F".to_owned(),
            "none".to_owned(),
            "-o".to_owned(),
            "StrictHostKeyChecking=accept-new".to_owned(),
            "-o".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "-o".to_owned(),
            format!("UserKnownHostsFile={}", known.display()),
            "-p".to_owned(),
            gateway.ssh.port().to_string(),
            "-l".to_owned(),
            login.to_owned(),
        ];
        // What is run comes after the host.
        let (options, command): (Vec<_>, Vec<_>) = {
            let at = arguments.iter().position(|argument| argument == "--");
            let at = at.unwrap_or(arguments.len());
            (arguments[..at].to_vec(), arguments[at..].to_vec())
        };
        line.extend(options);
        line.push("127.0.0.1".to_owned());
        line.extend(command.into_iter().skip(1));
        let quoted: Vec<String> = line
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
            .collect();
        let mut child = Command::new("script")
            .args(["-q", "-e", "-f", "-c", &quoted.join(" "), "/dev/null"])
            .env_remove("SSH_AUTH_SOCK")
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("script is installed");
        Self {
            keys: child.stdin.take().unwrap(),
            screen: child.stdout.take().unwrap(),
            child,
            shown: String::new(),
            seen: 0,
            bytes: Vec::new(),
        }
    }

    /// Waits until this is shown, after whatever was waited for before.
    pub async fn sees(&mut self, text: &str) {
        let reading = async {
            loop {
                if let Some(at) = self.shown[self.seen..].find(text) {
                    self.seen += at + text.len();
                    return true;
                }
                if !self.read().await {
                    return false;
                }
            }
        };
        let seen = timeout(PATIENCE, reading).await;
        assert_eq!(seen, Ok(true), "{text:?} is shown, not:\n{}", self.shown);
    }

    pub async fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
        self.keys.flush().await.unwrap();
    }

    /// Reads to the end, and returns the exit status.
    pub async fn ends(&mut self) -> i32 {
        let ended = timeout(PATIENCE, async {
            while self.read().await {}
            self.child.wait().await.unwrap()
        });
        let status = ended
            .await
            .unwrap_or_else(|_| panic!("it ends; so far:\n{}", self.shown));
        status.code().unwrap()
    }

    /// Reads whatever comes for a while.
    pub async fn watches(&mut self, length: Duration) {
        let reading = async { while self.read().await {} };
        // Over either way.
        timeout(length, reading).await.ok();
    }

    async fn read(&mut self) -> bool {
        let mut some = [0; 4096];
        let count = self.screen.read(&mut some).await.unwrap_or(0);
        self.bytes.extend_from_slice(&some[..count]);
        // A letter may be cut in two.
        let whole = match std::str::from_utf8(&self.bytes) {
            Ok(_) => self.bytes.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.bytes.len(),
        };
        let text: Vec<u8> = self.bytes.drain(..whole).collect();
        self.shown.push_str(&String::from_utf8_lossy(&text));
        count > 0
    }
}
