//! A target for the demo: a small SSH server on loopback that runs commands.
//!
//! Takes one login with one random password and runs `/bin/sh` as whoever runs the demo.
//! Never listens beyond loopback; whatever it started is gone when it is dropped.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use russh::{
    Channel, ChannelId, ChannelMsg, ChannelWriteHalf, MethodKind, MethodSet, Pty,
    keys::{
        PrivateKey,
        ssh_key::private::{Ed25519Keypair, KeypairData},
    },
    server::{self, Auth, ChannelOpenHandle, Msg, Session},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

use crate::vault::entropy;

pub const LOGIN: &str = "ops";

pub struct DemoTarget {
    pub address: SocketAddr,
    /// In OpenSSH's form, to be pinned.
    pub host_key: String,
    pub password: Zeroizing<String>,
    visits: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl DemoTarget {
    /// How many connections have come so far.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::Relaxed)
    }

    pub async fn start() -> io::Result<Self> {
        let seed = Zeroizing::new(entropy::<32>());
        let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
        let key = PrivateKey::new(pair, "db1").map_err(io::Error::other)?;
        let host_key = key.public_key().to_openssh().map_err(io::Error::other)?;
        let password = data_encoding::BASE32_NOPAD.encode(&entropy::<20>());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut methods = MethodSet::empty();
        methods.push(MethodKind::Password);
        let config = server::Config {
            keys: vec![key],
            methods,
            auth_rejection_time: Duration::from_millis(100),
            nodelay: true,
            ..server::Config::default()
        };
        let stop = CancellationToken::new();
        let password = Zeroizing::new(password);
        let visits = Arc::new(AtomicUsize::new(0));
        let door = Door {
            listener,
            config: Arc::new(config),
            password: password.clone(),
            visits: Arc::clone(&visits),
        };
        tokio::spawn(door.serve(stop.clone()));
        Ok(Self {
            address,
            host_key,
            password,
            visits,
            _stop: stop.drop_guard(),
        })
    }
}

struct Door {
    listener: TcpListener,
    config: Arc<server::Config>,
    password: Zeroizing<String>,
    visits: Arc<AtomicUsize>,
}

impl Door {
    async fn serve(self, stop: CancellationToken) {
        while let Some(Ok((stream, _))) = stop.run_until_cancelled(self.listener.accept()).await {
            self.visits.fetch_add(1, Ordering::Relaxed);
            let ended = stop.child_token();
            let guest = Guest {
                password: self.password.clone(),
                ended: ended.clone(),
                _end: ended.clone().drop_guard(),
            };
            let config = Arc::clone(&self.config);
            tokio::spawn(async move {
                let session = async {
                    if let Ok(session) = server::run_stream(config, stream, guest).await {
                        // How a guest's connection ends is of no interest to the demo.
                        drop(session.await);
                    }
                };
                ended.run_until_cancelled(session).await;
            });
        }
    }
}

/// One connection.
struct Guest {
    password: Zeroizing<String>,
    /// Cancelled when the connection or the whole target ends.
    ended: CancellationToken,
    _end: DropGuard,
}

impl server::Handler for Guest {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(if user == LOGIN && password == self.password.as_str() {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        let ended = self.ended.clone();
        tokio::spawn(async move { ended.run_until_cancelled(attend(channel)).await });
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}

/// The terminal that a channel asked for.
struct Terminal {
    term: String,
    columns: u32,
    rows: u32,
}

/// Serves one channel: waits for what it wants run, runs it, and says how it ended.
async fn attend(channel: Channel<Msg>) {
    let (mut incoming, outgoing) = channel.split();
    let mut terminal = None;
    let command = loop {
        match incoming.wait().await {
            Some(ChannelMsg::RequestPty {
                term,
                col_width,
                row_height,
                ..
            }) => {
                terminal = Some(Terminal {
                    term,
                    columns: col_width,
                    rows: row_height,
                });
            }
            Some(ChannelMsg::RequestShell { .. }) => break None,
            Some(ChannelMsg::Exec { command, .. }) => {
                break Some(String::from_utf8_lossy(&command).into_owned());
            }
            Some(ChannelMsg::Close) | None => return,
            Some(_) => {}
        }
    };
    let Ok((mut child, _group)) = start(command.as_deref(), terminal.as_ref()) else {
        // 127: as a shell says that a program is not there.
        end(&outgoing, 127).await;
        return;
    };
    let (input, keys) = mpsc::channel(16);
    let mut pumps = JoinSet::new();
    if let Some(stdin) = child.stdin.take() {
        pumps.spawn(type_in(keys, stdin));
    }
    let run = async {
        let out = pump(child.stdout.take(), outgoing.make_writer());
        let error = pump(child.stderr.take(), outgoing.make_writer_ext(Some(1)));
        tokio::join!(out, error);
        child.wait().await
    };
    let read = async {
        let mut input = Some(input);
        loop {
            match incoming.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    if let Some(input) = &input {
                        // A program that reads no more misses nothing.
                        drop(input.send(data).await);
                    }
                }
                Some(ChannelMsg::Eof) => input = None,
                Some(ChannelMsg::Close) | None => return,
                Some(_) => {}
            }
        }
    };
    tokio::select! {
        status = run => {
            let code = status.ok().and_then(|status| status.code()).unwrap_or(1);
            end(&outgoing, u32::try_from(code).unwrap_or(1)).await;
        }
        () = read => {}
    }
}

/// Everything that the leader of a group of processes started; ends with this.
pub struct Group(Pid);

impl Group {
    /// None where it is over already.
    pub fn of(leader: &Child) -> Option<Self> {
        let pid = leader.id().and_then(|id| i32::try_from(id).ok());
        pid.map(|pid| Self(Pid::from_raw(pid)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Fails if nothing of the group is left, and that is what is wanted.
        let _ = killpg(self.0, Signal::SIGHUP);
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

fn start(command: Option<&str>, terminal: Option<&Terminal>) -> io::Result<(Child, Group)> {
    let mut run = match terminal {
        None => {
            let mut run = Command::new("/bin/sh");
            match command {
                Some(command) => run.args(["-c", command]),
                None => &mut run,
            };
            run
        }
        // `script` brings the pseudo-terminal that only unsafe code could open here.
        Some(terminal) => {
            let size = format!("stty cols {} rows {}", terminal.columns, terminal.rows);
            let shell = format!(
                "{size}; exec {}",
                command.map_or("/bin/sh -i".to_owned(), quoted)
            );
            let mut run = Command::new("script");
            run.args(["-q", "-e", "-f", "-c", &shell, "/dev/null"]);
            run.env("TERM", &terminal.term);
            run
        }
    };
    let child = run
        .env("PS1", "ops@db1$ ")
        .env("SHELL", "/bin/sh")
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let group = Group::of(&child).ok_or_else(|| io::Error::other("no process"))?;
    Ok((child, group))
}

fn quoted(command: &str) -> String {
    format!("/bin/sh -c '{}'", command.replace('\'', "'\\''"))
}

async fn type_in(mut keys: mpsc::Receiver<bytes::Bytes>, mut stdin: ChildStdin) {
    while let Some(data) = keys.recv().await {
        if stdin.write_all(&data).await.is_err() {
            return;
        }
    }
}

async fn pump(from: Option<impl AsyncRead + Unpin>, mut to: impl AsyncWrite + Unpin) {
    let Some(mut from) = from else {
        return;
    };
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn end(outgoing: &ChannelWriteHalf<Msg>, status: u32) {
    // The person may have hung up; then nobody is left to be told.
    drop(outgoing.exit_status(status).await);
    drop(outgoing.eof().await);
    drop(outgoing.close().await);
}
