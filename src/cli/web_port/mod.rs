//! `web TARGET`: a port of this machine that leads to a web target, for what can send no token.
//!
//! Adds the token and nothing else; every decision is the gateway's. Open to this user's
//! programs alone, where the system says whose they are, and to no page of another site.

mod gatekeeper;
mod owner;
mod pass;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use clap::Args;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

use self::{gatekeeper::Gatekeeper, pass::Passer};
use super::{
    client::{Client, Query},
    events::Events,
    exit::{Done, Exit, Failure},
    json,
    profile::Access,
    screen::{Screen, one_line},
    standing,
    wait::{FAILED_LOOKS, LOOK},
};
use crate::model::{
    name::{AccountName, TargetName},
    ways_in::WaysIn,
};

const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// Browsers open six to a host.
const CONNECTIONS: usize = 256;

#[derive(Args)]
pub struct Web {
    target: TargetName,
    /// The account on the target, where it has several
    #[arg(long, short)]
    account: Option<AccountName>,
    /// The port of 127.0.0.1 to open; left out, a free one
    #[arg(long, short, default_value_t = 0)]
    port: u16,
}

pub async fn run(args: Web, access: &Access, client: &Client, screen: &Screen) -> Done {
    let me = client.get(&["me"], &Query::new()).await?.value;
    let ways_in: WaysIn = serde_json::from_value(me["gateway"].clone()).map_err(|error| {
        Failure::fault(format!("the gateway does not say where it is: {error}"))
    })?;
    let checkout = active(&args, client).await?.ok_or_else(|| {
        let why = format!("you have no active check-out for {}", args.target);
        Failure::new(Exit::Refused, why)
            .next(format!("ask for one: doorward request {}", args.target))
    })?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await;
    let listener = listener.map_err(|error| {
        Failure::new(
            Exit::Conflict,
            format!("port {} of 127.0.0.1 cannot be opened: {error}", args.port),
        )
        .next("choose another one, or none")
    })?;
    let port = listener
        .local_addr()
        .map_err(|error| Failure::fault(format!("the port is not known: {error}")))?
        .port();
    let authority = ways_in.web.authority(&args.target);
    let passer = Passer::open(access, &authority, port, args.account.as_ref()).await?;
    let url = format!("http://127.0.0.1:{port}/");
    if screen.json() {
        let told = serde_json::json!({ "url": url, "checkout": checkout["code"] });
        screen.raw(&told.to_string())?;
    } else {
        screen.say(one_line(&url))?;
        screen.note(one_line(&format!(
            "This leads to {} under check-out {}, for programs of yours on this machine. Ctrl-C \
             closes it.",
            args.target,
            json::text(&checkout, "code"),
        )));
    }
    tokio::select! {
        () = serve(listener, Arc::new(passer), Gatekeeper::new(port)) => Ok(()),
        ended = watch(&args, checkout, client, screen) => ended,
        () = screen.interrupted() => Ok(()),
    }
}

/// Accepts until it is dropped; what it has accepted ends with it.
async fn serve(listener: TcpListener, passer: Arc<Passer>, gatekeeper: Gatekeeper) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, peer)) = listener.accept().await else {
            // No more file descriptors: somebody's end gives one back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (passer, gatekeeper) = (passer.clone(), gatekeeper);
        connections.spawn(async move {
            let _place = place;
            let is_ours = owner::is_ours(&stream);
            let service = service_fn(|request| {
                let passer = passer.clone();
                async move {
                    let admitted = match is_ours {
                        true => gatekeeper.admits(request.headers()),
                        false => Err(gatekeeper::Refused::Stranger),
                    };
                    Ok::<_, std::convert::Infallible>(match admitted {
                        Ok(()) => passer.pass(request).await,
                        Err(refused) => refused.answer(),
                    })
                }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            if let Err(error) = served.await {
                tracing::debug!(%peer, %error, "Local connection ended");
            }
        });
    }
}

/// The check-out that the gateway would choose: of the active ones that which lasts longest.
async fn active(args: &Web, client: &Client) -> Result<Option<Value>, Failure> {
    let query: Query = vec![
        ("view", "mine".to_owned()),
        ("state", "active".to_owned()),
        ("target", args.target.to_string()),
    ];
    let answer = client.list(&["checkouts"], &query, 50).await?;
    let fits = |checkout: &&Value| {
        let account = args.account.as_ref();
        account.is_none_or(|account| checkout["account_name"] == account.as_str())
            && checkout["asked"] != "reveal"
    };
    let longest = answer
        .items()
        .iter()
        .filter(fits)
        .max_by_key(|checkout| json::time(standing::grant(checkout), "ends_at"));
    Ok(longest.cloned())
}

/// Waits for the end of the check-out, and of every other that could take its place.
async fn watch(args: &Web, mut checkout: Value, client: &Client, screen: &Screen) -> Done {
    let mut events = Events::open(client).await;
    let mut failed = 0;
    loop {
        let code = json::text(&checkout, "code");
        match client.get(&["checkouts", &code], &Query::new()).await {
            Ok(answer) if standing::state(&answer.value) == "ended" => {
                if let Some(other) = active(args, client).await? {
                    checkout = other;
                    continue;
                }
                let why = standing::standing(&answer.value, screen.now());
                let said = one_line(&format!("{code} was {why}; the port is closed"));
                return Err(Failure::new(Exit::Refused, said)
                    .next(format!("ask again: doorward request {}", args.target)));
            }
            Ok(_) => failed = 0,
            Err(failure) if failure.may_pass() && failed < FAILED_LOOKS => failed += 1,
            Err(failure) => return Err(failure),
        }
        let look = tokio::time::sleep(LOOK);
        tokio::pin!(look);
        loop {
            tokio::select! {
                event = events.next() => {
                    if event.is_about(Some(&checkout)) {
                        break;
                    }
                }
                () = &mut look => break,
            }
        }
    }
}
