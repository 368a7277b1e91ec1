//! `request db1` at a terminal: what the policy wants is asked for, and the command made whole.
//!
//! Fills in a form and nothing else; the command that comes out is run like any other.

use super::Sitting;
use crate::broker::ssh::{
    asking::Form,
    console::{Typed, editor::Editor},
    person::PersonGone,
};

/// The words as they were where nothing is to be asked; none where the person thought better.
pub async fn filled_in(
    sitting: &mut Sitting<'_>,
    words: Vec<String>,
) -> Result<Option<Vec<String>>, PersonGone> {
    let [verb, target] = words.as_slice() else {
        return Ok(Some(words));
    };
    if verb != "request" || target.starts_with('-') {
        return Ok(Some(words));
    }
    let hall = sitting.visit.hall;
    let by = &hall.visitor.principal;
    // Who may not ask is told so by the command itself, as is who has asked already.
    let Ok(None) = hall.gate.standing(by, target, None).await else {
        return Ok(Some(words));
    };
    let Ok(place) = hall.gate.place_to_ask(by, target, None).await else {
        return Ok(Some(words));
    };
    let mut form = Form::new(place);
    let mut editor = Editor::default();
    while let Some(question) = form.question() {
        match sitting.console.line(&question, &mut editor).await? {
            Typed::Line(answer) => {
                if let Err(complaint) = form.answer(&answer) {
                    sitting.console.say(&complaint).await?;
                }
            }
            Typed::Interrupt | Typed::End => return Ok(None),
        }
    }
    let ask = form.into_ask();
    let mut whole = words;
    if let Some(ticket) = ask.ticket {
        whole.push(format!("--ticket={ticket}"));
    }
    if !ask.reason.is_empty() {
        whole.push(format!("--reason={}", ask.reason));
    }
    if let Some(duration) = ask.duration {
        whole.push(format!("--for={duration}"));
    }
    Ok(Some(whole))
}
