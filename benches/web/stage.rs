//! Everything a run needs, in one temporary folder: the targets, nginx before them, the gateway
//! before them, and somebody with a token. Takes all of it away again.

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use crate::{Result, gateway::Gateway, link::Links, nginx::Nginx, routes::Route, target::Target};

pub const LOGIN: &str = "ops";
pub const PASSWORD: &str = "lizard-Wednesday-Quartz-41";
/// Who measures.
const PERSON: &str = "person";
/// The target of small requests, and that of all the rest.
const SMALL: &str = "small";
const LARGE: &str = "large";

/// How the targets' password goes over the wire.
pub fn basic() -> String {
    STANDARD.encode(format!("{LOGIN}:{PASSWORD}"))
}

pub struct Stage {
    folder: TempDir,
    built: Option<Built>,
}

struct Built {
    small: Nginx,
    proxy: Nginx,
    large: Target,
    gateway: Gateway,
    links: Links,
    /// The check-out of what is large.
    checkout: String,
}

/// Where something is on one route, and what is sent along.
pub struct Place {
    pub url: String,
    pub headers: Vec<String>,
}

impl Stage {
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("doorward-bench-")
            .tempdir()?;
        Ok(Self {
            folder,
            built: None,
        })
    }

    pub async fn build(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let small = Nginx::target(folder).await?;
        let large = Target::start().await?;
        let proxy = Nginx::proxy(folder, small.port, large.port).await?;
        let mut gateway = Gateway::start(folder).await?;
        let targets = [(SMALL, small.port), (LARGE, large.port)];
        gateway
            .set_up_web(&targets, (LOGIN, PASSWORD), PERSON)
            .await?;
        gateway.check_out(PERSON, SMALL).await?;
        let checkout = gateway.check_out(PERSON, LARGE).await?;
        let host = host(LARGE, gateway.web.port());
        let links = Links::new(&gateway, host, gateway.token(PERSON)?)?;
        self.built = Some(Built {
            small,
            proxy,
            large,
            gateway,
            links,
            checkout,
        });
        Ok(())
    }

    fn built(&self) -> &Built {
        self.built
            .as_ref()
            .expect("the stage is built before anything is measured")
    }

    pub fn gateway(&self) -> &Gateway {
        &self.built().gateway
    }

    /// Connections of the bench's own through the gateway.
    pub fn links(&self) -> &Links {
        &self.built().links
    }

    /// 1 KiB.
    pub fn small(&self, route: Route) -> Result<Place> {
        self.place(route, SMALL, "/1k")
    }

    /// Something of the target of all the rest.
    pub fn large(&self, route: Route, path: &str) -> Result<Place> {
        self.place(route, LARGE, path)
    }

    fn place(&self, route: Route, target: &str, path: &str) -> Result<Place> {
        let built = self.built();
        let direct = match target {
            SMALL => built.small.port,
            _ => built.large.port,
        };
        Ok(match route {
            Route::Direct => Place {
                url: format!("http://127.0.0.1:{direct}{path}"),
                headers: vec![format!("Authorization: Basic {}", basic())],
            },
            Route::Nginx => Place {
                url: format!("https://127.0.0.1:{}{path}", built.proxy.port),
                headers: Vec::new(),
            },
            Route::Gateway => {
                let port = built.gateway.web.port();
                Place {
                    url: format!("https://127.0.0.1:{port}{path}"),
                    headers: vec![
                        format!("Host: {}", host(target, port)),
                        format!("Doorward-Token: {}", built.gateway.token(PERSON)?),
                    ],
                }
            }
        })
    }

    /// The check-out of what is large, until it is revoked.
    pub fn checkout(&self) -> &str {
        &self.built().checkout
    }

    /// Another one, after that.
    pub async fn check_out_again(&self) -> Result<String> {
        self.gateway().check_out(PERSON, LARGE).await
    }

    /// A file of so many MiB that takes no room.
    pub fn hollow_file(&self, mib: u64) -> Result<PathBuf> {
        let path = self.folder.path().join(format!("{mib}.hollow"));
        fs::File::create(&path)?.set_len(mib * 1024 * 1024)?;
        Ok(path)
    }

    /// Ends what was started; the folder goes when `self` does.
    pub async fn clear(&mut self) {
        if let Some(mut built) = self.built.take() {
            built.gateway.stop().await;
            built.proxy.stop().await;
            built.small.stop().await;
            built.large.stop().await;
        }
    }
}

fn host(target: &str, port: u16) -> String {
    format!("{target}.door.localhost:{port}")
}
