//! What the demo plays on: a gateway, a target, people, and the files they use.
//!
//! Everything is set up through the API, as an admin would. All of it is on loopback, in one
//! folder, and gone at the end.

use std::{
    future::ready,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Mutex,
};

use russh::keys::{
    PrivateKey, load_secret_key,
    ssh_key::{
        LineEnding,
        private::{Ed25519Keypair, KeypairData},
    },
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    desktop::{DemoDesktop, NoDesktop},
    folder::Folder,
    target::{DemoTarget, LOGIN},
    tell::Tell,
    wiki::DemoWiki,
};
use crate::{
    app::{App, StartError},
    cli::{
        client::{Client, Server},
        exit::Failure,
        serve::chain,
        trust::Trust,
    },
    config::Load,
    vault::entropy,
};

pub struct Stage {
    pub folder: Folder,
    pub target: DemoTarget,
    pub wiki: DemoWiki,
    pub desktop: Result<DemoDesktop, NoDesktop>,
    pub root: Person,
    pub alice: Person,
    pub bob: Person,
    app: App,
    server: Server,
    trust: Trust,
    authority: PathBuf,
}

pub struct Person {
    pub name: &'static str,
    pub client: Client,
    token: Zeroizing<String>,
    /// For a browser, which has no token.
    password: Zeroizing<String>,
}

pub const TARGET: &str = "db1";
pub const WIKI: &str = "wiki";
pub const DESKTOP: &str = "win1";
pub const WIKI_TICKET: &str = "CHG0012399";
const EXAMPLE_TICKET: &str = "CHG0012346";
/// Where web targets are, if nobody else is there.
const WEB_PORT: u16 = 8443;
/// The name under which alice's ssh_config knows the gateway.
pub const DOOR: &str = "door";

impl Stage {
    pub async fn set() -> Result<Self, Failure> {
        let folder = Folder::make().map_err(fault("make a folder"))?;
        log_to(&folder)?;
        let target = DemoTarget::start().await.map_err(fault("start a target"))?;
        let wiki = DemoWiki::start().await.map_err(fault("start a wiki"))?;
        let desktop = DemoDesktop::start(&folder).await;
        let app = start(&folder).await?;
        let server: Server = format!("https://localhost:{}", app.addresses.admin.port())
            .parse()
            .map_err(|error| Failure::fault(format!("{error}")))?;
        let authority = app
            .authority()
            .ok_or_else(|| Failure::fault("the gateway made no certificate authority"))?;
        let pem = std::fs::read_to_string(&authority).map_err(fault("read the authority"))?;
        let trust = Trust::Authority(pem);
        let door = Door { server, trust };
        let root = door.bootstrap(&app).await?;
        door.furnish(&root, &target, &wiki, desktop.as_ref().ok())
            .await?;
        let alice = door.hire(&root, "alice", &["requester"]).await?;
        let bob = door.hire(&root, "bob", &["approver"]).await?;
        let stage = Self {
            folder,
            target,
            wiki,
            desktop,
            root,
            alice,
            bob,
            app,
            server: door.server,
            trust: door.trust,
            authority,
        };
        stage.give_key().await?;
        Ok(stage)
    }

