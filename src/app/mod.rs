//! The wiring: configuration → store → vault → listeners, and the way down again.
//!
//! Starts what the other modules are and stops it in the opposite order. Decides nothing.

mod checkpoints;
mod open;
mod settings;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::mpsc::UnboundedSender, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::checkpoints::Checkpoints;
pub use self::{
    checkpoints::witness,
    open::{signer, store},
};
use crate::{
    api::{self, Api, desktop::Desktops},
    broker::{self, rdp, ssh, web},
    cli::desk::Commands,
    clock::Clock,
    config::{Config, LogLevel},
    identity::{Identity, SignInTerms},
    keeper::Keeper,
    kill::Switchboard,
    lifecycle::{Change, Lifecycle},
    model::{ids::NodeId, session::KillReason, web::KeySet},
    notify::Notifier,
    recording::{Archive, Recordings},
    session::{Clerk, Entry, Gate, GateParts, reveal::Revealer},
    store::{Store, StoreError, node::Node},
    sweeper::{Others, Sweeper},
    telemetry::{Log, Metrics},
    tls::{Tls, TlsError},
    vault::{SigningKeyError, Vault, VaultError, keyfile::KeyFileError},
};

/// How long the ends of the last sessions may take to be written.
const CLERK: Duration = Duration::from_secs(15);

/// A node that has shown no life for so long is gone for good.
const GONE: Duration = Duration::from_secs(60);

/// What keeps the gateway from starting, in one sentence with the next step.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the folder {path} cannot be made or used")]
    Folder { path: PathBuf, source: KeyFileError },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(
        "the vault has not got key {0}, under which secrets of this database are sealed; put its key file back"
    )]
    OtherVault(String),
    #[error("database.password: what it refers to is not text")]
    Password,
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    HostKey(#[from] ssh::HostKeyError),
    #[error("{key} = {address}: another program listens there; stop it or choose another port")]
    InUse {
        key: &'static str,
        address: SocketAddr,
    },
    #[error("{key} = {address}: cannot listen there")]
    Listen {
        key: &'static str,
        address: SocketAddr,
        source: io::Error,
    },
}

/// A gateway that runs. Stop it with `stop`, or it goes on until the process ends.
pub struct App {
    pub addresses: Addresses,
    parts: Parts,
    certificates: Certificates,
    /// No new connections from here on.
    closing: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
    /// Nothing of the gateway goes on after this.
    stopping: CancellationToken,
    workers: Vec<JoinHandle<()>>,
    clerk: JoinHandle<()>,
}

/// Where it listens, with real ports where the configuration said 0.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub admin: SocketAddr,
    pub ssh: SocketAddr,
    pub web: SocketAddr,
    pub redirect: Option<SocketAddr>,
    pub rdp: Option<SocketAddr>,
    pub metrics: SocketAddr,
}

/// Of the listeners that speak TLS.
#[derive(Clone)]
struct Certificates {
    admin: Tls,
    web: Tls,
}

/// What everything stands on.
#[derive(Clone)]
struct Parts {
    config: Arc<Config>,
    store: Store,
    clock: Clock,
    switchboard: Switchboard,
    lifecycle: Lifecycle,
    identity: Identity,
    recordings: Recordings,
    metrics: Metrics,
    checkpoints: Checkpoints,
}

/// The sockets, bound before anything else is touched.
struct Sockets {
    admin: TcpListener,
    ssh: TcpListener,
    web: TcpListener,
    /// Where plain HTTP is led from, if anywhere.
    redirect: Option<TcpListener>,
    rdp: Option<TcpListener>,
    metrics: TcpListener,
}

impl App {
    /// Opens everything, listens, and returns when the first client may come.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let config = Arc::new(config);
        // The ports first: a gateway that cannot listen must not touch the store.
        let sockets = Sockets {
            admin: bind("admin.listen", config.admin.listen.address()).await?,
            ssh: bind("ssh.listen", config.ssh.listen.address()).await?,
            web: bind("web.listen", config.web.listen.address()).await?,
            redirect: match &config.web.redirect {
                Some(port) => Some(bind("web.redirect", port.address()).await?),
                None => None,
            },
            rdp: match &config.rdp.listen {
                Some(port) => Some(bind("rdp.listen", port.address()).await?),
                None => None,
            },
            metrics: bind("metrics.listen", config.metrics.listen.address()).await?,
        };
        open::folder(&config.data.dir)?;
        let store = open::store(&config).await?;
        let vault = open::vault(&config, &store).await?;
        let signer = open::signer(&config)?;
        let clock = Clock::system();
        open::floor(&clock, &store).await?;
        let certificates = Certificates {
            admin: Tls::open(&config.admin, clock.clone())?,
            web: Tls::open_web(&config.admin, config.web.domain.as_str(), clock.clone())?,
        };
        let ssh = settings::ssh(&config.ssh, settings::names(&config, &certificates.admin))?;
        let user_authority = open::authority(&store, &vault, clock.now()).await?;
        let public = Public {
            ssh: settings::facts(&ssh, user_authority),
            identity_keys: open::identity_keys(&store, &vault, clock.now()).await?,
        };

