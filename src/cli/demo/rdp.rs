//! The transcript's last part: a desktop behind the same door, seen with xfreerdp.

use std::{fs, time::Duration};

use serde_json::json;
use tokio::time::timeout;

use super::{
    desktop::DemoDesktop,
    stage::DESKTOP,
    story::{Ended, PATIENCE, Story, ended, items},
    target::Group,
};
use crate::{
    cli::exit::{Done, Failure},
    clock::Stopwatch,
};

/// A screen has come when so much has.
const SCREEN: u64 = 10_000;

impl Story<'_> {
    pub async fn rdp_refused(&self) -> Done {
        let asked = self.doorward(&self.stage.alice, &["rdp", DESKTOP]).await?;
        self.must(
            !asked.success && asked.out.is_empty(),
            "there is no secret to come in with",
        )
    }

    /// Alice's client runs until bob ends it.
    pub async fn rdp_cut(&self, desktop: &DemoDesktop, code: &str) -> Done {
        let alice = &self.stage.alice;
        let shown = self.doorward(alice, &["rdp", DESKTOP]).await?;
        self.must(
            shown.success && !shown.out.contains(desktop.password.as_str()),
            "a secret of this check-out alone, and not the desktop's password",
        )?;
        let mut client = self.command(alice, &["rdp", DESKTOP, "--open"])?;
        let client = client
            .env("DISPLAY", &desktop.display)
            .env("HOME", self.stage.folder.at("desktop"))
            // What it starts is ended with it.
            .process_group(0)
            .spawn();
        let client = client.map_err(|error| Failure::fault(format!("xfreerdp: {error}")))?;
        let _group = Group::of(&client);
        let mut client = std::pin::pin!(client.wait_with_output());
        tokio::select! {
            come = timeout(PATIENCE, self.screen_has_come()) => {
                let come = come.map_err(|_| Failure::fault("no screen has come"))?;
                come?;
            }
            output = &mut client => {
                let said = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
                self.tell.output(&said.unwrap_or_default());
                return self.must(false, "xfreerdp shows the desktop");
            }
        }
        self.tell.done("xfreerdp shows the desktop");

        let message = "log off, please";
        self.tell.command(
            "bob",
            &format!("doorward revoke {code} --message '{message}'"),
        );
        let path = ["checkouts", code, "revoke"];
        let body = json!({ "message": message });
        let watch = Stopwatch::start();
        let revoke = self.stage.bob.client.post(&path, &body);
        let gone = async { (client.await, watch.elapsed()) };
        let (revoked, gone) = tokio::join!(revoke, timeout(PATIENCE, gone));
        revoked?;
        let (output, after) = gone.map_err(|_| Failure::fault("xfreerdp stayed"))?;
        let output = output.map_err(|error| Failure::fault(format!("xfreerdp: {error}")))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = said
            .lines()
            .rev()
            .find_map(|line| line.split_once("ERRINFO_"));
        let why = why.map(|(_, why)| why).unwrap_or_default();
        self.tell.output(why);
        self.must(
            why.contains("administrative tool"),
            "her client was told that an administrator has ended it",
        )?;
        self.tell.done(&format!(
            "it was gone {} ms after the revoke was sent",
            after.as_millis()
        ));
        self.rdp_recorded(code).await
    }

    async fn screen_has_come(&self) -> Done {
        let query = [("live", "true"), ("target", DESKTOP)];
        loop {
            let live = items(&self.stage.bob.client, &["sessions"], &query).await?;
            let come = live.first().and_then(|live| live["bytes_out"].as_u64());
            if come.is_some_and(|bytes| bytes > SCREEN) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn rdp_recorded(&self, code: &str) -> Done {
        let id = timeout(PATIENCE, self.first_recording(code)).await;
        let id = id.map_err(|_| Failure::fault("no recording was finished"))??;
        let stills = self.stage.folder.at("stills");
        let mut export = self.command(
            &self.stage.root,
            &["recordings", "export", &id, "--stills", "stills"],
        )?;
        export.current_dir(self.stage.folder.at(""));
        let Ended { success, error, .. } = ended(export).await?;
        self.tell.output(&error);
        let pictures = fs::read_dir(stills).into_iter().flatten().count();
        self.must(
            success && pictures > 0,
            "what she saw is kept as pictures, and as a video for whoever has ffmpeg",
        )
    }
}
