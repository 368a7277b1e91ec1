//! `key`: the SSH public keys somebody signs in with, one's own or another's.
//!
//! Only public keys pass here; a private one is recognised and refused before it is sent.

use std::{fs, io::Read as _, path::PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    client::{Client, Query},
    exit::{Done, Failure},
    json, noun,
    screen::Screen,
    table::Table,
};

#[derive(Subcommand)]
pub enum Key {
    /// List your keys
    #[command(visible_alias = "ls")]
    List,
    /// Add a public key of yours
    Add(Add),
    /// Remove a key of yours
    #[command(visible_alias = "rm")]
    Remove { fingerprint: String },
}

#[derive(Args)]
#[group(skip)]
pub struct Add {
    /// The public key's file, such as ~/.ssh/id_ed25519.pub; `-` is standard input
    file: PathBuf,
    /// What to call it, instead of the key's own comment
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

pub async fn run(command: Key, client: &Client, screen: &Screen) -> Done {
    match command {
        Key::List => list(&["me", "ssh-keys"], client, screen).await,
        Key::Add(new) => add(&["me", "ssh-keys"], &new, client, screen).await,
        Key::Remove { fingerprint } => {
            remove(
                &["me", "ssh-keys", &fingerprint],
                &fingerprint,
                client,
                screen,
            )
            .await
        }
    }
}

pub async fn list(path: &[&str], client: &Client, screen: &Screen) -> Done {
    let answer = client.get(path, &Query::new()).await?;
    screen.show(&answer, |_| {
        let mut table = Table::new(&["FINGERPRINT", "COMMENT", "ADDED"]);
        for key in answer.items() {
            let added = json::time(key, "added_at").map(|at| screen.when(at));
            table.row([
                json::text(key, "fingerprint"),
                json::text(key, "comment"),
                added.unwrap_or_default(),
            ]);
        }
        table.shown(screen, "There are no keys.")
    })
}

pub async fn add(path: &[&str], new: &Add, client: &Client, screen: &Screen) -> Done {
    let mut body = json!({"public_key": new.public_key()?});
    if let Some(comment) = &new.comment {
        body["comment"] = json!(comment);
    }
    let answer = client.post(path, &body).await?;
    let fingerprint = json::text(&answer.value, "fingerprint");
    noun::said(&answer, screen, &format!("Added key {fingerprint}."))
}

pub async fn remove(path: &[&str], fingerprint: &str, client: &Client, screen: &Screen) -> Done {
    let answer = client.delete(path).await?;
    noun::said(&answer, screen, &format!("Removed key {fingerprint}."))
}

impl Add {
    fn public_key(&self) -> Result<String, Failure> {
        let mut text = String::new();
        let read = if self.file.as_os_str() == "-" {
            std::io::stdin()
                .lock()
                .take(1 << 16)
                .read_to_string(&mut text)
        } else {
            fs::File::open(&self.file).and_then(|file| file.take(1 << 16).read_to_string(&mut text))
        };
        read.map_err(|error| {
            Failure::usage(format!("{} cannot be read: {error}", self.file.display()))
        })?;
        if text.contains("PRIVATE KEY-----") {
            return Err(Failure::usage(format!(
                "{} is a private key, which stays where it is",
                self.file.display()
            ))
            .next("give the public one, which ends in .pub"));
        }
        let key = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'));
        key.map(str::to_owned).ok_or_else(|| {
            Failure::usage(format!("there is no public key in {}", self.file.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            let add = Add {
                file: file.clone(),
                comment: None,
            };
            add.public_key()
        };
        assert_eq!(
            read("\n# mine\nssh-ed25519 AAAA me\n").unwrap(),
            "ssh-ed25519 AAAA me"
        );
        assert!(read("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n").is_err());
        assert!(read("").is_err());
    }
}