    /// Environment of a `doorward` that this person calls.
    pub fn environment(&self, person: &Person) -> [(&'static str, String); 4] {
        [
            ("DOORWARD_SERVER", self.server.to_string()),
            ("DOORWARD_CA", self.authority.display().to_string()),
            ("DOORWARD_TOKEN", person.token.to_string()),
            // Whoever runs the demo may have profiles of their own.
            (
                "XDG_CONFIG_HOME",
                self.folder.at("config").display().to_string(),
            ),
        ]
    }

    /// What the gateway's clients believe.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Where web targets are.
    pub fn web(&self) -> SocketAddr {
        self.app.addresses.web
    }

    pub fn wiki_host(&self) -> String {
        format!("{WIKI}.door.localhost")
    }

    pub fn wiki_url(&self) -> String {
        format!("https://{}:{}/", self.wiki_host(), self.web().port())
    }

    pub fn ssh_config(&self) -> PathBuf {
        self.folder.at("ssh_config")
    }

    /// Says what is where, for the reader.
    pub fn introduce(&self, tell: &Tell) {
        tell.title("Doorward: nobody reaches a target without an approved check-out");
        tell.note(&format!(
            "gateway: ssh on {}, API on {}; target {TARGET}: an SSH server on {},\n\
             target {WIKI}: a web application on {}, reached at {}\n{}\
             alice may ask, bob may approve; only the gateway knows the targets' passwords\n\
             ({DOOR}: the gateway's name in {}; alice.header: her token as a header)",
            self.app.addresses.ssh,
            self.server,
            self.target.address,
            self.wiki.address,
            self.wiki_url(),
            self.desktop
                .as_ref()
                .map_or(String::new(), |desktop| format!(
                    "target {DESKTOP}: a desktop, FreeRDP's own server on {}\n",
                    desktop.address
                )),
            self.ssh_config().display(),
        ));
    }

    /// What to try while everything stays up: first the browser, which needs nothing else.
    pub fn invite(&self, tell: &Tell) {
        tell.line("");
        tell.title("Everything stays up for you to try. In a browser on this machine, open");
        tell.line("");
        tell.line(&format!("   {}", self.wiki_url()));
        tell.line("");
        tell.line(&format!(
            "   and sign in as {} with the password {}. Any ticket of the form {EXAMPLE_TICKET}\n   \
             will do. When you have asked, look here again: bob answers.",
            self.alice.name, *self.alice.password,
        ));
        tell.line("");
        tell.line(&format!(
            "   Everything else is at {}\n   \
             as {}, and in a window of its own as {} with the password {}.",
            self.server, self.alice.name, self.bob.name, *self.bob.password,
        ));
        tell.line("");
        tell.note(&format!(
            "   The browser warns twice, of {} and of localhost, as it does not know the demo's\n   \
             own authority: go on (Advanced), or import {} first.",
            self.wiki_host(),
            self.authority.display(),
        ));
        tell.line("");
    }

    /// Lines to copy, for those who prefer a terminal.
    pub fn lines_to_copy(&self, tell: &Tell) {
        let program = std::env::current_exe()
            .map_or("doorward".to_owned(), |path| path.display().to_string());
        tell.title("Or copy into other terminals:");
        for (person, tries) in [
            (
                &self.alice,
                format!(
                    "doorward request {TARGET} --ticket {EXAMPLE_TICKET} --reason 'look around'\n   \
                     ssh -F {} alice+{TARGET}@{DOOR}\n   \
                     doorward request {WIKI} --ticket {EXAMPLE_TICKET} --reason 'look around'\n   \
                     curl --cacert {} -H @{} {}",
                    self.ssh_config().display(),
                    self.authority.display(),
                    self.folder.at("alice.header").display(),
                    self.wiki_url(),
                ) + &self.desktop_lines(),
            ),
            (
                &self.bob,
                "doorward checkouts --waiting\n   \
                 doorward approve CODE\n   \
                 doorward revoke CODE --message 'that is enough'"
                    .to_owned(),
            ),
            (
                &self.root,
                "doorward sessions; doorward recordings list; doorward play ID\n   \
                 doorward audit list; doorward audit verify"
                    .to_owned(),
            ),
        ] {
            tell.line("");
            tell.note(&format!("   # as {}", person.name));
            let file = self.folder.at(&format!("{}.env", person.name));
            tell.line(&format!(
                "   . {}; alias doorward={program}",
                file.display()
            ));
            tell.line(&format!("   {tries}"));
        }
        tell.line("");
        tell.line(&format!("API: {}/api/v1/openapi.json", self.server));
        tell.line("");
    }

    fn desktop_lines(&self) -> String {
        match &self.desktop {
            Ok(_) => format!(
                "\n   doorward request {DESKTOP} --ticket {EXAMPLE_TICKET} --reason 'look around'\n   \
                 doorward rdp {DESKTOP} --open"
            ),
            Err(_) => String::new(),
        }
    }

    /// The end of the gateway's log, when something did not go as it should.
    pub fn explain(&self, tell: &Tell) {
        let Ok(log) = std::fs::read_to_string(self.folder.at("gateway.log")) else {
            return;
        };
        let lines: Vec<_> = log.lines().collect();
        tell.line("");
        tell.note("The gateway's last words:");
        for line in &lines[lines.len().saturating_sub(20)..] {
            tell.output(line);
        }
    }

    /// Stops the gateway in order; the rest goes with the drop.
    pub async fn strike(self) {
        let Self {
            app,
            folder,
            desktop,
            ..
        } = self;
        app.stop(ready(())).await;
        // Its programs write into the folder.
        drop(desktop);
        drop(folder);
    }

    /// Makes alice's SSH key and what her client needs to know of the gateway.
    async fn give_key(&self) -> Result<(), Failure> {
        let made = |error| Failure::fault(format!("cannot make an SSH key: {error}"));
        let seed = Zeroizing::new(entropy::<32>());
        let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
        let key = PrivateKey::new(pair, "alice").map_err(made)?;
        let pem = key.to_openssh(LineEnding::LF).map_err(made)?;
        let public = key.public_key().to_openssh().map_err(made)?;
        let written = fault("write alice's files");
        let identity = self.folder.write("alice_key", &pem).map_err(&written)?;
        let path = ["me", "ssh-keys"];
        let body = json!({ "public_key": public });
        self.alice.client.post(&path, &body).await?;

        let door = self.app.addresses.ssh;
        let host_key = self.folder.at("data/ssh/ssh_host_ed25519_key");
        let host_key = load_secret_key(host_key, None)
            .map_err(|error| Failure::fault(format!("cannot read the host key: {error}")))?;
        let host_key = host_key.public_key().to_openssh().map_err(made)?;
        let known = format!("[{}]:{} {host_key}\n", door.ip(), door.port());
        let known = self.folder.write("known_hosts", &known).map_err(&written)?;
        let config = format!(
            "Host {DOOR}\n  HostName {}\n  Port {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             IdentityAgent none\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  \
             StrictHostKeyChecking yes\n  PasswordAuthentication no\n",
            door.ip(),
            door.port(),
            identity.display(),
            known.display(),
        );
        self.folder.write("ssh_config", &config).map_err(&written)?;
        let header = format!("Doorward-Token: {}\n", *self.alice.token);
        self.folder
            .write("alice.header", &header)
            .map_err(&written)?;
        for person in [&self.alice, &self.bob, &self.root] {
            let [server, authority, token, _] = self.environment(person);
            let lines = [server, authority, token]
                .map(|(name, value)| format!("export {name}='{value}'\n"));
            let name = format!("{}.env", person.name);
            self.folder
                .write(&name, &lines.concat())
                .map_err(&written)?;
        }
        Ok(())
    }
}

impl Person {
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// The gateway as its clients see it.
struct Door {
    server: Server,
    trust: Trust,
}

impl Door {
    fn client(&self, token: Option<Zeroizing<String>>) -> Result<Client, Failure> {
        Client::open(&self.server, &self.trust, token)
    }

