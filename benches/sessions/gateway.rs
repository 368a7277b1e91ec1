//! The gateway that is measured: the real binary in a folder of its own, on free ports, set up
//! over its API. Recording is required, as it is by default; no votes are needed.

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
    io::{AsyncBufRead, AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::{
    Result,
    sshd::{Sshd, public_half},
};

const STARTS_WITHIN: Duration = Duration::from_secs(60);
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct horse battery staple";

/// The defaults, but for what would refuse hundreds of connections from one address.
const CONFIGURATION: &str = r#"
admin.listen = "127.0.0.1:0"
ssh.listen = "127.0.0.1:0"
web.listen = "127.0.0.1:0"
metrics.listen = "127.0.0.1:0"
log.format = "json"
ssh.max_handshakes = 1000
ssh.max_per_address = 1000
web.max_handshakes = 1000
web.max_per_address = 20000
web.handshake_timeout = "2m"
limits.requests_per_user = 1000000
"#;

/// What the gateway has said of itself so far.
#[derive(Debug, Clone, Default)]
struct Said {
    admin: Option<SocketAddr>,
    ssh: Option<SocketAddr>,
    web: Option<SocketAddr>,
    bootstrap: Option<String>,
    errors: String,
}

pub struct Gateway {
    pub ssh: SocketAddr,
    pub web: SocketAddr,
    /// The certificate that its clients trust.
    pub authority: PathBuf,
    child: Child,
    api: Api,
    root: String,
    people: Vec<(String, String)>,
    data: PathBuf,
}

/// The targets and the account on them, as the gateway is told of it.
pub struct Access<'a> {
    pub targets: &'a [(&'a str, &'a Sshd)],
    pub login: &'a str,
    pub account_key: &'a Path,
}

impl Gateway {
    pub async fn start(folder: &Path) -> Result<Self> {
        let data = folder.join("gateway");
        let config = folder.join("doorward.toml");
        let certs = folder.join("certs");
        let lines = format!("data.dir = {data:?}\nadmin.certs = {certs:?}\n{CONFIGURATION}");
        fs::write(&config, lines)?;
        let built = env!("CARGO_BIN_EXE_doorward").into();
        // Another build, to be compared with this one.
        let binary = std::env::var_os("DOORWARD_BENCH_BINARY").unwrap_or(built);
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (sender, mut said) = watch::channel(Said::default());
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        tokio::spawn(listen(BufReader::new(output), sender.clone()));
        tokio::spawn(listen(BufReader::new(errors), sender));
        let stands = said.wait_for(|said| {
            let listens = said.admin.is_some() && said.ssh.is_some() && said.web.is_some();
            listens && said.bootstrap.is_some()
        });
        let stands = timeout(STARTS_WITHIN, stands)
            .await
            .is_ok_and(|waited| waited.is_ok());
        let said = said.borrow().clone();
        let (true, Some(admin), Some(ssh), Some(web), Some(token)) =
            (stands, said.admin, said.ssh, said.web, said.bootstrap)
        else {
            return Err(format!("the gateway did not start:\n{}", said.errors).into());
        };
        let authority = certs.join("ca.pem");
        let api = Api::new(&authority, admin)?;
        let body = json!({ "token": token, "user": "root", "password": PASSWORD });
        let answer = api.post("", "/bootstrap", body).await?;
        let root = text(&answer, "token")?;
        Ok(Self {
            ssh,
            web,
            authority,
            child,
            api,
            root,
            people: Vec::new(),
            data,
        })
    }

    /// One target with one account, and people who sign in with these keys.
    pub async fn set_up(&mut self, access: &Access<'_>, people: &[(&str, &Path)]) -> Result<()> {
        let root = self.root.clone();
        self.add_policy().await?;
        for (name, sshd) in access.targets {
            let target = json!({
                "name": name,
                "protocol": "ssh",
                "address": format!("127.0.0.1:{}", sshd.port),
                "host_keys": [sshd.host_key],
                "policy": "bench",
            });
            self.api.post(&root, "/targets", target).await?;
        }
        let names: Vec<&str> = access.targets.iter().map(|(name, _)| *name).collect();
        let secret = json!({
            "kind": "ssh-key",
            "value": fs::read_to_string(access.account_key)?,
        });
        let account = json!({
            "name": "account", "login": access.login, "targets": names, "policy": "bench",
            "secret": secret,
        });
        self.api.post(&root, "/accounts", account).await?;
        for (name, key) in people {
            let user = json!({ "name": name, "roles": ["requester"], "password": PASSWORD });
            self.api.post(&root, "/users", user).await?;
            let sign_in = json!({ "user": name, "password": PASSWORD });
            let token = text(&self.api.post("", "/sign-in", sign_in).await?, "token")?;
            let key = json!({ "public_key": public_half(key)? });
            self.api.post(&token, "/me/ssh-keys", key).await?;
            self.people.push(((*name).to_owned(), token));
        }
        Ok(())
    }

