//! One channel between a person and a target.
//!
//! Each direction is a loop of its own: take what has arrived, record it, wait until the
//! other side has room, pass it on, and only then give window back to the sender. So a side
//! that reads slowly slows the one that writes to it, and nothing else. Nothing goes to the
//! target before it is known what will run and the recorder for that is attached.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tracing::debug;

use super::{
    answers::{Answers, Awaited, Turn},
    files::{Files, Plan, Step},
    inbox::{GRANT, Inbox, Item, Stream},
    notice::{Drawn, Notices},
    person::{NO_PERMISSION, PersonChannel, PersonGone, Told, UNAVAILABLE},
    start,
    talk::{Ask, Display, Environment, Size, Start, Tell, Terminal, WantsReply, term},
    target::LegChannel,
    ways::Openings,
};
use crate::{
    model::{capability::Use, refusal::Refusal},
    recording::Track,
    session::Session,
};

/// Counts whatever passes, for the idle limit.
pub type Activity = AtomicU64;

pub struct Relay<'a> {
    pub person: &'a PersonChannel,
    pub asks: &'a Inbox<Ask>,
    pub target: &'a LegChannel,
    pub session: &'a Session,
    pub environment: &'a Environment,
    pub activity: &'a Activity,
    pub openings: &'a Openings,
    pub run: Run<'a>,
}

/// What runs on the channel, known from its start on.
#[derive(Default)]
pub struct Run<'a> {
    track: OnceLock<Track>,
    /// Set before the track, where it moves files.
    files: OnceLock<Files<'a>>,
    answers: Answers,
}

/// What was set before the start.
#[derive(Default)]
struct Preparation {
    terminal: Option<Terminal>,
    variables: Vec<(String, String)>,
    agent: bool,
    display: Option<Display>,
    /// What was asked for besides and is not given; said where there is a terminal.
    refused: Vec<Refusal>,
}

/// Why the way down ended before the target ended it.
enum DownEnd {
    PersonGone,
    /// What the target sent may not go on.
    Refused(Refusal),
}

impl From<PersonGone> for DownEnd {
    fn from(_: PersonGone) -> Self {
        Self::PersonGone
    }
}

/// Why the way up ended.
enum UpEnd {
    Closed,
    Refused(Refusal),
    TargetGone,
}

impl From<PersonGone> for UpEnd {
    fn from(_: PersonGone) -> Self {
        Self::Closed
    }
}

impl From<russh::Error> for UpEnd {
    fn from(_: russh::Error) -> Self {
        Self::TargetGone
    }
}

