//! Every verb of the command line, and which file answers it.
//!
//! Verbs that need a gateway get a client; the others never read a profile.

use clap::{CommandFactory as _, Subcommand};
use clap_complete::Shell;

use super::{
    Line, account, answer, apply, audit, channel, checkout,
    client::{Client, not_signed_in},
    demo,
    exit::{Done, Failure},
    group, key, operate, play, policy,
    profile::{Access, Environment, Profiles},
    rdp, recording, request, reveal,
    screen::Screen,
    serve, session, sign_in, ssh, ssh_ca, ssh_config, target, token, user, wait, web_port,
};

#[derive(Subcommand)]
pub enum Verb {
    /// Sign in to a gateway
    #[command(display_order = 1)]
    Login(sign_in::Login),
    /// Sign out
    #[command(display_order = 1)]
    Logout,
    /// Show who you are
    #[command(display_order = 1)]
    Whoami,
    /// Change your password
    #[command(display_order = 1)]
    Password(sign_in::Password),
    /// Make the first admin with the one-time token of the first start
    #[command(display_order = 1)]
    Bootstrap(sign_in::Bootstrap),

    /// Ask for a check-out
    #[command(display_order = 2)]
    Request(Box<request::Request>),
    /// Wait for the answer to a request
    #[command(display_order = 2)]
    Wait(wait::Wait),
    /// List check-outs
    #[command(display_order = 2)]
    Checkouts(Box<checkout::Checkouts>),
    /// Show one check-out and everything that happened to it
    #[command(display_order = 2)]
    Checkout(checkout::Show),
    /// Connect to a target with ssh
    #[command(display_order = 2)]
    Ssh(ssh::Ssh),
    /// See the way into a target for an RDP client, and the secret that opens it
    #[command(display_order = 2)]
    Rdp(rdp::Rdp),
    /// Open a port of this machine that leads to a web target, for what can send no token
    #[command(display_order = 2)]
    Web(web_port::Web),
    /// Make `ssh db1.door` work with a stock client: known_hosts and ssh_config
    #[command(display_order = 2)]
    SshConfig(ssh_config::SshConfig),
    /// See an account's secret, where a check-out allows it
    #[command(display_order = 2)]
    Reveal(reveal::Reveal),
    /// Ask for more time
    #[command(display_order = 2)]
    Extend(request::Extend),
    /// Give a check-out back before its time is over
    #[command(display_order = 2)]
    CheckIn(answer::Say),
    /// Take back a request
    #[command(display_order = 2)]
    Cancel(answer::Say),

    /// Say yes to a request or an extension
    #[command(display_order = 3)]
    Approve(answer::Approve),
    /// Say no to a request or an extension
    #[command(display_order = 3)]
    Deny(answer::Say),
    /// Let another approver answer it
    #[command(display_order = 3)]
    Assign(answer::Assign),
    /// Give somebody a check-out they did not ask for
    #[command(display_order = 3)]
    Grant(Box<request::Grant>),
    /// End a check-out now; its sessions are cut
    #[command(display_order = 3)]
    Revoke(answer::Say),
    /// List live sessions, or show one
    #[command(display_order = 3)]
    Sessions(session::Sessions),
    /// Cut one session; its check-out still stands
    #[command(display_order = 3)]
    Kill(session::Kill),

    /// What people reach through the gateway
    #[command(subcommand, display_order = 4)]
    Target(Box<target::Target>),
    /// Privileged identities on targets
    #[command(subcommand, display_order = 4)]
    Account(account::Account),
    /// The rules of check-outs
    #[command(subcommand, display_order = 4)]
    Policy(policy::Policy),
    /// The people who use the gateway
    #[command(subcommand, display_order = 4)]
    User(user::User),
    /// Sets of users
    #[command(subcommand, display_order = 4)]
    Group(group::Group),
    /// The ways on which people are told: mail, webhooks, chats
    #[command(subcommand, display_order = 4)]
    Channel(channel::Channel),
    /// Your API tokens
    #[command(subcommand, display_order = 4)]
    Token(token::Token),
    /// Your SSH keys
    #[command(subcommand, display_order = 4)]
    Key(key::Key),
    /// What a target must trust, to be entered with certificates
    #[command(display_order = 4)]
    SshCa(ssh_ca::SshCa),
    /// Make the gateway hold what a file says
    #[command(display_order = 4)]
    Apply(apply::Apply),

    /// What sessions left
    #[command(subcommand, display_order = 5)]
    Recordings(recording::Recordings),
    /// Show a recording in the terminal
    #[command(display_order = 5)]
    Play(play::Play),
    /// What was written down
    #[command(subcommand, display_order = 5)]
    Audit(audit::Audit),

    /// Run the gateway
    #[command(display_order = 6)]
    Serve(serve::Serve),
    /// Look at the gateway's configuration
    #[command(subcommand, display_order = 6)]
    Config(operate::ConfigVerb),
    /// Bring the database up to date
    #[command(display_order = 6)]
    Migrate(operate::Operate),
    /// The keys that secrets are sealed under
    #[command(subcommand, display_order = 6)]
    Vault(operate::VaultVerb),
    /// Show the whole line on this machine, with targets of its own
    #[command(display_order = 6)]
    Demo(demo::Demo),
    /// Write completions for a shell
    #[command(display_order = 6)]
    Completions { shell: Shell },
}

