//! Targets that want more than they are owed: the secret goes to the one expected question,
//! once, and nothing that a target opens by itself reaches anybody.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
};

use russh::{
    Channel, ChannelId, MethodKind, MethodSet,
    keys::{
        PrivateKey,
        ssh_key::private::{Ed25519Keypair, KeypairData},
    },
    server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Response, Session, run_stream},
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{people::Person, support::Gateway};

const SECRET: &str = "only-for-the-target";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Password,
    /// Keyboard-interactive, as PAM does it.
    Asks,
    AsksTwice,
    AsksInTheClear,
    AsksForACode,
    /// Opens channels towards the gateway once it is signed in to.
    OpensChannels,
}

/// What it was told, and what became of what it opened.
#[derive(Debug, Default)]
struct Got {
    secrets: Vec<String>,
    opened: Vec<bool>,
}

struct Target {
    manner: Manner,
    port: u16,
    host_key: String,
    got: Arc<Mutex<Got>>,
}

impl Target {
    async fn start(manner: Manner) -> Self {
        let key = KeypairData::from(Ed25519Keypair::from_seed(&[7; 32]));
        let key = PrivateKey::new(key, "").unwrap();
        let host_key = key.public_key().to_openssh().unwrap();
        let config = Arc::new(Config {
            keys: vec![key],
            auth_rejection_time: std::time::Duration::ZERO,
            ..Config::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Got::default()));
        let kept = got.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let visit = Visit {
                    manner,
                    got: kept.clone(),
                    asked: 0,
                };
                let config = config.clone();
                tokio::spawn(async move {
                    if let Ok(session) = run_stream(config, stream, visit).await {
                        // However the gateway leaves.
                        session.await.ok();
                    }
                });
            }
        });
        Self {
            manner,
            port,
            host_key,
            got,
        }
    }

    fn secrets(&self) -> Vec<String> {
        self.got.lock().unwrap().secrets.clone()
    }
}

struct Visit {
    manner: Manner,
    got: Arc<Mutex<Got>>,
    asked: usize,
}

impl Visit {
    fn hear(&self, secret: &str) -> bool {
        self.got.lock().unwrap().secrets.push(secret.to_owned());
        secret == SECRET
    }
}

fn only(method: MethodKind) -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(MethodSet::from(&[method][..])),
        partial_success: false,
    }
}

fn ask(prompt: &'static str, echo: bool) -> Auth {
    Auth::Partial {
        name: Cow::Borrowed(""),
        instructions: Cow::Borrowed(""),
        prompts: Cow::Owned(vec![(Cow::Borrowed(prompt), echo)]),
    }
}

impl Handler for Visit {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        Ok(only(match self.manner {
            Manner::Password | Manner::OpensChannels => MethodKind::Password,
            _ => MethodKind::KeyboardInteractive,
        }))
    }

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, russh::Error> {
        match self.hear(password) {
            true => Ok(Auth::Accept),
            false => Ok(only(MethodKind::Password)),
        }
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        if let Some(answers) = response {
            let mut right = false;
            for answer in answers {
                right = self.hear(&String::from_utf8_lossy(&answer));
            }
            if right && self.manner != Manner::AsksTwice {
                return Ok(Auth::Accept);
            }
        }
        self.asked += 1;
        Ok(match self.manner {
            Manner::AsksForACode => ask("Verification code: ", false),
            Manner::AsksInTheClear => ask("Password: ", true),
            _ => ask("(root@db1) Password: ", false),
        })
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), russh::Error> {
        if self.manner == Manner::OpensChannels {
            let (handle, got) = (session.handle(), self.got.clone());
            tokio::spawn(async move {
                let mut opened = vec![
                    handle.channel_open_agent().await.is_ok(),
                    handle.channel_open_session().await.is_ok(),
                    handle.channel_open_x11("127.0.0.1", 1).await.is_ok(),
                ];
                let forwarded = handle.channel_open_forwarded_tcpip("127.0.0.1", 1, "127.0.0.1", 2);
                opened.push(forwarded.await.is_ok());
                got.lock().unwrap().opened = opened;
            });
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        let (handle, got) = (session.handle(), self.got.clone());
        let waits = self.manner == Manner::OpensChannels;
        tokio::spawn(async move {
            // Stays until it knows what became of what it opened.
            while waits && got.lock().unwrap().opened.is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            handle.data(channel, &b"in\n"[..]).await.ok();
            handle.exit_status_request(channel, 0).await.ok();
            handle.eof(channel).await.ok();
            handle.close(channel).await.ok();
        });
        Ok(())
    }
}

/// A gateway where alice has an active check-out of `target` with its password.
async fn gateway_to(target: &Target) -> (Gateway, Person) {
    let gateway = Gateway::start().await;
    let secret = json!({ "kind": "password", "value": SECRET });
    let server = (target.port, target.host_key.as_str());
    gateway.enter("db1", server, "root", secret).await;
    let (alice, bob) = gateway.people().await;
    gateway.check_out(&alice, &bob, "db1").await;
    (gateway, alice)
}

#[tokio::test]
async fn the_password_goes_to_the_one_expected_question_once() {
    for (manner, in_it_is, given) in [
        (Manner::Password, true, 1),
        (Manner::Asks, true, 1),
        (Manner::AsksTwice, false, 1),
        (Manner::AsksInTheClear, false, 0),
        (Manner::AsksForACode, false, 0),
    ] {
        let target = Target::start(manner).await;
        let (gateway, alice) = gateway_to(&target).await;
        let quietly = ["-o", "LogLevel=ERROR", "true"];
        let done = gateway.seen(&alice, "alice+db1", &quietly).await;
        let told = done.stderr;
        let manner = target.manner;
        assert_eq!(done.stdout == "in\n", in_it_is, "{manner:?} {told}");
        assert_eq!(target.secrets(), vec![SECRET; given], "{manner:?}");
        assert!(!told.contains(SECRET), "{manner:?} {told}");
        assert!(!gateway.log().join("\n").contains(SECRET), "{manner:?}");
        if !in_it_is {
            assert_eq!(done.status, Some(69), "{manner:?} {told}");
            assert!(
                told.contains("asks for something else"),
                "{manner:?} {told}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_target_opens_by_itself_is_refused() {
    let target = Target::start(Manner::OpensChannels).await;
    let (gateway, alice) = gateway_to(&target).await;
    let done = gateway.seen(&alice, "alice+db1", &["true"]).await;
    assert_eq!(done.stdout, "in\n");
    assert_eq!(target.got.lock().unwrap().opened, [false; 4]);
}