    fn person(
        &self,
        name: &'static str,
        password: Zeroizing<String>,
        signed_in: &Value,
    ) -> Result<Person, Failure> {
        let token = signed_in["token"].as_str();
        let token = token.ok_or_else(|| Failure::fault("signing in gave no token"))?;
        let token = Zeroizing::new(token.to_owned());
        Ok(Person {
            name,
            client: self.client(Some(token.clone()))?,
            token,
            password,
        })
    }

    async fn bootstrap(&self, app: &App) -> Result<Person, Failure> {
        let token = app.bootstrap_token().await;
        let token = token.map_err(|error| Failure::fault(chain(&error)))?;
        let token = token.ok_or_else(|| Failure::fault("there is an admin already"))?;
        let password = password();
        let body = json!({ "token": *token, "user": "root", "password": *password });
        let answer = self.client(None)?.post(&["bootstrap"], &body).await?;
        self.person("root", password, &answer.value)
    }

    async fn hire(
        &self,
        root: &Person,
        name: &'static str,
        roles: &[&str],
    ) -> Result<Person, Failure> {
        let password = password();
        let body = json!({ "name": name, "roles": roles, "password": *password });
        root.client.post(&["users"], &body).await?;
        let body = json!({ "user": name, "password": *password });
        let answer = self.client(None)?.post(&["sign-in"], &body).await?;
        self.person(name, password, &answer.value)
    }