impl Verb {
    pub async fn run(self, profile: Option<&str>, screen: &Screen) -> Done {
        match self {
            Self::Serve(args) => serve::run(args, screen).await,
            Self::Config(verb) => operate::config(verb, screen).await,
            Self::Migrate(args) => operate::migrate(args, screen).await,
            Self::Vault(verb) => operate::vault(verb, screen).await,
            Self::Audit(command) if command.is_here() => audit::run_here(command, screen).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Completions { shell } => completions(shell, screen),
            Self::Login(args) => sign_in::login(args, &mut Profiles::read(profile)?, screen).await,
            Self::Bootstrap(args) => {
                sign_in::bootstrap(args, &mut Profiles::read(profile)?, screen).await
            }
            Self::Logout => sign_in::logout(&mut Profiles::read(profile)?, screen).await,
            Self::Play(args) if args.is_local() => play::from_file(args, screen).await,
            with_gateway => {
                let profiles = Profiles::read(profile)?;
                let access = profiles.access(Environment::read())?;
                if access.token.is_none() {
                    return Err(not_signed_in(&access.server));
                }
                let client = Client::new(&access)?;
                with_gateway.ask(&client, &access, &profiles, screen).await
            }
        }
    }

    async fn ask(
        self,
        client: &Client,
        access: &Access,
        profiles: &Profiles,
        screen: &Screen,
    ) -> Done {
        match self {
            Self::Whoami => sign_in::whoami(client, profiles, screen).await,
            Self::Password(args) => sign_in::password(args, client, screen).await,
            Self::Request(args) => request::request(*args, client, screen).await,
            Self::Wait(args) => wait::wait(args, client, screen).await,
            Self::Checkouts(args) => checkout::list(*args, client, screen).await,
            Self::Checkout(args) => checkout::show(args, client, screen).await,
            Self::Ssh(args) => ssh::run(args, access, client, screen).await,
            Self::Rdp(args) => rdp::run(args, client, screen).await,
            Self::Web(args) => web_port::run(args, access, client, screen).await,
            Self::SshCa(args) => ssh_ca::run(args, client, screen).await,
            Self::SshConfig(args) => ssh_config::run(args, access, client, screen).await,
            Self::Reveal(args) => reveal::run(args, client, screen).await,
            Self::Extend(args) => request::extend(args, client, screen).await,
            Self::CheckIn(args) => answer::say(answer::Verb::CheckIn, args, client, screen).await,
            Self::Cancel(args) => answer::say(answer::Verb::Cancel, args, client, screen).await,
            Self::Approve(args) => answer::approve(args, client, screen).await,
            Self::Deny(args) => answer::say(answer::Verb::Deny, args, client, screen).await,
            Self::Assign(args) => answer::assign(args, client, screen).await,
            Self::Grant(args) => request::grant(*args, client, screen).await,
            Self::Revoke(args) => answer::say(answer::Verb::Revoke, args, client, screen).await,
            Self::Sessions(args) => session::list(args, client, screen).await,
            Self::Kill(args) => session::kill(args, client, screen).await,
            Self::Target(command) => target::run(*command, client, screen).await,
            Self::Account(command) => account::run(command, client, screen).await,
            Self::Policy(command) => policy::run(command, client, screen).await,
            Self::User(command) => user::run(command, client, screen).await,
            Self::Group(command) => group::run(command, client, screen).await,
            Self::Channel(command) => channel::run(command, client, screen).await,
            Self::Token(command) => token::run(command, client, screen).await,
            Self::Key(command) => key::run(command, client, screen).await,
            Self::Apply(args) => apply::run(args, client, screen).await,
            Self::Recordings(command) => recording::run(command, client, screen).await,
            Self::Play(args) => play::from_gateway(args, client, screen).await,
            Self::Audit(command) => audit::run(command, client, screen).await,
            Self::Login(_)
            | Self::Logout
            | Self::Bootstrap(_)
            | Self::Serve(_)
            | Self::Config(_)
            | Self::Migrate(_)
            | Self::Vault(_)
            | Self::Demo(_)
            | Self::Completions { .. } => Err(Failure::fault("this verb needs no gateway")),
        }
    }
}

fn completions(shell: Shell, screen: &Screen) -> Done {
    let mut written = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "doorward", &mut written);
    screen.say(String::from_utf8_lossy(&written).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        let slip = Line::command().try_get_matches_from(["doorward", "aprove", "7K3F"]);
        assert!(slip.unwrap_err().to_string().contains("'approve'"));
    }

    #[test]
    fn no_option_takes_a_secret() {
        fn look(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let secret = ["password", "secret", "token", "passphrase"]
                    .iter()
                    .any(|word| name.contains(word));
                let takes = argument.get_action().takes_values();
                assert!(
                    !secret || !takes || name.ends_with("_file"),
                    "{path} {name} would take a secret as an argument"
                );
            }
            for below in command.get_subcommands() {
                look(below, &format!("{path} {}", below.get_name()));
            }
        }
        look(&Line::command(), "doorward");
    }
}
