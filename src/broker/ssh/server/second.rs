//! The second factor at the prompts: asked for after a right password, whichever way that came.
//!
//! A code is all that can be typed here; passkeys are the console's. Who must set a factor up
//! first is told where, and not let in.

use std::borrow::Cow;

use russh::{
    MethodKind, MethodSet,
    server::{Auth, Response},
};
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use super::{
    FromPerson,
    proof::{Means, rejected},
};
use crate::{
    identity::{Door, FactorError, Half, Second, SignInError},
    model::{session::KillReason, time::Span},
};

/// So often a code may be mistyped before the password is asked for again.
const TRIES: u8 = 3;

/// How long they may take for it.
const WITHIN: Span = Span::minutes(2);

/// Somebody whose password was right.
pub(super) struct HalfWay {
    /// The log-in name that it was typed under.
    user: String,
    step: Zeroizing<String>,
    /// Whether they must set a second factor up first, which cannot be done here.
    enrols: bool,
    tries: u8,
}

impl FromPerson {
    /// A right password that is not enough.
    pub(super) fn half_way(&mut self, user: &str, half: Half, means: Means) -> Auth {
        let half = HalfWay {
            user: user.to_owned(),
            step: Zeroizing::new(half.secret.reveal().to_owned()),
            enrols: half.enrols(),
            tries: 0,
        };
        // The password was right. To look for a phone takes longer than a handshake may.
        self.arrival.signed_in();
        let switch = self.switch.clone();
        self.hurry = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(WITHIN.duration()).await;
            switch.pull(KillReason::HandshakeTooSlow(WITHIN));
        })));
        match means {
            Means::Keyboard => self.ask_second(half, ""),
            // As OpenSSH's own server does it: one proof is there, the next is asked for by the
            // only way on which it can be typed.
            Means::Key | Means::Password => {
                self.half = Some(half);
                Auth::Reject {
                    proceed_with_methods: Some(MethodSet::from(
                        &[MethodKind::KeyboardInteractive][..],
                    )),
                    partial_success: true,
                }
            }
        }
    }

    fn ask_second(&mut self, half: HalfWay, says: &'static str) -> Auth {
        let (instructions, prompts): (Cow<'static, str>, &[(Cow<'static, str>, bool)]) =
            match half.enrols {
                true => {
                    let console = &self.broker.gate().ways_in().console;
                    let says = format!(
                        "You must have a second factor here. Set it up at {console} first, or sign \
                         in with an SSH key."
                    );
                    (says.into(), &[])
                }
                false => (says.into(), &[(Cow::Borrowed("Code: "), false)]),
            };
        self.half = Some(half);
        Auth::Partial {
            name: Cow::Borrowed(""),
            instructions,
            prompts: Cow::Borrowed(prompts),
        }
    }

    /// What they typed at that prompt; nothing where it was not shown yet.
    pub(super) async fn second(
        &mut self,
        user: &str,
        mut half: HalfWay,
        response: Option<Response<'_>>,
    ) -> Result<Auth, russh::Error> {
        if half.user != user {
            return Ok(rejected());
        }
        let Some(mut response) = response else {
            return Ok(self.ask_second(half, ""));
        };
        // Told, and that was all.
        if half.enrols {
            return Ok(rejected());
        }
        let code = match (response.next(), response.next()) {
            (Some(code), None) => String::from_utf8(code.to_vec()).ok(),
            _ => None,
        };
        let Some(code) = code.map(Zeroizing::new) else {
            return Ok(rejected());
        };
        let identity = self.broker.gate().identity();
        let shown = Second::Code(&code);
        let whole = identity
            .second(&half.step, &shown, self.peer.ip(), Door::Ssh)
            .await;
        match whole {
            Ok(whole) => self.prove(user, Ok(whole.principal), Means::Keyboard).await,
            Err(SignInError::Factor(FactorError::Wrong)) if half.tries + 1 < TRIES => {
                half.tries += 1;
                Ok(self.ask_second(half, "This is not right, or it was used already."))
            }
            Err(SignInError::Factor(_)) => Ok(rejected()),
            Err(error) => self.prove(user, Err(error), Means::Keyboard).await,
        }
    }
}
