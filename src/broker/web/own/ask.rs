//! Somebody stands before a target without a check-out: asked for what the policy wants, at
//! the very address that they had asked for.
//!
//! Files the request as everybody else does and decides nothing. What is shown at an address
//! follows from what stands, so that another window, or the way back, shows the same.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Request, Response, StatusCode,
    header::{self, HeaderValue},
};
use tokio::time::timeout;

use super::{see_other, set_cookie, shown, wait, wants_window};
use crate::{
    broker::web::{
        answer::Answer, body::Body, callers::Caller, headers, host::Place, proxy::Proxy,
        unread::Unread, visit::Visit,
    },
    model::{
        checkout::{Ask, Checkout, Place as Asked, State},
        name::AccountName,
        policy::Mode,
        refusal::Refusal,
        web::WebPlace,
    },
    page::{self, Fields, Page, escaped, sentence},
    session::Filed,
};

/// Which account is meant, where there are several and somebody has said so on a page.
pub const ACCOUNT_COOKIE: &str = "__Host-doorward-account";

/// A ticket, a reason and an address.
const LARGEST: usize = 64 * 1024;

/// How long it may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was written into the form.
#[derive(Default)]
struct Written {
    ticket: String,
    reason: String,
    duration: String,
}

impl Proxy {
    /// What a window is shown that waits already; none where it may go on or has to ask.
    pub async fn waits(
        &self,
        caller: &Caller,
        place: &Place,
        account: Option<&AccountName>,
        request: &Request<Unread>,
    ) -> Option<Response<Body>> {
        if !caller.by_cookie || !wants_window(request) {
            return None;
        }
        let target = place.target.as_str();
        let standing = self.gate.standing(&caller.principal, target, account).await;
        let checkout = standing.ok().flatten()?;
        self.waiting(caller, checkout).await
    }

    async fn waiting(&self, caller: &Caller, checkout: Checkout) -> Option<Response<Body>> {
        if let State::Active { .. } | State::Ended { .. } = checkout.state {
            return None;
        }
        let filed = self.gate.joined(checkout).await.ok()?;
        Some(wait::page(&filed, &caller.principal.name))
    }

    /// What a window is shown in the place of a no that asking helps against.
    pub async fn asks(
        &self,
        caller: &Caller,
        place: &Place,
        account: Option<&AccountName>,
        request: &Request<Unread>,
        no: Answer,
    ) -> Result<Response<Body>, Answer> {
        if !caller.by_cookie || !wants_window(request) || !no.asking_helps() {
            return Err(no);
        }
        let to = request.uri().path_and_query();
        let to = to.map_or("/", |to| to.as_str());
        let way = &self.gate.ways_in().web;
        let to = match WebPlace::new(place.target.clone(), way, to) {
            Ok(to) => to.path().to_owned(),
            Err(_) => "/".to_owned(),
        };
        let written = Written::default();
        self.form(caller, place, account, &to, &written, Told::No(&no))
            .await
            .ok_or(no)
    }

    /// The form, with what was written into it; none where they may not ask.
    async fn form(
        &self,
        caller: &Caller,
        place: &Place,
        account: Option<&AccountName>,
        to: &str,
        written: &Written,
        told: Told<'_>,
    ) -> Option<Response<Body>> {
        let (by, target) = (&caller.principal, place.target.as_str());
        let asked = match self.gate.place_to_ask(by, target, account).await {
            Ok(asked) => asked,
            Err(Refusal::WhichAccount { accounts, .. }) => {
                return Some(which(place, &accounts, to, &by.name));
            }
            Err(_) => return None,
        };
        let mut page = Page::new(&format!("Ask for {}", place.target));
        let mut status = StatusCode::FORBIDDEN;
        match told {
            Told::Wrong(why) => {
                status = StatusCode::UNPROCESSABLE_ENTITY;
                page = page.alerts(&sentence(why));
            }
            Told::No(no) if no.is_an_end() => page = page.alerts(&sentence(no.detail())),
            Told::No(_) => {
                let account = Some(&asked.account.name);
                let last = self.gate.last_ended(by, target, account).await;
                page = match last.as_ref().and_then(wait::how_it_ended) {
                    Some(how) => page.alerts(&how),
                    None => page.says("You have no check-out for it. Nobody has been asked yet."),
                };
            }
        }
        let page = page
            .holds(&fields(&asked, to, written))
            .holds(&signed_in_as(&by.name));
        Some(shown(status, &page, "'self'", None))
    }

