//! Starts a real gateway in a folder of its own, on free ports, and speaks to it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::watch,
};

/// Nothing here is timed; this only keeps a hanging test from hanging for ever.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const PASSWORD: &str = "correct horse battery staple";

/// What the gateway has said of itself so far.
#[derive(Debug, Clone, Default)]
struct Said {
    admin: Option<SocketAddr>,
    ssh: Option<SocketAddr>,
    web: Option<SocketAddr>,
    rdp: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    bootstrap: Option<String>,
    lines: Vec<String>,
}

pub struct Gateway {
    child: Child,
    said: watch::Receiver<Said>,
    config: PathBuf,
    /// The token of `root`, the first admin.
    pub root: String,
    pub admin: SocketAddr,
    pub ssh: SocketAddr,
    pub web: SocketAddr,
    pub metrics: SocketAddr,
    pub dir: TempDir,
}

impl Gateway {
    /// A gateway on the embedded database, with its first admin `root`.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with more lines of configuration.
    pub async fn start_with(more: &str) -> Self {
        doorward::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("doorward.toml");
        let data = dir.path().join("data");
        let certs = data.join("certs");
        let text = format!(
            "data.dir = {data:?}\n\
             admin.listen = \"127.0.0.1:0\"\n\
             ssh.listen = \"127.0.0.1:0\"\n\
             web.listen = \"127.0.0.1:0\"\n\
             metrics.listen = \"127.0.0.1:0\"\n\
             log.format = \"json\"\n\
             admin.certs = {certs:?}\n\
             {more}\n"
        );
        std::fs::write(&config, text).unwrap();
        let (child, said) = spawn(&config).await;
        let (admin, ssh, web, metrics) = addresses(&said).await;
        let mut gateway = Self {
            child,
            said,
            config,
            root: String::new(),
            admin,
            ssh,
            web,
            metrics,
            dir,
        };
        gateway.root = gateway.bootstrap().await;
        gateway
    }

    async fn bootstrap(&self) -> String {
        let said = self.said.clone();
        let token = wait_for(said, |said| said.bootstrap.clone()).await;
        let body = json!({ "token": token, "user": "root", "password": PASSWORD });
        let (status, answer) = self.call("", Method::POST, "/bootstrap", Some(body)).await;
        assert!(status.is_success(), "{status} {answer}");
        text(&answer["token"])
    }

    /// Kills it as a power cut would, and starts it again on what it left.
    pub async fn crash_and_restart(&mut self) {
        self.child.kill().await.unwrap();
        let (child, said) = spawn(&self.config).await;
        self.child = child;
        self.said = said.clone();
        (self.admin, self.ssh, self.web, self.metrics) = addresses(&said).await;
    }