        let switchboard = Switchboard::new();
        let lifecycle = Lifecycle::new(store.clone(), clock.clone(), switchboard.clone());
        let node = open::node(&store, &clock, &lifecycle, &config).await?;
        let limits = &config.limits;
        let sign_in = SignInTerms {
            per_address: limits.sign_ins_per_address,
            per_name: limits.sign_ins_per_account,
            rule: config.sign_in.second_factor,
        };
        let identity = Identity::new(store.clone(), clock.clone(), vault.seeds(), sign_in);
        let recordings = Recordings::open(&config.recording, vault.recording_keys(), clock.clone());
        let checkpoints = Checkpoints::new(&config, store.clone(), clock.clone(), signer);
        let metrics = Metrics::default();
        let (clerk, entries) = Clerk::new(store.clone(), lifecycle.clone(), metrics.clone());
        let parts = Parts {
            config,
            store,
            clock,
            switchboard,
            lifecycle,
            identity,
            recordings,
            metrics,
            checkpoints,
        };
        let addresses = sockets.addresses()?;
        let gate = parts.gate(vault.clone(), node.id.clone(), entries, &addresses);
        let notifier = parts.notifier(&vault, &gate, &addresses);

        let (closing, stopping) = (CancellationToken::new(), CancellationToken::new());
        Ok(Self {
            addresses,
            listeners: parts.listen(
                (sockets, addresses),
                gate,
                &vault,
                (ssh, public),
                &certificates,
                &closing,
            )?,
            workers: parts.workers(node, notifier, &certificates, &stopping),
            clerk: tokio::spawn(clerk.run()),
            parts,
            certificates,
            closing,
            stopping,
        })
    }

    /// The one-time token that makes the first admin, while there is none.
    pub async fn bootstrap_token(&self) -> Result<Option<zeroize::Zeroizing<String>>, StoreError> {
        self.parts.identity.bootstrap_token().await
    }

    /// The certificate of the local authority, where no other certificate was given.
    pub fn authority(&self) -> Option<PathBuf> {
        self.certificates.admin.authority()
    }

    /// Takes up new certificates and a new log level. What is wrong leaves the old as it was.
    pub fn reload(&self, log: &Log, level: LogLevel) {
        log.set_level(level);
        let Certificates { admin, web } = &self.certificates;
        for tls in [admin, web] {
            match tls.reload() {
                Ok(()) => info!(log_level = level.as_str(), "Reloaded"),
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "Certificates not reloaded, the old ones stay"
                ),
            }
        }
    }

    /// No new connections; the live ones are told, and cut when the drain is over or `now` comes.
    pub async fn stop(self, now: impl Future<Output = ()>) {
        let drain = self.parts.config.limits.drain;
        info!(%drain, "Stopping, no new sessions");
        self.closing.cancel();
        let switchboard = &self.parts.switchboard;
        tokio::select! {
            () = switchboard.drained() => {}
            () = tokio::time::sleep(drain.duration()) => {}
            () = now => {}
        }
        let cut = switchboard.close(KillReason::Shutdown);
        info!(cut, "Drained");
        ended("Listener", self.listeners).await;
        self.stopping.cancel();
        ended("Worker", self.workers).await;
        // Every gate went with its listener, so the clerk ends when all is written.
        let Parts {
            recordings,
            checkpoints,
            store,
            ..
        } = self.parts;
        // A store that is gone must not keep the process: the next start closes what is left.
        if timeout(CLERK, ended("Clerk", vec![self.clerk]))
            .await
            .is_err()
        {
            warn!("Session ends left for the next start");
        }
        recordings.drained().await;
        checkpoints.write().await;
        store.close().await;
        info!("Stopped");
    }
}