    /// Files what the form says, or joins what was asked for before.
    pub async fn ask(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &mut Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let (caller, mut form) = self.form_of_own_page(visit, place, request).await?;
        let to = self.way_back(place, &form)?;
        let account = account_of(&form)?;
        let written = Written {
            ticket: form.take("ticket"),
            reason: form.take("reason"),
            duration: form.take("duration"),
        };
        let filed = match written.ask() {
            Ok(ask) => {
                let (by, target) = (&caller.principal, place.target.as_str());
                let filed = self.gate.request(by, target, account.as_ref(), ask).await;
                filed.map_err(|refusal| refusal.to_string())
            }
            Err(why) => Err(why),
        };
        match filed {
            Ok(Filed { .. }) => Ok(see_other(&to.to_string())),
            Err(why) => {
                let told = Told::Wrong(&why);
                let account = account.as_ref();
                let form = self.form(&caller, place, account, to.path(), &written, told);
                form.await
                    .ok_or_else(|| Answer::forbidden("not-allowed", why))
            }
        }
    }

    /// Takes a request back that waits.
    pub async fn cancel(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &mut Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let (caller, form) = self.form_of_own_page(visit, place, request).await?;
        let account = account_of(&form)?;
        let (by, target) = (&caller.principal, place.target.as_str());
        let refused =
            |refusal: Refusal| Answer::refusal(&refusal, &place.target, self.gate.ways_in());
        let standing = self.gate.standing(by, target, account.as_ref()).await;
        let meant = |checkout: &Checkout| checkout.code.as_str() == form.of("checkout");
        if let Some(checkout) = standing.map_err(refused)?.filter(meant)
            && !checkout.is_active()
        {
            self.gate.cancel(by, &checkout.id).await.map_err(refused)?;
        }
        Ok(see_other(&format!("https://{}/", place.authority)))
    }

    /// Remembers, in this browser, which account is meant on this host.
    pub async fn choose_account(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &mut Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let (_, form) = self.form_of_own_page(visit, place, request).await?;
        let to = self.way_back(place, &form)?;
        let mut response = see_other(&to.to_string());
        let (value, age) = match account_of(&form)? {
            Some(account) => (account.to_string(), ""),
            None => (String::new(), "; Max-Age=0"),
        };
        set_cookie(
            &mut response,
            &format!("{ACCOUNT_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}"),
        );
        Ok(response)
    }

    /// Who sends a form of the gateway's own page, and what it says. Read to its end before
    /// anything is answered.
    async fn form_of_own_page(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &mut Request<Unread>,
    ) -> Result<(Arc<Caller>, Fields), Answer> {
        let form = read(request).await;
        let caller = self.at_own_page(visit, place, request.headers()).await?;
        Ok((caller, form?))
    }

    /// Where the form leads in the end: an address of this very target, whatever it says.
    fn way_back(&self, place: &Place, form: &Fields) -> Result<WebPlace, Answer> {
        let way = &self.gate.ways_in().web;
        WebPlace::new(place.target.clone(), way, form.of("to"))
            .map_err(|error| Answer::bad_request("form", error.to_string()))
    }
}

/// What is said above the form.
#[derive(Clone, Copy)]
enum Told<'a> {
    No(&'a Answer),
    Wrong(&'a str),
}

impl Written {
    fn ask(&self) -> Result<Ask, String> {
        let trimmed = |text: &'_ str| Some(text.trim().to_owned()).filter(|it| !it.is_empty());
        let told = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let ticket = trimmed(&self.ticket).map(|text| text.parse()).transpose();
        let duration = trimmed(&self.duration).map(|text| text.parse()).transpose();
        // Browsers end a line in two letters.
        let reason = self.reason.trim().replace("\r\n", "\n");
        Ok(Ask {
            ticket: ticket.map_err(|error| told("ticket", &error))?,
            duration: duration.map_err(|error| told("duration", &error))?,
            reason: reason.parse().map_err(|error| told("reason", &error))?,
            ..Ask::default()
        })
    }
}

/// The account that is meant: a header of a program, or what was chosen in this browser.
pub fn account(request: &Request<Unread>, caller: &Caller) -> Result<Option<AccountName>, Answer> {
    let mut named = request.headers().get_all(headers::ACCOUNT).iter();
    let unclear = || Answer::bad_request("account-unclear", "one account is named, or none");
    if let Some(account) = named.next() {
        let read = account.to_str().ok().and_then(|text| text.parse().ok());
        return match (read, named.next()) {
            (Some(account), None) => Ok(Some(account)),
            _ => Err(Answer::bad_request(
                "account-unclear",
                "Doorward-Account names one account",
            )),
        };
    }
    if !caller.by_cookie {
        return Ok(None);
    }
    match page::cookie(request.headers(), ACCOUNT_COOKIE) {
        Ok(None | Some("")) => Ok(None),
        // An account that is gone keeps nobody out for ever.
        Ok(Some(text)) => Ok(text.parse().ok()),
        Err(page::Doubled) => Err(unclear()),
    }
}

fn account_of(form: &Fields) -> Result<Option<AccountName>, Answer> {
    match form.of("account") {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| Answer::bad_request("form", "there is no such account")),
    }
}