impl Relay<'_> {
    /// Until the target has closed the channel, or it is refused. A client that closes it
    /// first waits, as it does without us, to hear how what ran has ended.
    pub async fn run(mut self) {
        let up = async {
            match self.up().await {
                Err(UpEnd::Refused(refusal)) => {
                    Box::pin(self.refuse(&refusal)).await;
                    return refusal.to_string();
                }
                Ok(()) | Err(UpEnd::Closed) => {
                    self.person.leaves();
                    self.target.write.close().await.ok();
                }
                Err(UpEnd::TargetGone) => {}
            }
            // What the target said before it goes is still on its way down.
            std::future::pending().await
        };
        // None goes first: whoever floods one way has used up the turn before the other's.
        let last_word = tokio::select! {
            last_word = self.down() => last_word,
            last_word = up => last_word,
        };
        // Either may be closed or gone already.
        self.target.write.close().await.ok();
        // Its last rows and its audit event, before that of the recording.
        drop(self.run.files.take());
        if let Some(track) = self.run.track.take() {
            self.session.recorded(track, &last_word).await;
        }
    }

    /// From the person to the target.
    async fn up(&self) -> Result<(), UpEnd> {
        // In a box, as all that is seldom: an idle channel keeps no room for it.
        Box::pin(self.start()).await?;
        let mut passed = 0;
        while let Some(item) = self.asks.next().await {
            match item {
                Item::Bytes(_, bytes) => {
                    let length = bytes.len() as u32;
                    self.touch();
                    self.input(bytes).await?;
                    self.session.count_in(u64::from(length));
                    passed += length;
                    if passed >= GRANT {
                        self.person.grant(passed).await?;
                        passed = 0;
                    }
                }
                Item::Control(Ask::Close) => return Ok(()),
                Item::Control(Ask::Eof) => self.target.write.eof().await?,
                Item::Control(Ask::EndOfWrite) => self.target.write.end_of_write().await?,
                Item::Control(Ask::Signal(signal)) => self.target.write.signal(signal).await?,
                Item::Control(Ask::Resize(size)) => self.resize(size).await?,
                Item::Control(ask) => self.decline(&ask).await?,
            }
        }
        Ok(())
    }

    async fn input(&self, mut bytes: Bytes) -> Result<(), UpEnd> {
        let Some(files) = self.run.files.get() else {
            self.typed(&bytes).await;
            return Ok(self.target.write.data_bytes(bytes).await?);
        };
        while !bytes.is_empty() {
            let step = Box::pin(files.up(&mut bytes))
                .await
                .map_err(UpEnd::Refused)?;
            self.write_down(&step).await;
            for piece in step.pass {
                self.target.write.data_bytes(piece).await?;
            }
            for sentence in step.say {
                self.person.say(&sentence).await?;
            }
        }
        Ok(())
    }

    /// Records what the person sends, where the policy asks for it.
    async fn typed(&self, bytes: &[u8]) {
        if let Some(track) = self.run.track.get()
            && let Err(error) = track.input(bytes).await
        {
            // INVARIANT: as for output; nothing goes on unrecorded while the kill arrives.
            debug!(session = %self.session.id(), %error, "Input not recorded");
            std::future::pending().await
        }
    }

    /// Gathers what is set before the start, then starts it: admitted, recorded, passed on.
    async fn start(&self) -> Result<(), UpEnd> {
        let mut preparation = Preparation::default();
        while let Some(item) = self.asks.next().await {
            match item {
                // Nothing runs yet that could read it.
                Item::Bytes(..) | Item::Control(Ask::Signal(_) | Ask::EndOfWrite | Ask::Eof) => {}
                Item::Control(Ask::Close) => return Err(UpEnd::Closed),
                Item::Control(Ask::Resize(size)) => {
                    if let Some(terminal) = &mut preparation.terminal {
                        terminal.size = size;
                    }
                }
                Item::Control(Ask::Terminal(wants, terminal)) => {
                    self.person.has_terminal();
                    preparation.terminal = Some(Terminal {
                        term: term(&terminal.term),
                        ..terminal
                    });
                    self.answer(wants, true).await?;
                }
                Item::Control(Ask::Variable(wants, name, value)) => {
                    let already = preparation.variables.len();
                    let allowed = self.environment.allows(&name, &value, already);
                    if allowed {
                        preparation.variables.push((name, value));
                    }
                    self.answer(wants, allowed).await?;
                }
                Item::Control(Ask::Unknown(wants)) => self.answer(wants, false).await?,
                Item::Control(Ask::Agent(wants)) => {
                    let admitted = self.admit_besides(Use::Agent).await;
                    self.answer(wants, admitted.is_ok()).await?;
                    match admitted {
                        Ok(()) => preparation.agent = true,
                        Err(refusal) => preparation.refused.push(refusal),
                    }
                }
                Item::Control(Ask::Display(wants, display)) => {
                    let admitted = match display.is_sound() {
                        true => self.admit_besides(Use::X11).await,
                        false => self.refuse_display().await,
                    };
                    // At once: it comes before the answers about the terminal. Should the
                    // target not give it, that is said.
                    self.answer(wants, admitted.is_ok()).await?;
                    match admitted {
                        Ok(()) => preparation.display = Some(display),
                        Err(refusal) => preparation.refused.push(refusal),
                    }
                }
                Item::Control(Ask::Start(wants, mut start)) => {
                    let terminal = preparation.terminal.as_ref();
                    let admitted = self.admit(&mut start, terminal).await;
                    if admitted.is_err() {
                        // A client shows what it is told only where something runs.
                        self.answer(wants, true).await?;
                    }
                    admitted.map_err(UpEnd::Refused)?;
                    return self.launch(preparation, wants, start).await;
                }
            }
        }
        Err(UpEnd::Closed)
    }

    /// Whether this may run (P6), and its recorder (P1).
    async fn admit(&self, start: &mut Start, terminal: Option<&Terminal>) -> Result<(), Refusal> {
        let plan = Plan::of(start, self.session.permit())?;
        // scp asks for no terminal; what comes through one is no stream of its.
        let plan = plan.filter(|plan| terminal.is_none() || !plan.is_any_command());
        match plan.as_ref().map(Plan::command) {
            None => {
                self.session.permit().allows(start::needed(start)?)?;
            }
            Some(Some(command)) => *start = Start::Exec(command),
            Some(None) => {}
        }
        self.session.recheck().await?;
        let track = self.session.record(start::content(start, terminal)).await?;
        if let Some(plan) = plan {
            let recording = track.recording().map(|recording| recording.id.clone());
            let files = Files::new(self.session, plan, recording);
            if self.run.files.set(files).is_err() {
                debug!("Started twice");
            }
        }
        if self.run.track.set(track).is_err() {
            debug!("Started twice");
        }
        Ok(())
    }

    /// Whether the target may use what is the person's own. Nothing of it is a byte for the
    /// target yet; each channel that it opens is admitted by itself.
    async fn admit_besides(&self, wanted: Use<'_>) -> Result<(), Refusal> {
        let admitted = self.session.permit().allows(wanted);
        if let Err(refusal) = &admitted {
            let kind = "forward.refused";
            self.session.audit_refused(kind, refusal).await;
        }
        admitted
    }

    async fn refuse_display(&self) -> Result<(), Refusal> {
        let what = "X11 forwarding with such a cookie".to_owned();
        let refusal = Refusal::Unsupported(what);
        self.session
            .audit_refused("forward.refused", &refusal)
            .await;
        Err(refusal)
    }

    async fn launch(
        &self,
        preparation: Preparation,
        wants: WantsReply,
        start: Start,
    ) -> Result<(), UpEnd> {
        let target = &self.target.write;
        if preparation.terminal.is_some() {
            // Programs that read what a command says get nothing of ours in between.
            for refusal in &preparation.refused {
                self.person.say(&format!("Refused: {refusal}")).await?;
            }
        }
        if let Some(display) = preparation.display {
            self.openings.allow_display();
            self.run.answers.expect(Awaited::Display);
            let Display {
                single_connection,
                protocol,
                cookie,
                screen,
            } = display;
            target
                .request_x11(true, single_connection, protocol, cookie, screen)
                .await?;
        }
        if preparation.agent {
            self.openings.allow_agent();
            target.agent_forward(false).await?;
        }
        if let Some(terminal) = preparation.terminal {
            let size = terminal.size;
            self.run.answers.expect(Awaited::Terminal);
            target
                .request_pty(
                    true,
                    &terminal.term,
                    size.columns,
                    size.rows,
                    size.pixels_wide,
                    size.pixels_high,
                    &terminal.modes,
                )
                .await?;
        }
        for (name, value) in preparation.variables {
            target.set_env(false, name, value).await?;
        }
        self.run.answers.expect(Awaited::Start(wants));
        match start {
            Start::Shell => target.request_shell(true).await?,
            Start::Exec(command) => target.exec(true, command).await?,
            Start::Subsystem(name) => target.request_subsystem(true, name).await?,
        }
        Ok(())
    }

    /// From the target to the person. Returns the recording's last word.
    async fn down(&self) -> String {
        let mut last_word = None;
        let mut passed = 0;
        let mut notices = Notices::new(self.session.notices());
        loop {
            let item = tokio::select! {
                item = self.target.tells.next() => item,
                ours = self.ours() => {
                    if self.pass_down(ours).await.is_err() {
                        return "the person was gone".to_owned();
                    }
                    continue;
                }
                notice = notices.next() => {
                    Box::pin(self.tell(notice)).await;
                    continue;
                }
            };
            let Some(item) = item else {
                return self.last_word(last_word);
            };
            let done = match item {
                Item::Bytes(stream, bytes) => {
                    if stream == Stream::Out && self.person.is_terminal() {
                        notices.follow(&bytes);
                    }
                    self.output(stream, bytes, &mut passed).await
                }
                Item::Control(Tell::Answer(yes)) => Box::pin(self.answered(yes)).await,
                Item::Control(Tell::Lost) => {
                    let told = Told {
                        sentence: format!("Connection to {} lost", self.session.target().name),
                        status: UNAVAILABLE,
                    };
                    // The person may have left for the same reason.
                    self.person.refuse(&told).await.ok();
                    return told.sentence;
                }
                Item::Control(tell) => {
                    let closes = matches!(tell, Tell::Close);
                    if let Tell::ExitStatus(status) = tell {
                        last_word = Some(format!("exit status {status}"));
                    } else if let Tell::ExitSignal { signal, .. } = &tell {
                        last_word = Some(format!("ended by signal {signal:?}"));
                    }
                    let passed_on = self.pass_on(tell).await;
                    if closes {
                        return self.last_word(last_word);
                    }
                    passed_on
                }
            };
            match done {
                Ok(()) => {}
                Err(DownEnd::PersonGone) => return "the person was gone".to_owned(),
                Err(DownEnd::Refused(refusal)) => {
                    Box::pin(self.refuse(&refusal)).await;
                    return refusal.to_string();
                }
            }
        }
    }

    fn last_word(&self, said: Option<String>) -> String {
        said.unwrap_or_else(|| {
            match self.person.has_left() {
                true => "closed by the person",
                false => "closed by the target",
            }
            .to_owned()
        })
    }

    /// Answers that the gateway gives in the target's place, when they are due.
    async fn ours(&self) -> Vec<Bytes> {
        match self.run.files.get() {
            Some(files) => files.ours().await,
            // Looked at again after the next word of the target, which is before the first
            // answer of ours: nothing is asked before it has started something.
            None => std::future::pending().await,
        }
    }

    async fn pass_on(&self, tell: Tell) -> Result<(), DownEnd> {
        if let (Tell::Eof | Tell::Close, Some(files)) = (&tell, self.run.files.get()) {
            self.pass_down(files.last_of_ours()).await?;
        }
        Ok(self.person.pass_on(tell).await?)
    }

    async fn pass_down(&self, pieces: Vec<Bytes>) -> Result<(), PersonGone> {
        for piece in pieces {
            self.person.bytes(Stream::Out, piece).await?;
        }
        Ok(())
    }

    async fn output(&self, stream: Stream, bytes: Bytes, passed: &mut u32) -> Result<(), DownEnd> {
        let length = bytes.len() as u32;
        self.touch();
        // Before the start was admitted nothing runs that could say something.
        let Some(track) = self.run.track.get() else {
            return Ok(());
        };
        let files = match stream {
            Stream::Out => self.run.files.get(),
            Stream::Err => None,
        };
        // INVARIANT: recorded before it is forwarded; a recorder that must and cannot pulls
        // the switch.
        let recorded = match stream {
            // A line for each file stands for its content.
            Stream::Out if files.is_some_and(Files::are_all) => Ok(()),
            Stream::Out => track.output(&bytes).await,
            Stream::Err => track.error_output(&bytes).await,
        };
        if let Err(error) = recorded {
            debug!(session = %self.session.id(), %error, "Output not recorded");
            return std::future::pending().await;
        }
        match files {
            None => self.person.bytes(stream, bytes).await?,
            Some(files) => {
                let step = Box::pin(files.down(bytes))
                    .await
                    .map_err(DownEnd::Refused)?;
                self.write_down(&step).await;
                self.pass_down(step.pass).await?;
            }
        }
        self.session.count_out(u64::from(length));
        *passed += length;
        if *passed >= GRANT {
            let amount = std::mem::take(passed);
            // A target that is gone is noticed where it is read.
            self.target.write.grant_window(amount).await.ok();
        }
        Ok(())
    }

    /// What happened to files, in the recording.
    async fn write_down(&self, step: &Step) {
        let Some(track) = self.run.track.get() else {
            return;
        };
        for line in &step.lines {
            if let Err(error) = track.marker(line).await {
                debug!(session = %self.session.id(), %error, "File not recorded");
                return std::future::pending().await;
            }
        }
    }

    /// Ends the channel with a sentence.
    async fn refuse(&self, refusal: &Refusal) {
        self.session.audit_refused("channel.refused", refusal).await;
        let told = Told {
            sentence: format!("Refused: {refusal}"),
            status: NO_PERMISSION,
        };
        // Nobody left to be told.
        self.person.refuse(&told).await.ok();
    }

    async fn tell(&self, notice: Drawn) {
        if let Some(track) = self.run.track.get() {
            // A recorder that fails has pulled the switch.
            track.marker(&notice.sentence).await.ok();
        }
        // A person who is gone is noticed with the next output.
        self.person.bytes(Stream::Out, notice.bytes).await.ok();
    }

    async fn answered(&self, yes: bool) -> Result<(), DownEnd> {
        let told = match self.run.answers.due() {
            Some(Awaited::Terminal) if !yes => {
                self.person.say("The target gives no terminal").await
            }
            Some(Awaited::Display) if !yes => {
                self.person.say("The target gives no X11 forwarding").await
            }
            Some(Awaited::Start(true)) => self.person.answer(yes).await,
            _ => Ok(()),
        };
        told?;
        self.run.answers.given();
        while let Some(Awaited::Declined) = self.run.answers.due() {
            self.person.answer(false).await?;
            self.run.answers.given();
        }
        Ok(())
    }

    async fn resize(&self, size: Size) -> Result<(), UpEnd> {
        let target = &self.target.write;
        let (wide, high) = (size.pixels_wide, size.pixels_high);
        target
            .window_change(size.columns, size.rows, wide, high)
            .await?;
        if let Some(track) = self.run.track.get() {
            // A recorder that fails has pulled the switch.
            track.resize(size.columns, size.rows).await.ok();
        }
        Ok(())
    }

    /// Refuses a request in its turn and goes on.
    async fn decline(&self, ask: &Ask) -> Result<(), UpEnd> {
        if !ask.wants_reply() {
            return Ok(());
        }
        match self.run.answers.decline() {
            Turn::Now => Ok(self.person.answer(false).await?),
            Turn::Later => Ok(()),
            Turn::Never => {
                let what = "so many requests at once".to_owned();
                Err(UpEnd::Refused(Refusal::Unsupported(what)))
            }
        }
    }

    async fn answer(&self, wants: WantsReply, yes: bool) -> Result<(), PersonGone> {
        if wants {
            self.person.answer(yes).await
        } else {
            Ok(())
        }
    }

    fn touch(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }
}
