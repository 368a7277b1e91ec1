//! The gateway that is measured: the real binary in a folder of its own, started twice on the
//! same data.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::{Result, ask};

const STARTS_WITHIN: Duration = Duration::from_secs(120);
const PASSWORD: &str = "correct horse battery staple";
const CONFIGURATION: &str = r#"
admin.listen = "127.0.0.1:0"
ssh.listen = "127.0.0.1:0"
web.listen = "127.0.0.1:0"
metrics.listen = "127.0.0.1:0"
log.format = "json"
limits.requests_per_user = 1000000
limits.sign_ins_per_address = 100000
"#;

pub struct Gateway {
    config: PathBuf,
    authority: PathBuf,
    child: Option<Child>,
    admin: SocketAddr,
    root: String,
    /// The tokens of everybody who watches.
    pub people: Vec<String>,
    pub alice: String,
}

#[derive(Debug, Clone, Default)]
struct Said {
    admin: Option<SocketAddr>,
    bootstrap: Option<String>,
    lines: String,
}

impl Gateway {
    pub async fn start(folder: &Path) -> Result<Self> {
        // A second call finds the same provider there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = folder.join("doorward.toml");
        let (data, certs) = (folder.join("gateway"), folder.join("certs"));
        let lines = format!("data.dir = {data:?}\nadmin.certs = {certs:?}\n{CONFIGURATION}");
        fs::write(&config, lines)?;
        let (child, said) = spawn(&config, true).await?;
        let mut gateway = Self {
            config,
            authority: certs.join("ca.pem"),
            child: Some(child),
            admin: said.admin.ok_or("no address")?,
            root: String::new(),
            people: Vec::new(),
            alice: String::new(),
        };
        let token = said.bootstrap.ok_or("no token")?;
        let body = json!({ "token": token, "user": "root", "password": PASSWORD });
        let made = gateway.post("", "/bootstrap", body).await?;
        gateway.root = text(&made, "token")?;
        Ok(gateway)
    }

    pub async fn start_again(&mut self) -> Result<()> {
        let (child, said) = spawn(&self.config, false).await?;
        self.child = Some(child);
        self.admin = said.admin.ok_or("no address")?;
        Ok(())
    }

    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().unwrap_or_default().to_string();
            Command::new("kill").args(["-TERM", &pid]).status().await?;
            child.wait().await?;
        }
        Ok(())
    }

    /// A target, alice who asks and takes it back, and so many who answer and watch.
    pub async fn set_up(&mut self, people: usize) -> Result<()> {
        let root = self.root.clone();
        let target = json!({ "name": "db1", "address": "127.0.0.1:9", "host_keys": [KEY] });
        self.post(&root, "/targets", target).await?;
        let secret = json!({ "kind": "password", "value": "hunter2" });
        let account = json!({ "name": "root", "targets": ["db1"], "secret": secret });
        self.post(&root, "/accounts", account).await?;
        self.alice = self.person("alice", "requester").await?;
        for number in 0..people {
            let name = format!("watcher{number}");
            let token = self.person(&name, "approver").await?;
            self.people.push(token);
        }
        let alice = self.alice.clone();
        let asked = self.post(&alice, "/checkouts", ask()).await?;
        let path = format!("/checkouts/{}/cancel", text(&asked, "id")?);
        self.post(&alice, &path, json!({})).await.map(drop)
    }

    async fn person(&self, name: &str, role: &str) -> Result<String> {
        let user = json!({ "name": name, "roles": [role], "password": PASSWORD });
        self.post(&self.root, "/users", user).await?;
        let sign_in = json!({ "user": name, "password": PASSWORD });
        text(&self.post("", "/sign-in", sign_in).await?, "token")
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        // One client for all, so that what is measured is no handshake.
        self.call(&self.root, Method::GET, path, None).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> Result<Value> {
        self.call(token, Method::POST, path, Some(body)).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/api/v1{path}", self.admin.port())
    }

    pub fn client(&self) -> Result<Client> {
        let pem = fs::read(&self.authority)?;
        Ok(Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?)
            .resolve("localhost", self.admin)
            .build()?)
    }

    async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        thread_local! {
            static CLIENT: std::cell::RefCell<Option<(SocketAddr, Client)>> =
                const { std::cell::RefCell::new(None) };
        }
        let kept = CLIENT.with_borrow(Clone::clone);
        let client = match kept {
            Some((admin, client)) if admin == self.admin => client,
            _ => {
                let client = self.client()?;
                CLIENT.set(Some((self.admin, client.clone())));
                client
            }
        };
        let mut request = client.request(method.clone(), self.url(path));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let answer = response.text().await?;
        if !status.is_success() {
            return Err(format!("{method} {path}: {status} {answer}").into());
        }
        Ok(serde_json::from_str(&answer).unwrap_or(Value::Null))
    }
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILOX86LQbdcCN6NsebNXgfA/ruPzeGKUTuL6sV3WFF/d";

async fn spawn(config: &Path, first: bool) -> Result<(Child, Said)> {
    let built = env!("CARGO_BIN_EXE_doorward").into();
    // Another build, to be compared with this one.
    let binary = std::env::var_os("DOORWARD_BENCH_BINARY").unwrap_or(built);
    let mut child = Command::new(binary)
        .arg("serve")
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (sender, mut said) = watch::channel(Said::default());
    let output = child.stdout.take().expect("it is piped");
    let errors = child.stderr.take().expect("it is piped");
    tokio::spawn(listen(BufReader::new(output).lines(), sender.clone()));
    tokio::spawn(listen(BufReader::new(errors).lines(), sender));
    let stands = said.wait_for(|said| said.admin.is_some() && (!first || said.bootstrap.is_some()));
    let stands = timeout(STARTS_WITHIN, stands)
        .await
        .is_ok_and(|waited| waited.is_ok());
    let said = said.borrow().clone();
    match stands {
        true => Ok((child, said)),
        false => Err(format!("the gateway did not start:\n{}", said.lines).into()),
    }
}

async fn listen<R: tokio::io::AsyncBufRead + Unpin>(
    mut lines: tokio::io::Lines<R>,
    said: watch::Sender<Said>,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        said.send_modify(|said| {
            if let Some((_, token)) = line.split_once("bootstrap token: ") {
                said.bootstrap = token.split_whitespace().next().map(str::to_owned);
            }
            if let Ok(log) = serde_json::from_str::<Value>(&line) {
                let field = |name: &str| log["fields"][name].as_str().or(log[name].as_str());
                if field("listener") == Some("admin") {
                    said.admin = field("address").and_then(|it| it.parse().ok());
                }
            }
            said.lines.push_str(&line);
            said.lines.push('\n');
        });
    }
}

fn text(answer: &Value, field: &str) -> Result<String> {
    let text = answer[field].as_str();
    Ok(text
        .ok_or_else(|| format!("an answer without {field}: {answer}"))?
        .to_owned())
}
