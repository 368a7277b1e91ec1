//! `ssh-config`: what makes `ssh db1.door` work with a stock client.
//!
//! Prints, or writes into a folder of its own. It never touches what the person wrote.

use std::{env, fs, os::unix::fs::DirBuilderExt as _, path::PathBuf};

use clap::Args;
use serde_json::json;

use super::{
    client::{Client, Query},
    exit::{Done, Failure},
    json,
    profile::Access,
    screen::{Screen, one_line},
    ssh::{told, user_of},
};
use crate::model::target::Address;

#[derive(Args)]
pub struct SshConfig {
    /// Where the gateway takes SSH: host:port
    #[arg(long, value_name = "HOST:PORT", env = "DOORWARD_SSH")]
    gateway: Option<Address>,
    /// Print only the lines for known_hosts
    #[arg(long, conflicts_with = "write")]
    known_hosts: bool,
    /// Write both files into ~/.ssh/doorward instead of printing them
    #[arg(long)]
    write: bool,
}

pub async fn run(args: SshConfig, access: &Access, client: &Client, screen: &Screen) -> Done {
    let me = client.get(&["me"], &Query::new()).await?;
    let facts = client.get(&["ssh"], &Query::new()).await?.value;
    let place = match args.gateway.clone() {
        Some(place) => place,
        None => told(&me.value, access)?,
    };
    let setup = Setup {
        user: user_of(&me.value),
        place,
        domain: json::text(&facts, "domain"),
        authority: json::text(&facts, "host_authority"),
    };
    if screen.json() {
        let known_hosts = setup.known_hosts();
        let config = setup.config("~/.ssh/doorward/known_hosts");
        let shown = json!({ "known_hosts": known_hosts, "ssh_config": config });
        return screen.raw(&shown.to_string());
    }
    if args.known_hosts {
        return screen.say(setup.known_hosts());
    }
    if args.write {
        return write(&setup, screen);
    }
    screen.say(format!(
        "# In ~/.ssh/known_hosts:\n#\n# {}\n\n# In ~/.ssh/config:\n\n{}",
        setup.known_hosts(),
        setup.config("~/.ssh/known_hosts"),
    ))
}

struct Setup {
    user: String,
    place: Address,
    domain: String,
    authority: String,
}

impl Setup {
    /// One authority for the gateway and for everything behind it.
    fn known_hosts(&self) -> String {
        let (host, port) = (self.place.host(), self.place.port());
        let gateway = match port {
            22 => host.to_owned(),
            _ => format!("[{host}]:{port}"),
        };
        let Self {
            domain, authority, ..
        } = self;
        one_line(&format!("@cert-authority *.{domain},{gateway} {authority}"))
    }

    fn config(&self, known_hosts: &str) -> String {
        let (host, port) = (self.place.host(), self.place.port());
        let Self { user, domain, .. } = self;
        let jump = match host.contains(':') {
            true => format!("{user}@[{host}]:{port}"),
            false => format!("{user}@{host}:{port}"),
        };
        format!(
            "# The gateway itself.\n\
             Host {host}\n    \
                 Port {port}\n    \
                 User {user}\n    \
                 UserKnownHostsFile {known_hosts}\n    \
                 StrictHostKeyChecking yes\n\
             \n\
             # Every target behind it: ssh db1.{domain}, with an account: ssh root@db1.{domain}\n\
             Host *.{domain}\n    \
                 ProxyJump {jump}\n    \
                 User {user}\n    \
                 UserKnownHostsFile {known_hosts}\n    \
                 StrictHostKeyChecking yes"
        )
    }
}

fn write(setup: &Setup, screen: &Screen) -> Done {
    let home = env::var_os("HOME").map(PathBuf::from);
    let home = home.ok_or_else(|| Failure::usage("HOME is not set"))?;
    let folder = home.join(".ssh/doorward");
    let failed = |path: &PathBuf, error| {
        Failure::fault(format!("{} cannot be written: {error}", path.display()))
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| failed(&folder, error))?;
    for (name, text) in [
        ("known_hosts", setup.known_hosts()),
        ("config", setup.config("~/.ssh/doorward/known_hosts")),
    ] {
        let path = folder.join(name);
        fs::write(&path, format!("{text}\n")).map_err(|error| failed(&path, error))?;
    }
    let own = fs::read_to_string(home.join(".ssh/config")).unwrap_or_default();
    screen.say(format!("Wrote {}.", folder.display()))?;
    if !own.lines().any(|line| line.trim() == INCLUDE) {
        screen.note(format!(
            "Put this line at the beginning of ~/.ssh/config: {INCLUDE}"
        ));
    }
    Ok(())
}

const INCLUDE: &str = "Include doorward/config";

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(place: &str) -> Setup {
        Setup {
            user: "alice".to_owned(),
            place: place.parse().unwrap(),
            domain: "door".to_owned(),
            authority: "ssh-ed25519 AAAA doorward".to_owned(),
        }
    }

    #[test]
    fn the_gateway_is_named_as_known_hosts_names_it() {
        assert_eq!(
            setup("gw.example.org:2222").known_hosts(),
            "@cert-authority *.door,[gw.example.org]:2222 ssh-ed25519 AAAA doorward"
        );
        assert_eq!(
            setup("gw.example.org:22").known_hosts(),
            "@cert-authority *.door,gw.example.org ssh-ed25519 AAAA doorward"
        );
    }

    #[test]
    fn a_jump_names_the_person_and_an_address_in_brackets() {
        let config = setup("[2001:db8::1]:2222").config("known");
        assert!(
            config.contains("    ProxyJump alice@[2001:db8::1]:2222\n"),
            "{config}"
        );
        assert!(config.contains("Host *.door\n"), "{config}");
    }
}
