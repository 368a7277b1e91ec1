//! Everything a run needs, in one temporary folder: the target's sshd, the sshd in between,
//! the gateway, keys and the client's configuration. Takes all of it away again.

use std::{fs, io::Write as _, path::PathBuf};

use tempfile::TempDir;

use crate::{
    Result,
    gateway::{Access, Gateway},
    plan::Plan,
    routes::{Host, Roads, Route},
    sshd::{Sshd, make_key, public_half},
};

pub struct Stage {
    folder: TempDir,
    target: Option<Sshd>,
    own_shell: Option<Sshd>,
    hop: Option<Sshd>,
    gateway: Option<Gateway>,
    roads: Option<Roads>,
}

/// The host of the client's configuration whose check-outs are revoked.
pub const REVOKED: &str = "revoked";

impl Stage {
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("doorward-bench-")
            .tempdir()?;
        Ok(Self {
            folder,
            target: None,
            own_shell: None,
            hop: None,
            gateway: None,
            roads: None,
        })
    }

    pub async fn build(&mut self, plan: &Plan) -> Result<()> {
        let folder = self.folder.path().to_owned();
        let me = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        let me = me.unwrap_or_else(|_| "root".to_owned());
        let key = make_key(&folder, "person").await?;
        let other_key = make_key(&folder, "other-person").await?;
        let account_key = make_key(&folder, "account").await?;
        let authorized = folder.join("authorized_keys");
        let lines = [public_half(&key)?, public_half(&account_key)?];
        fs::write(&authorized, lines.join("\n") + "\n")?;

        // A shell that sshd starts reads its user's files, and on some machines those take
        // longer than everything that is measured here. An empty home has none.
        let home = folder.join("home");
        fs::create_dir(&home)?;
        let bare = format!("SetEnv HOME={}", home.display());
        let target = self
            .target
            .insert(Sshd::start(&folder, "target", &authorized, &bare).await?);
        let own_shell = self
            .own_shell
            .insert(Sshd::start(&folder, "own-shell", &authorized, "").await?);
        let hop = self
            .hop
            .insert(Sshd::start(&folder, "hop", &authorized, "").await?);
        let host = |name, port, user, through| Host {
            name,
            port,
            user,
            key: &key,
            through,
        };
        let mut hosts = vec![
            host("hop", hop.port, &me, None),
            host(Route::Direct.host(), target.port, &me, None),
            host(Route::Jump.host(), target.port, &me, Some("hop")),
            host(
                Route::Direct.host_with_own_shell(),
                own_shell.port,
                &me,
                None,
            ),
            host(
                Route::Jump.host_with_own_shell(),
                own_shell.port,
                &me,
                Some("hop"),
            ),
        ];
        if plan.with_gateway {
            let gateway = self.gateway.insert(Gateway::start(&folder).await?);
            let access = Access {
                targets: &[("target", target), ("own-shell", own_shell)],
                login: &me,
                account_key: &account_key,
            };
            gateway
                .set_up(&access, &[("person", &key), ("other", &other_key)])
                .await?;
            gateway.check_out("person", "target").await?;
            gateway.check_out("person", "own-shell").await?;
            let port = gateway.ssh.port();
            hosts.push(host(Route::Gateway.host(), port, "person+target", None));
            let own = Route::Gateway.host_with_own_shell();
            hosts.push(host(own, port, "person+own-shell", None));
            hosts.push(Host {
                key: &other_key,
                ..host(REVOKED, port, "other+target", None)
            });
        }
        self.roads = Some(Roads::write(&folder, &hosts)?);
        Ok(())
    }

    pub fn roads(&self) -> &Roads {
        self.roads
            .as_ref()
            .expect("the stage is built before anything is measured")
    }

    pub fn gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref()
    }

    /// The routes that stand.
    pub fn routes(&self) -> Vec<Route> {
        let stands = |route: &Route| *route != Route::Gateway || self.gateway.is_some();
        Route::ALL.into_iter().filter(stands).collect()
    }

    /// A file of so many MiB made of `block` over and over, in the page cache afterwards.
    pub fn file(&self, name: &str, mib: u64, block: &[u8]) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        let mut file = fs::File::create(&path)?;
        let bytes = mib * 1024 * 1024;
        let mut written = 0;
        while written < bytes {
            let rest = usize::try_from(bytes - written).unwrap_or(usize::MAX);
            let piece = &block[..block.len().min(rest)];
            file.write_all(piece)?;
            written += piece.len() as u64;
        }
        // Written back now and not during the measurement.
        file.sync_all()?;
        Ok(path)
    }

    /// Ends what was started; the folder goes when `self` does.
    pub async fn clear(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.stop().await;
        }
        for mut sshd in [self.hop.take(), self.own_shell.take(), self.target.take()]
            .into_iter()
            .flatten()
        {
            sshd.stop().await;
        }
    }
}
