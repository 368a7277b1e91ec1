//! `ssh-ca`: what a target must trust so that the gateway can enter it with certificates.
//!
//! Prints a public key and two lines of `sshd_config`; changes nothing anywhere.

use clap::Args;

use super::{
    client::{Client, Query},
    exit::Done,
    json,
    screen::{Screen, one_line},
};

#[derive(Args)]
pub struct SshCa {
    /// Print only the public key, for a script
    #[arg(long)]
    key: bool,
}

pub async fn run(args: SshCa, client: &Client, screen: &Screen) -> Done {
    let facts = client.get(&["ssh"], &Query::new()).await?.value;
    let key = one_line(&json::text(&facts, "user_authority"));
    if screen.json() {
        return screen.raw(&serde_json::json!({ "user_authority": key }).to_string());
    }
    if args.key {
        return screen.say(key);
    }
    screen.say(format!(
        "# On the target, as /etc/ssh/doorward_ca.pub:\n\
         #\n\
         # {key}\n\
         #\n\
         # In its /etc/ssh/sshd_config, and then reload sshd:\n\
         \n\
         TrustedUserCAKeys /etc/ssh/doorward_ca.pub\n\
         \n\
         # And at the gateway, for each account that is to enter this way:\n\
         #\n\
         #   doorward account set-secret root@db1 --ssh-ca\n\
         #\n\
         # Every session then has a key and a certificate of its own, for that one account.\n\
         # Nothing of it is stored, and no key has to be taken away from the target again."
    ))
}