impl Parts {
    fn gate(
        &self,
        vault: Vault,
        node: NodeId,
        entries: UnboundedSender<Entry>,
        addresses: &Addresses,
    ) -> Gate {
        let parts = GateParts {
            store: self.store.clone(),
            clock: self.clock.clone(),
            vault,
            identity: self.identity.clone(),
            lifecycle: self.lifecycle.clone(),
            switchboard: self.switchboard.clone(),
            recordings: self.recordings.clone(),
            node,
            metrics: self.metrics.clone(),
            ways_in: self.config.ways_in(
                addresses.admin,
                addresses.ssh,
                addresses.web,
                addresses.rdp,
            ),
            own_ports: addresses.ports(),
            warn_before: self.config.ssh.warn_before.clone(),
            bind_certificates: self.config.ssh.bind_certificates,
        };
        Gate::new(parts, entries)
    }

    fn notifier(&self, vault: &Vault, gate: &Gate, addresses: &Addresses) -> Notifier {
        Notifier {
            store: self.store.clone(),
            clock: self.clock.clone(),
            lifecycle: self.lifecycle.clone(),
            secrets: vault.channel_secrets(),
            ways_in: gate.ways_in().clone(),
            own_ports: addresses.ports(),
            metrics: self.metrics.clone(),
        }
    }

    fn listen(
        &self,
        (sockets, addresses): (Sockets, Addresses),
        gate: Gate,
        vault: &Vault,
        (settings, public): (ssh::SshSettings, Public),
        certificates: &Certificates,
        closing: &CancellationToken,
    ) -> Result<Vec<JoinHandle<()>>, StartError> {
        let Self { config, .. } = self;
        let rdp_broker = Arc::new(rdp::RdpBroker::new(
            gate.clone(),
            certificates.admin.clone(),
        ));
        let api = Api::new(api::Parts {
            store: self.store.clone(),
            clock: self.clock.clone(),
            identity: self.identity.clone(),
            lifecycle: self.lifecycle.clone(),
            sealer: vault.seal_only(),
            revealer: Revealer::new(gate.clone()),
            limits: config.limits.clone(),
            ways_in: gate.ways_in().clone(),
            archive: Archive::new(&self.recordings),
            ssh: public.ssh,
            identity_keys: public.identity_keys,
            desktops: desktops(&rdp_broker),
            scanner: api::scan::Scanner::new(|address| async move { ssh::scan(&address).await }),
            audit_key: self.checkpoints.public_key(),
            closing: closing.clone(),
        });
        let health = api::health::Health {
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            closing: closing.clone(),
        };
        let commands = Commands {
            identity: self.identity.clone(),
            api: api.router(),
            ways_in: gate.ways_in().clone(),
        };
        let web_settings = web::WebSettings {
            tls: certificates.web.server_config()?,
            way: gate.ways_in().web.clone(),
            port: addresses.web.port(),
            closing: closing.clone(),
        };
        let redirect = addresses
            .redirect
            .map(|address| web::RedirectBroker::new(gate.ways_in().web.clone(), address.port()));
        let web_broker = web::WebBroker::new(gate.clone(), web_settings);
        let broker = ssh::SshBroker::new(gate, settings, Arc::new(commands));
        let server_config = certificates.admin.server_config()?;
        let admin = api::server::serve(
            sockets.admin,
            move || server_config.clone(),
            api.router(),
            api::server::Bounds::default(),
            closing.clone(),
        );
        let ssh = broker::listen(
            sockets.ssh,
            Arc::new(broker),
            settings::ssh_limits(&config.ssh),
            closing.clone(),
        );
        let web = broker::listen(
            sockets.web,
            Arc::new(web_broker),
            settings::web_limits(&config.web),
            closing.clone(),
        );
        let metrics = api::health::serve(sockets.metrics, health.router(), closing.clone());
        let redirect = sockets.redirect.zip(redirect).map(|(socket, broker)| {
            let limits = settings::web_limits(&config.web);
            tokio::spawn(broker::listen(
                socket,
                Arc::new(broker),
                limits,
                closing.clone(),
            ))
        });
        let rdp = sockets.rdp.map(|socket| {
            let limits = settings::rdp_limits(&config.rdp);
            tokio::spawn(broker::listen(socket, rdp_broker, limits, closing.clone()))
        });
        let mut listeners = vec![
            tokio::spawn(admin),
            tokio::spawn(ssh),
            tokio::spawn(web),
            tokio::spawn(metrics),
        ];
        listeners.extend(redirect);
        listeners.extend(rdp);
        Ok(listeners)
    }