    /// A policy, the targets and their accounts.
    async fn furnish(
        &self,
        root: &Person,
        target: &DemoTarget,
        wiki: &DemoWiki,
        desktop: Option<&DemoDesktop>,
    ) -> Result<(), Failure> {
        let policy = json!({
            "name": "servers",
            "description": "a reason, a ticket and one yes of somebody else; recorded",
            "terms": { "ticket_pattern": "CHG[0-9]{7}", "default_duration": "30m" },
        });
        root.client.post(&["policies"], &policy).await?;
        let machine = json!({
            "name": TARGET,
            "protocol": "ssh",
            "address": target.address.to_string(),
            "host_keys": [target.host_key],
            "policy": "servers",
        });
        let application = json!({
            "name": WIKI,
            "address": wiki.address.to_string(),
            "web": { "tls": false, "sign_in": { "by": "basic" } },
            "policy": "servers",
        });
        let screen = desktop.map(|desktop| {
            json!({
                "name": DESKTOP,
                "rdp": { "security": "nla" },
                "address": desktop.address.to_string(),
                "host_keys": [desktop.pin],
                "policy": "servers",
            })
        });
        for place in [machine, application].iter().chain(&screen) {
            root.client.post(&["targets"], place).await?;
        }
        let screen = desktop.map(|desktop| (DESKTOP, &desktop.password));
        let machines = [(TARGET, &target.password), (WIKI, &wiki.password)];
        for (target, password) in machines.into_iter().chain(screen) {
            let account = json!({
                "name": LOGIN,
                "targets": [target],
                "secret": { "kind": "password", "value": **password },
            });
            root.client.post(&["accounts"], &account).await?;
        }
        Ok(())
    }
}

async fn start(folder: &Folder) -> Result<App, Failure> {
    let data = folder.at("data");
    let text = format!(
        "data.dir = {data:?}\n\
         admin.listen = \"127.0.0.1:0\"\n\
         admin.certs = {:?}\n\
         ssh.listen = \"127.0.0.1:0\"\n\
         rdp.listen = \"127.0.0.1:0\"\n\
         metrics.listen = \"127.0.0.1:0\"\n\
         recording.reserve_mb = 16\n",
        data.join("certs"),
    );
    let file = folder
        .write("doorward.toml", &text)
        .map_err(fault("write a configuration"))?;
    let at = async |port: u16| {
        let web = format!("127.0.0.1:{port}");
        let load = Load::new().file(&file).flag("", "web.listen", &web).load();
        let effective = load.map_err(|error| Failure::fault(chain(&error)))?;
        Ok::<_, Failure>(App::start(effective.config).await)
    };
    // Ports are bound before anything is made, so there is nothing to undo.
    let started = match at(WEB_PORT).await? {
        Err(StartError::InUse { .. }) => at(0).await?,
        started => started,
    };
    started.map_err(|error| Failure::fault(chain(&error)))
}

/// The gateway's log, out of the transcript's way.
fn log_to(folder: &Folder) -> Result<(), Failure> {
    let file = folder.file("gateway.log").map_err(fault("make a log"))?;
    // Only fails where somebody logs already, and then there is a log.
    let _ = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .try_init();
    Ok(())
}

/// One that can be typed: four groups of four letters.
fn password() -> Zeroizing<String> {
    let letters = data_encoding::BASE32_NOPAD.encode(&entropy::<10>());
    let letters = Zeroizing::new(letters.to_ascii_lowercase());
    let groups = [0, 4, 8, 12].map(|at| &letters[at..at + 4]);
    Zeroizing::new(groups.join("-"))
}

fn fault(doing: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::fault(format!("cannot {doing}: {error}"))
}