async fn read(request: &mut Request<Unread>) -> Result<Fields, Answer> {
    let broken = || Answer::bad_request("form", "the form broke off, or is too large");
    let body = request.body_mut().read().ok_or_else(broken)?;
    let body = timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await;
    let body = body.map_err(|_| broken())?.map_err(|_| broken())?;
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    if request.headers().get(header::CONTENT_TYPE) != Some(&kind) {
        return Err(Answer::bad_request("form", "a form is expected"));
    }
    Fields::read(&body.to_bytes()).map_err(|error| Answer::bad_request("form", error.to_string()))
}

/// Each field that the policy takes, with its default; none of the others.
fn fields(asked: &Asked, to: &str, written: &Written) -> String {
    let terms = &asked.policy.terms;
    let mut form = format!(
        "<form method=\"post\" action=\"/.doorward/ask\">\n\
         <input type=\"hidden\" name=\"to\" value=\"{}\">\n\
         <input type=\"hidden\" name=\"account\" value=\"{}\">\n\
         <dl><dt>Target</dt><dd>{}</dd><dt>Account</dt><dd>{}</dd></dl>\n",
        escaped(to),
        escaped(asked.account.name.as_str()),
        escaped(asked.target.name.as_str()),
        escaped(asked.account.name.as_str()),
    );
    let optional = |mode: Mode| match mode {
        Mode::Required => ("", " required"),
        Mode::None | Mode::Optional => (" <small>if there is one</small>", ""),
    };
    if terms.ticket != Mode::None {
        let (hint, required) = optional(terms.ticket);
        let (pattern, form_of) = match &terms.ticket_pattern {
            Some(pattern) => (
                format!(" title=\"{0}\"", escaped(pattern.as_str())),
                format!(
                    "<p class=\"hint\" id=\"ticket-form\">Its form: <code>{}</code></p>\n",
                    escaped(pattern.as_str())
                ),
            ),
            None => (String::new(), String::new()),
        };
        form.push_str(&format!(
            "<label for=\"ticket\">Ticket{hint}</label>\n\
             <input id=\"ticket\" name=\"ticket\" value=\"{}\" autocomplete=\"off\" \
             spellcheck=\"false\"{pattern}{required}>\n{form_of}",
            escaped(&written.ticket),
        ));
    }
    if terms.reason != Mode::None {
        let (hint, required) = optional(terms.reason);
        form.push_str(&format!(
            "<label for=\"reason\">Reason{hint}</label>\n\
             <textarea id=\"reason\" name=\"reason\" rows=\"2\"{required}>{}</textarea>\n",
            escaped(&written.reason),
        ));
    }
    if terms.minimum_duration < terms.maximum_duration {
        let value = match written.duration.is_empty() {
            true => terms.default_duration.to_string(),
            false => written.duration.clone(),
        };
        let presets = terms.duration_presets.iter();
        let presets: String = presets
            .filter(|preset| **preset <= terms.maximum_duration)
            .map(|preset| format!("<option value=\"{preset}\">"))
            .collect();
        form.push_str(&format!(
            "<label for=\"duration\">For how long <small>up to {}</small></label>\n\
             <input id=\"duration\" name=\"duration\" value=\"{}\" list=\"durations\" \
             autocomplete=\"off\" spellcheck=\"false\">\n\
             <datalist id=\"durations\">{presets}</datalist>\n",
            terms.maximum_duration,
            escaped(&value),
        ));
    }
    form.push_str("<button>Ask</button>\n</form>\n");
    form
}

/// There are several accounts, and nobody but the person knows which is meant.
fn which(
    place: &Place,
    accounts: &[AccountName],
    to: &str,
    by: &crate::model::name::UserName,
) -> Response<Body> {
    let mut form = format!(
        "<form method=\"post\" action=\"/.doorward/account\">\n\
         <input type=\"hidden\" name=\"to\" value=\"{}\">\n\
         <label for=\"account\">Account</label>\n<select id=\"account\" name=\"account\">\n",
        escaped(to)
    );
    for account in accounts {
        let account = escaped(account.as_str());
        form.push_str(&format!("<option>{account}</option>\n"));
    }
    form.push_str("</select>\n<button>Go on</button>\n</form>\n");
    let page = Page::new(&format!("Which account on {}?", place.target))
        .says("It has several that you may ask for.")
        .holds(&form)
        .holds(&signed_in_as(by));
    shown(StatusCode::FORBIDDEN, &page, "'self'", None)
}

/// Who this window belongs to, and the way out.
pub fn signed_in_as(name: &crate::model::name::UserName) -> String {
    format!(
        "<div class=\"hint\">Signed in as {}. \
         <form class=\"line\" method=\"post\" action=\"/.doorward/sign-out\">\
         <button class=\"quiet\">Sign out</button></form></div>\n",
        escaped(name.as_str())
    )
}
