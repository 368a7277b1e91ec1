//! The transcript's second half: a web application behind the same door.
//!
//! Pages come by the system's `curl`. The WebSocket is held by a client of the demo's own, as
//! no usual program holds one and says why it was closed.

use std::process::Stdio;

use serde_json::json;
use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};

use super::{
    story::{Ended, PATIENCE, Story, ended},
    wiki::GREETING,
};
use crate::{
    cli::{
        exit::{Done, Failure},
        trust,
    },
    clock::Stopwatch,
};

impl Story<'_> {
    pub async fn web_refused(&self) -> Done {
        let ended = self.curl().await?;
        self.must(
            ended.out.contains("\"code\":\"no-checkout\""),
            "curl was told what to do",
        )?;
        self.must(
            self.stage.wiki.visits() == 0,
            "the wiki was never contacted",
        )
    }

    pub async fn web_served(&self) -> Done {
        let ended = self.curl().await?;
        self.must(ended.out.contains(GREETING), "the page is served")?;
        let leaked = [&ended.out, &ended.error]
            .iter()
            .any(|text| text.contains(self.stage.wiki.password.as_str()));
        self.must(
            !leaked,
            "the gateway gave the wiki its password, and nobody else",
        )
    }

    pub async fn web_cut(&self, code: &str) -> Done {
        self.tell.command(
            "alice",
            &format!(
                "(a WebSocket to {}socket)",
                self.stage.wiki_url().replace("https", "wss")
            ),
        );
        let mut socket = timeout(PATIENCE, self.socket())
            .await
            .map_err(|_| Failure::fault("the WebSocket was not opened"))??;
        let mut beat = String::new();
        for _ in 0..3 {
            beat = frame(&mut socket).await?.1;
        }
        self.tell.output(&beat);
        self.must(beat.starts_with("beat "), "it is alive")?;
        let message = "that is enough";
        self.tell.command(
            "bob",
            &format!("doorward revoke {code} --message '{message}'"),
        );
        let path = ["checkouts", code, "revoke"];
        let body = json!({ "message": message });
        let watch = Stopwatch::start();
        let revoke = self.stage.bob.client.post(&path, &body);
        let closed = async {
            loop {
                let (opcode, text) = frame(&mut socket).await?;
                if opcode == CLOSE {
                    return Ok::<_, Failure>((text, watch.elapsed()));
                }
            }
        };
        let (revoked, closed) = tokio::join!(revoke, timeout(PATIENCE, closed));
        revoked?;
        let (why, after) = closed.map_err(|_| Failure::fault("the WebSocket stayed open"))??;
        self.tell.output(&why);
        let said = format!("Access ended: revoked by bob: {message} (check-out {code})");
        self.must(why.contains(&said), "her client was told why")?;
        self.tell.done(&format!(
            "her WebSocket was closed {} ms after the revoke was sent",
            after.as_millis()
        ));
        let again = self.curl().await?;
        self.must(
            again.out.contains(&said),
            "and the next request says it too",
        )
    }

    /// The system's curl, shown.
    async fn curl(&self) -> Result<Ended, Failure> {
        let url = self.stage.wiki_url();
        self.tell
            .command("alice", &format!("curl -H @alice.header {url}"));
        let header = self.stage.folder.at("alice.header");
        let mut curl = Command::new("curl");
        curl.args(["-q", "--silent", "--show-error", "--cacert"])
            .arg(self.stage.authority())
            .arg("-H")
            .arg(format!("@{}", header.display()))
            .arg(&url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let ended = ended(curl).await?;
        self.tell.output(&ended.error);
        self.tell.output(&ended.out);
        Ok(ended)
    }

    async fn socket(&self) -> Result<reqwest::Upgraded, Failure> {
        let failed = |error: reqwest::Error| Failure::fault(format!("the WebSocket: {error}"));
        let http = trust::apply(self.stage.trust(), reqwest::Client::builder())?
            .http1_only()
            .resolve(&self.stage.wiki_host(), self.stage.web())
            .build()
            .map_err(failed)?;
        let answer = http
            .get(format!("{}socket", self.stage.wiki_url()))
            .header("Doorward-Token", self.stage.alice.token())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "ZG9vcndhcmQgZGVtbyE9PQ==")
            .send()
            .await
            .map_err(failed)?;
        answer.upgrade().await.map_err(failed)
    }
}

const CLOSE: u8 = 8;

/// One short frame of a server: what kind, and its text (RFC 6455 s5.2).
async fn frame(socket: &mut reqwest::Upgraded) -> Result<(u8, String), Failure> {
    let failed = |error| Failure::fault(format!("the WebSocket broke off: {error}"));
    let mut head = [0; 2];
    socket.read_exact(&mut head).await.map_err(failed)?;
    let mut text = vec![0; usize::from(head[1] & 0x7f)];
    socket.read_exact(&mut text).await.map_err(failed)?;
    let opcode = head[0] & 0x0f;
    if opcode == CLOSE {
        // The code stands before the reason.
        text.drain(..text.len().min(2));
    }
    Ok((opcode, String::from_utf8_lossy(&text).into_owned()))
}