    /// Web targets behind Basic authentication with one account, and somebody with a token.
    pub async fn set_up_web(
        &mut self,
        targets: &[(&str, u16)],
        (login, password): (&str, &str),
        person: &str,
    ) -> Result<()> {
        let root = self.root.clone();
        self.add_policy().await?;
        for (name, port) in targets {
            let target = json!({
                "name": name,
                "address": format!("127.0.0.1:{port}"),
                "web": { "tls": false, "sign_in": { "by": "basic" } },
                "policy": "bench",
            });
            self.api.post(&root, "/targets", target).await?;
        }
        let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
        let account = json!({
            "name": "account", "login": login, "targets": names, "policy": "bench",
            "secret": { "kind": "password", "value": password },
        });
        self.api.post(&root, "/accounts", account).await?;
        let user = json!({ "name": person, "roles": ["requester"], "password": PASSWORD });
        self.api.post(&root, "/users", user).await?;
        let sign_in = json!({ "user": person, "password": PASSWORD });
        let token = text(&self.api.post("", "/sign-in", sign_in).await?, "token")?;
        self.people.push((person.to_owned(), token));
        Ok(())
    }

    /// What this person shows.
    pub fn token(&self, person: &str) -> Result<&str> {
        let found = self.people.iter().find(|(name, _)| name == person);
        let (_, token) = found.ok_or("nobody of that name was set up")?;
        Ok(token)
    }

    async fn add_policy(&self) -> Result<()> {
        let mut named = policy("required");
        named["name"] = json!("bench");
        let added = self.api.post(&self.root, "/policies", named);
        added.await.map(drop)
    }

    /// Whether sessions of check-outs that begin from now on are recorded, as a policy says it.
    pub async fn record(&self, mode: &str) -> Result<()> {
        let path = "/policies/bench";
        let changed = self
            .api
            .call(&self.root, Method::PUT, path, Some(policy(mode)));
        changed.await.map(drop)
    }

    /// A new active check-out of this person; answers its identifier.
    pub async fn check_out(&self, person: &str, target: &str) -> Result<String> {
        let token = self.token(person)?;
        let body = json!({
            "target": target, "account": "account", "duration": "4h",
            "reason": "measuring", "ticket": "CHG0000001",
        });
        let checkout = self.api.post(token, "/checkouts", body).await?;
        text(&checkout, "id")
    }

    pub async fn revoke(&self, checkout: &str) -> Result<()> {
        let path = format!("/checkouts/{checkout}/revoke");
        let body = json!({ "message": "measured" });
        self.api.post(&self.root, &path, body).await.map(drop)
    }

    pub async fn live_sessions(&self) -> Result<usize> {
        let page = self
            .api
            .call(&self.root, Method::GET, "/sessions?live=true", None)
            .await?;
        Ok(page["items"].as_array().map_or(0, Vec::len))
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Takes away what has been recorded so far and is no longer written, so that bulk fills
    /// no disk.
    pub fn forget_recordings(&self) -> Result<()> {
        remove_files(&self.data.join("recordings"))
    }

    pub async fn stop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill().await;
    }
}

fn remove_files(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_files(&path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn policy(recording: &str) -> Value {
    let terms = json!({
        "approvals": [], "ticket": "optional", "reason": "optional",
        "maximum_duration": "8h", "recording": recording,
    });
    json!({ "description": "", "terms": terms })
}

struct Api {
    client: Client,
    base: String,
}

impl Api {
    fn new(ca: &Path, admin: SocketAddr) -> Result<Self> {
        // A second call finds the same provider there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&fs::read(ca)?)?)
            .resolve("localhost", admin)
            .timeout(ANSWERS_WITHIN)
            .build()?;
        Ok(Self {
            client,
            base: format!("https://localhost:{}/api/v1", admin.port()),
        })
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Result<Value> {
        self.call(token, Method::POST, path, Some(body)).await
    }

    /// An empty token is none.
    async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base));
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

fn text(answer: &Value, field: &str) -> Result<String> {
    let text = answer[field].as_str();
    Ok(text
        .ok_or_else(|| format!("an answer without {field}: {answer}"))?
        .to_owned())
}

async fn listen(stream: impl AsyncBufRead + Unpin, said: watch::Sender<Said>) {
    let mut lines = stream.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.send_modify(|said| said.note(&line));
    }
}

impl Said {
    fn note(&mut self, line: &str) {
        if let Some((_, token)) = line.split_once("bootstrap token: ") {
            self.bootstrap = token.split_whitespace().next().map(str::to_owned);
        }
        let Ok(log) = serde_json::from_str::<Value>(line) else {
            self.errors.push_str(line);
            self.errors.push('\n');
            return;
        };
        let field = |name: &str| log["fields"][name].as_str().or(log[name].as_str());
        let address = field("address").and_then(|address| address.parse().ok());
        match field("listener") {
            Some("admin") => self.admin = address,
            Some("ssh") => self.ssh = address,
            Some("web") => self.web = address,
            _ => {}
        }
        if log["level"] == "ERROR" {
            self.errors.push_str(line);
            self.errors.push('\n');
        }
    }
}
