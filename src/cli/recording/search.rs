//! `recordings search`: lines in which words stand, in every recording that may be seen.
//!
//! The gateway searches, this shows what it finds as it comes and goes on where it stopped.

use clap::Args;
use futures::StreamExt as _;
use serde_json::Value;

use crate::{
    cli::{
        client::{Client, Query},
        exit::{Done, Exit, Failure},
        filter::Filter,
        json,
        screen::{Screen, one_line},
    },
    model::time::{Span, Timestamp},
};

/// A line is a name, a number and a snippet.
const LONGEST_LINE: usize = 64 * 1024;
/// As many as one search of the gateway shows at most.
const MOST: usize = 200;

#[derive(Args)]
pub struct Search {
    /// All of them in one line, in any order; quote what stands together
    #[arg(required = true)]
    words: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Only recordings that started at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only recordings that started before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Show this many lines at most
    #[arg(long, short = 'n', default_value = "50")]
    limit: usize,
}

/// What has been shown so far.
#[derive(Default)]
struct Shown {
    lines: usize,
    searched: u64,
    recording: String,
    next: Option<String>,
}

pub async fn run(args: Search, client: &Client, screen: &Screen) -> Done {
    let mut query = Query::new();
    query.push(("q", quoted(&args.words)));
    args.filter.narrow(&mut query);
    query.extend(args.since.map(|since| ("since", since.to_string())));
    query.extend(args.until.map(|until| ("until", until.to_string())));
    let mut shown = Shown::default();
    while shown.lines < args.limit {
        let left = (args.limit - shown.lines).min(MOST);
        let mut part = query.clone();
        part.push(("limit", left.to_string()));
        part.extend(shown.next.take().map(|cursor| ("cursor", cursor)));
        read(&part, client, screen, &mut shown).await?;
        if shown.next.is_none() {
            break;
        }
    }
    if !screen.json() {
        let more = match shown.next {
            Some(_) => "; there are more, older ones: ask with a larger --limit",
            None => "",
        };
        screen.note(format!(
            "{} lines in {} recordings searched{more}.",
            shown.lines, shown.searched
        ));
    }
    Ok(())
}

/// A word with blanks in it is a phrase.
fn quoted(words: &[String]) -> String {
    let quote = |word: &String| match word.contains(char::is_whitespace) {
        true => format!("\"{word}\""),
        false => word.clone(),
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

async fn read(query: &Query, client: &Client, screen: &Screen, shown: &mut Shown) -> Done {
    let response = client.stream(&["recordings", "search"], query).await?;
    let mut body = response.bytes_stream();
    let mut rest = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| {
            Failure::new(Exit::Unreachable, format!("the search broke off ({error})"))
        })?;
        rest.extend_from_slice(&piece);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            show(&line, screen, shown)?;
        }
        if rest.len() > LONGEST_LINE {
            return Err(Failure::fault("the gateway's answer is no list of lines"));
        }
    }
    Ok(())
}

fn show(line: &[u8], screen: &Screen, shown: &mut Shown) -> Done {
    let hit: Value = serde_json::from_slice(line)
        .map_err(|_| Failure::fault("the gateway's answer is no JSON"))?;
    if hit.get("searched").is_some() {
        shown.searched += json::number(&hit, "searched");
        shown.next = hit["next"].as_str().map(str::to_owned);
        return Ok(());
    }
    if hit.get("problem").is_some() {
        let (id, why) = (json::text(&hit, "recording"), json::text(&hit, "problem"));
        screen.note(format!("{id}: not searched: {}", one_line(&why)));
        return Ok(());
    }
    shown.lines += 1;
    if screen.json() {
        return screen.raw(&hit.to_string());
    }
    let id = json::text(&hit, "recording");
    if shown.recording != id {
        let started = json::time(&hit, "started_at");
        screen.say(format!(
            "{id}  {}  {} on {} as {}  {}",
            json::text(&hit, "code"),
            json::text(&hit, "user_name"),
            json::text(&hit, "target_name"),
            json::text(&hit, "account_name"),
            started.map(|at| screen.when(at)).unwrap_or_default(),
        ))?;
        shown.recording = id;
    }
    let at = Span::seconds(hit["at_s"].as_f64().unwrap_or_default() as u64);
    screen.say(format!(
        "{:>10}  {}",
        at.to_string(),
        one_line(&json::text(&hit, "text"))
    ))
}
