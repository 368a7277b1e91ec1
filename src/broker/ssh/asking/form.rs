//! The questions a policy wants answered, one after the other, and what was answered.
//!
//! Pure. An answer is held against the policy's own rules as it is given; whoever asks shows
//! the question and reads the line.

use crate::model::{
    checkout::{Ask, Place},
    name::AccountName,
    policy::Mode,
    text::Text,
    ticket::TicketRef,
    time::{NotASpan, Span},
};

#[derive(Debug, Clone)]
pub struct Form {
    place: Place,
    questions: Vec<Question>,
    answered: usize,
    ask: Ask,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Ticket,
    Reason,
    Duration,
}

impl Form {
    /// What is of no use is not asked: a field the policy does not take, a duration it fixes.
    pub fn new(place: Place) -> Self {
        let terms = &place.policy.terms;
        let wanted = [
            (terms.ticket != Mode::None, Question::Ticket),
            (terms.reason != Mode::None, Question::Reason),
            (
                terms.minimum_duration < terms.maximum_duration,
                Question::Duration,
            ),
        ];
        let questions = wanted.into_iter().filter(|(wanted, _)| *wanted);
        Self {
            questions: questions.map(|(_, question)| question).collect(),
            place,
            answered: 0,
            ask: Ask::default(),
        }
    }

    /// The account it is filed for, also where none was named.
    pub fn account(&self) -> &AccountName {
        &self.place.account.name
    }

    /// `root on db1`.
    pub fn what(&self) -> String {
        format!("{} on {}", self.place.account.name, self.place.target.name)
    }

    /// Whether nobody need be asked for the request to stand.
    pub fn needs_nobody(&self) -> bool {
        let terms = &self.place.policy.terms;
        terms.ticket != Mode::Required && terms.reason != Mode::Required
    }

    /// The next question; none once all are answered.
    pub fn question(&self) -> Option<String> {
        let terms = &self.place.policy.terms;
        let optional = |mode: Mode| match mode {
            Mode::Optional => ", if there is one",
            Mode::None | Mode::Required => "",
        };
        Some(match self.questions.get(self.answered)? {
            Question::Ticket => match &terms.ticket_pattern {
                Some(pattern) => {
                    format!("Ticket{} ({}): ", optional(terms.ticket), pattern.as_str())
                }
                None => format!("Ticket{}: ", optional(terms.ticket)),
            },
            Question::Reason => format!("Reason{}: ", optional(terms.reason)),
            Question::Duration => format!(
                "For how long, up to {} [{}]: ",
                terms.maximum_duration, terms.default_duration
            ),
        })
    }

    /// Takes the answer to the question, or says what is wrong with it; then it is asked again.
    pub fn answer(&mut self, text: &str) -> Result<(), String> {
        let Some(question) = self.questions.get(self.answered) else {
            return Ok(());
        };
        let text = text.trim();
        match question {
            Question::Ticket => {
                let ticket = match text {
                    "" => None,
                    text => Some(text.parse::<TicketRef>().map_err(capital)?),
                };
                self.place.takes_ticket(ticket.as_ref()).map_err(capital)?;
                self.ask.ticket = ticket;
            }
            Question::Reason => {
                let reason: Text = text.parse().map_err(capital)?;
                self.place.takes_reason(&reason).map_err(capital)?;
                self.ask.reason = reason;
            }
            Question::Duration => {
                self.ask.duration = match text {
                    "" => None,
                    text => Some(self.duration(text)?),
                };
            }
        }
        self.answered += 1;
        Ok(())
    }

    pub fn into_ask(self) -> Ask {
        self.ask
    }

    fn duration(&self, text: &str) -> Result<Span, String> {
        let asked = text.parse().map_err(|error: NotASpan| capital(error))?;
        self.place.policy.terms.fits(asked).map_err(capital)
    }
}

/// A sentence of its own begins with a capital.
fn capital(error: impl ToString) -> String {
    let sentence = error.to_string();
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        ids::{AccountId, PolicyId, TargetId},
        policy::{Policy, Terms},
        target::{Account, Protocol, Target},
        time::Timestamp,
    };

    fn place(terms: Terms) -> Place {
        let now = Timestamp::from_millis(1);
        Place {
            target: Target {
                id: TargetId::new(now, [1; 10]),
                name: "db1".parse().unwrap(),
                protocol: Protocol::Ssh,
                address: "db1:22".parse().unwrap(),
                host_keys: Vec::new(),
                web: None,
                rdp: None,
                policy: None,
                description: Text::default(),
                labels: Vec::new(),
                disabled: false,
                created_at: now,
            },
            account: Account {
                id: AccountId::new(now, [2; 10]),
                name: "root".parse().unwrap(),
                login: "root".to_owned(),
                targets: Default::default(),
                policy: None,
                description: Text::default(),
                secret: None,
                disabled: false,
                created_at: now,
            },
            policy: Policy {
                id: PolicyId::new(now, [3; 10]),
                name: "default".parse().unwrap(),
                description: Text::default(),
                is_default: true,
                terms,
            },
        }
    }

    #[test]
    fn it_asks_what_the_policy_takes_and_shows_the_default() {
        let terms = Terms {
            ticket_pattern: Some("CHG[0-9]{7}".parse().unwrap()),
            reason: Mode::Optional,
            ..Terms::default()
        };
        let mut form = Form::new(place(terms));
        assert!(!form.needs_nobody());
        assert_eq!(form.question().unwrap(), "Ticket (CHG[0-9]{7}): ");
        form.answer("CHG0012345").unwrap();
        assert_eq!(form.question().unwrap(), "Reason, if there is one: ");
        form.answer("").unwrap();
        assert_eq!(form.question().unwrap(), "For how long, up to 8h [1h]: ");
        form.answer(" 30m ").unwrap();
        assert_eq!(form.question(), None);
        let ask = form.into_ask();
        assert_eq!(ask.ticket.unwrap().as_str(), "CHG0012345");
        assert!(ask.reason.is_empty());
        assert_eq!(ask.duration, Some(Span::minutes(30)));
    }

    #[test]
    fn a_wrong_answer_is_asked_again_with_the_reason() {
        let terms = Terms {
            ticket_pattern: Some("CHG[0-9]+".parse().unwrap()),
            ..Terms::default()
        };
        let mut form = Form::new(place(terms));
        for (answer, complaint) in [
            ("", "A ticket number is required."),
            (
                "INC1",
                "Ticket \"INC1\" does not have the required form CHG[0-9]+.",
            ),
        ] {
            assert_eq!(form.answer(answer), Err(complaint.to_owned()));
            assert_eq!(form.question().unwrap(), "Ticket (CHG[0-9]+): ");
        }
        form.answer("CHG1").unwrap();
        assert_eq!(form.answer("  "), Err("A reason is required.".to_owned()));
        assert!(form.answer("a\u{202e}b").is_err());
        form.answer("disk is full").unwrap();
        assert_eq!(
            form.answer("9h"),
            Err("9h is too long: 8h is the most.".to_owned())
        );
        assert!(form.answer("soon").is_err());
        form.answer("").unwrap();
        assert_eq!(form.into_ask().duration, None, "empty is the default");
    }

    #[test]
    fn it_asks_nothing_where_nothing_is_wanted() {
        let terms = Terms {
            ticket: Mode::None,
            reason: Mode::None,
            minimum_duration: Span::hours(1),
            maximum_duration: Span::hours(1),
            ..Terms::default()
        };
        let form = Form::new(place(terms));
        assert!(form.needs_nobody());
        assert_eq!(form.question(), None);
    }
}