    /// Where RDP clients connect, if it was told to listen there.
    pub fn rdp(&self) -> SocketAddr {
        self.said.borrow().rdp.expect("rdp.listen is set")
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .await
                .unwrap()
                .success()
        );
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it ends")
            .unwrap()
    }

    /// Every line it has logged.
    pub fn log(&self) -> Vec<String> {
        self.said.borrow().lines.clone()
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The certificate that its clients trust.
    pub fn ca(&self) -> PathBuf {
        self.data().join("certs/ca.pem")
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.admin.port())
    }

    /// One call of the API; an empty token is no token.
    pub async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let answered = self.try_call(token, method, path, body).await;
        answered.expect("the gateway answers")
    }

    /// The same of a gateway that may be gone in the middle of it.
    pub async fn try_call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), reqwest::Error> {
        let pem = std::fs::read(self.ca()).expect("the local CA was made");
        let client = reqwest::Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).unwrap())
            .resolve("localhost", self.admin)
            .timeout(PATIENCE)
            .build()
            .unwrap();
        let mut request = client.request(method, format!("{}/api/v1{path}", self.url()));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((status, answer))
    }

    /// A call that must succeed.
    pub async fn must(&self, token: &str, method: Method, path: &str, body: Value) -> Value {
        let body = (method != Method::GET).then_some(body);
        let (status, answer) = self.call(token, method.clone(), path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        answer
    }

    pub async fn get(&self, token: &str, path: &str) -> Value {
        self.must(token, Method::GET, path, Value::Null).await
    }

    pub async fn post(&self, token: &str, path: &str, body: Value) -> Value {
        self.must(token, Method::POST, path, body).await
    }

    pub async fn patch(&self, path: &str, change: Value) -> Value {
        self.must(&self.root, Method::PATCH, path, change).await
    }

    /// What stands in a list, as the first admin reads it.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let page = self.get(&self.root, path).await;
        page["items"].as_array().unwrap().clone()
    }

    /// Every session there was, newest first, once there is one and all are closed.
    pub async fn closed_sessions(&self) -> Vec<Value> {
        self.eventually("the sessions' end", async || {
            let sessions = self.list("/sessions").await;
            let closed = |session: &Value| session["closed_at"].is_string();
            let over = !sessions.is_empty() && sessions.iter().all(closed);
            over.then_some(sessions)
        })
        .await
    }

    /// The home of whoever calls the command line.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The command line, as whose token this is.
    pub fn doorward(&self, token: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command
            .args(arguments)
            .env("HOME", self.home())
            .env("XDG_CONFIG_HOME", self.home().join("config"))
            .env("DOORWARD_SERVER", self.url())
            .env("DOORWARD_CA", self.ca())
            .env("DOORWARD_TOKEN", token)
            .stdin(Stdio::null());
        command
    }

    /// Waits until an audit event fits, and returns it.
    pub async fn audit_event(&self, fits: impl Fn(&Value) -> bool) -> Value {
        self.eventually("an audit event", async || {
            let events = self.list("/audit?limit=200").await;
            events.into_iter().find(|event| fits(event))
        })
        .await
    }

    /// Waits until a file or a socket is there.
    pub async fn appears(&self, path: &Path) {
        let what = path.display().to_string();
        let there = async || path.exists().then_some(());
        self.eventually(&what, there).await;
    }

    /// Asks again and again until there is an answer.
    pub async fn eventually<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        answer.unwrap_or_else(|_| panic!("{what} did not come; log:\n{}", self.log().join("\n")))
    }
}

/// The code of the refusal that an audit event notes; empty where something was done.
pub fn outcome_of(event: &Value) -> String {
    let outcome = &event["event"]["outcome"]["refused"];
    outcome.as_str().unwrap_or_default().to_owned()
}

/// A server of the test's own on a port of this machine, where every connection is for `visit`.
pub async fn serve<F>(visit: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(visit(stream));
        }
    });
    port
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text, not {value}"))
        .to_owned()
}

async fn spawn(config: &Path) -> (Child, watch::Receiver<Said>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .arg("serve")
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (sender, said) = watch::channel(Said::default());
    let errors = BufReader::new(child.stderr.take().unwrap());
    let output = BufReader::new(child.stdout.take().unwrap());
    tokio::spawn(listen(errors, sender.clone()));
    tokio::spawn(listen(output, sender));
    (child, said)
}

async fn listen(stream: impl tokio::io::AsyncBufRead + Unpin, said: watch::Sender<Said>) {
    let mut lines = stream.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.send_modify(|said| said.note(&line));
    }
}

impl Said {
    fn note(&mut self, line: &str) {
        if let Ok(log) = serde_json::from_str::<Value>(line) {
            let field = |name: &str| {
                log["fields"][name]
                    .as_str()
                    .or(log[name].as_str())
                    .map(str::to_owned)
            };
            let address = field("address").and_then(|address| address.parse().ok());
            match field("listener").as_deref() {
                Some("admin") => self.admin = address,
                Some("ssh") => self.ssh = address,
                Some("web") => self.web = address,
                Some("rdp") => self.rdp = address,
                Some("metrics") => self.metrics = address,
                _ => {}
            }
        }
        if let Some((_, token)) = line.split_once("bootstrap token: ") {
            self.bootstrap = Some(
                token
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        self.lines.push(line.to_owned());
    }
}

async fn addresses(
    said: &watch::Receiver<Said>,
) -> (SocketAddr, SocketAddr, SocketAddr, SocketAddr) {
    wait_for(said.clone(), |said| {
        Some((said.admin?, said.ssh?, said.web?, said.metrics?))
    })
    .await
}

async fn wait_for<T>(mut said: watch::Receiver<Said>, find: impl Fn(&Said) -> Option<T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, said.wait_for(|said| find(said).is_some())).await;
    let found = match &waited {
        Ok(Ok(said)) => find(said),
        _ => None,
    };
    drop(waited);
    found.unwrap_or_else(|| {
        panic!(
            "the gateway did not start:\n{}",
            said.borrow().lines.join("\n")
        )
    })
}
