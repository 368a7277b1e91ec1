//! The questions as keyboard-interactive steps (RFC 4256), for somebody who is signing in.
//!
//! Their identity is proven before the first question; an answer never proves anything. What
//! is asked here reaches people whose client will have no terminal: scp, git, a forward.

use std::borrow::Cow;

use russh::{MethodKind, MethodSet, server::Auth};

use super::{form::Form, words, words::Signpost};
use crate::{
    broker::ssh::login::Login,
    model::principal::Principal,
    session::{Filed, Gate},
};

/// A client without a keyboard answers at once and with nothing, again and again.
const COMPLAINTS: u8 = 3;

/// Somebody who has proven who they are and is asked what they need.
pub struct SigningIn {
    gate: Gate,
    principal: Principal,
    login: Login,
    signpost: Signpost,
    step: Step,
}

enum Step {
    Answering {
        form: Box<Form>,
        complaints: u8,
    },
    /// Told what was filed, or why it was not; the client only says that it has shown it.
    Told(Option<Box<Filed>>),
}

/// What comes after a step.
pub enum Next {
    Ask(Auth),
    /// Signed in; with what was filed, if somebody was there to answer.
    Done(Option<Box<Filed>>),
}

impl SigningIn {
    /// None where there is a check-out, or nothing that could be asked for: what is in the
    /// way is then said where the way ends.
    pub async fn begin(gate: &Gate, principal: &Principal, login: &Login) -> Option<Self> {
        let place = login.place.as_ref()?;
        let (target, account) = (place.target.as_str(), place.account.as_ref());
        match gate.standing(principal, target, account).await {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return None,
        }
        let place = gate.place_to_ask(principal, target, account).await.ok()?;
        let signpost = Signpost {
            user: principal.name.clone(),
            ways_in: gate.ways_in().clone(),
        };
        Some(Self {
            gate: gate.clone(),
            principal: principal.clone(),
            login: login.clone(),
            signpost,
            step: Step::Answering {
                form: Box::new(Form::new(place)),
                complaints: 0,
            },
        })
    }

    /// Whether these are questions for who asks to sign in under that name.
    pub fn is_for(&self, user: &str) -> bool {
        self.login.to_string() == user
    }

    /// What everybody reads whose key was accepted, also who can be asked nothing.
    pub fn banner(&self) -> String {
        let place = self.login.place.as_ref().expect("asked for a place");
        format!("{}\r\n", words::asked_or_not(&place.target, &self.signpost))
    }

    /// The first question.
    pub async fn first(&mut self) -> Next {
        let what = match &self.step {
            Step::Answering { form, .. } => form.what(),
            Step::Told(_) => String::new(),
        };
        let intro = format!("You have no check-out for {what}. Ask for one, or press Ctrl-C.");
        self.next(intro).await
    }

    /// What comes after an answer. None where the client answered nothing at all.
    pub async fn answered(&mut self, text: Option<&str>) -> Next {
        match &mut self.step {
            Step::Told(filed) => Next::Done(filed.take()),
            Step::Answering { form, complaints } => {
                let above = match form.answer(text.unwrap_or_default()) {
                    Ok(()) => String::new(),
                    Err(_) if *complaints + 1 == COMPLAINTS => return Next::Done(None),
                    Err(complaint) => {
                        *complaints += 1;
                        complaint
                    }
                };
                self.next(above).await
            }
        }
    }

    async fn next(&mut self, above: String) -> Next {
        let Step::Answering { form, .. } = &self.step else {
            return Next::Done(None);
        };
        if let Some(question) = form.question() {
            return Next::Ask(ask(above, Some(question)));
        }
        let place = self.login.place.as_ref().expect("asked for a place");
        let (target, account) = (place.target.as_str(), form.account().clone());
        let asked = Form::clone(form).into_ask();
        let filed = self
            .gate
            .request(&self.principal, target, Some(&account), asked);
        let (said, filed) = match filed.await {
            Ok(filed) => (words::filed(&filed, &self.signpost), Some(Box::new(filed))),
            Err(refusal) => (words::refused(&refusal).sentence, None),
        };
        self.step = Step::Told(filed);
        Next::Ask(ask(said, None))
    }
}

/// After a key: it was right, and there is more to say.
pub fn go_on() -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(MethodSet::from(&[MethodKind::KeyboardInteractive][..])),
        partial_success: true,
    }
}

fn ask(above: String, question: Option<String>) -> Auth {
    let prompts = question.map(|question| (Cow::Owned(question), true));
    Auth::Partial {
        name: Cow::Borrowed(""),
        instructions: Cow::Owned(above),
        prompts: Cow::Owned(prompts.into_iter().collect()),
    }
}