    fn workers(
        &self,
        node: Node,
        notifier: Notifier,
        certificates: &Certificates,
        stopping: &CancellationToken,
    ) -> Vec<JoinHandle<()>> {
        let fail_closed_after = self.config.database.fail_closed_after.duration();
        let sweeper = Sweeper {
            store: self.store.clone(),
            lifecycle: self.lifecycle.clone(),
            switchboard: self.switchboard.clone(),
            clock: self.clock.clone(),
            node,
            others: Others::new(GONE.max(fail_closed_after * 2)),
            fail_closed_after,
        };
        let keeper = Keeper {
            store: self.store.clone(),
            clock: self.clock.clone(),
            recordings: self.recordings.clone(),
            metrics: self.metrics.clone(),
        };
        let (tls, stop) = (certificates.clone(), stopping.clone());
        let certificates = async move {
            let both = async { tokio::join!(tls.admin.keep_fresh(), tls.web.keep_fresh()) };
            stop.run_until_cancelled(both).await;
        };
        vec![
            tokio::spawn(sweeper.run(stopping.clone())),
            tokio::spawn(keeper.run(stopping.clone())),
            tokio::spawn(notifier.run(stopping.clone())),
            tokio::spawn(self.checkpoints.clone().run(stopping.clone())),
            tokio::spawn(certificates),
            tokio::spawn(count(
                self.lifecycle.clone(),
                self.metrics.clone(),
                stopping.clone(),
            )),
        ]
    }
}

/// Browsers that the API has found to be somebody's, for whoever speaks RDP.
fn desktops(broker: &Arc<rdp::RdpBroker>) -> Desktops {
    let broker = broker.clone();
    Desktops::new(move |visitor, socket| {
        let broker = broker.clone();
        async move {
            let visitor = rdp::browser::Visitor {
                principal: visitor.principal,
                sign_in: visitor.sign_in,
                checkout: visitor.checkout,
                target: visitor.target,
                peer: visitor.peer,
                client: visitor.client,
            };
            broker.serve_browser(socket, visitor).await;
        }
    })
}

/// Counts what becomes of check-outs, for `/metrics`.
async fn count(lifecycle: Lifecycle, metrics: Metrics, stop: CancellationToken) {
    let mut changes = lifecycle.subscribe();
    while let Some(change) = stop.run_until_cancelled(changes.recv()).await {
        match change {
            Ok(Change::Checkout { state, .. }) => metrics.checkout(state),
            // Too far behind: a counter may miss some, the store has them all.
            Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

async fn ended(what: &str, tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        if let Err(error) = task.await {
            warn!(what, %error, "Task failed");
        }
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::InUse { key, address },
            _ => StartError::Listen {
                key,
                address,
                source,
            },
        })
}

impl Addresses {
    fn ports(&self) -> Vec<u16> {
        [self.admin, self.ssh, self.web, self.metrics]
            .into_iter()
            .chain(self.redirect)
            .chain(self.rdp)
            .map(|address| address.port())
            .collect()
    }
}

impl Sockets {
    fn addresses(&self) -> Result<Addresses, StartError> {
        let local = |listener: &TcpListener, key| {
            let address = SocketAddr::from(([0, 0, 0, 0], 0));
            listener.local_addr().map_err(|source| StartError::Listen {
                key,
                address,
                source,
            })
        };
        let addresses = Addresses {
            admin: local(&self.admin, "admin.listen")?,
            ssh: local(&self.ssh, "ssh.listen")?,
            web: local(&self.web, "web.listen")?,
            redirect: match &self.redirect {
                Some(listener) => Some(local(listener, "web.redirect")?),
                None => None,
            },
            rdp: match &self.rdp {
                Some(listener) => Some(local(listener, "rdp.listen")?),
                None => None,
            },
            metrics: local(&self.metrics, "metrics.listen")?,
        };
        info!(listener = "admin", address = %addresses.admin, "Listening");
        info!(listener = "ssh", address = %addresses.ssh, "Listening");
        info!(listener = "web", address = %addresses.web, "Listening");
        if let Some(address) = addresses.redirect {
            info!(listener = "redirect", %address, "Listening");
        }
        if let Some(address) = addresses.rdp {
            info!(listener = "rdp", %address, "Listening");
        }
        info!(listener = "metrics", address = %addresses.metrics, "Listening");
        Ok(addresses)
    }
}

/// What everybody may know of the gateway's keys.
struct Public {
    ssh: api::ssh::SshFacts,
    identity_keys: KeySet,
}
