//! The sign-in page of browsers, without a script: for whoever is on the way to a web target.
//!
//! Sends them on to the target that they wanted, and nowhere else. The application itself signs
//! in at `/session`; both give the same cookie.

use axum::{
    body::Bytes,
    extract::{Extension, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{
    super::{Api, auth::Peer, room::Place},
    No, cookie, own_page, own_policy,
};
use crate::{
    identity::{
        FactorError, Second, Shown,
        sign_in::{Door, SignInError},
    },
    model::{principal::Principal, user::Token, web::WebPlace},
    page::{self, Fields, Page, escaped, sentence},
};

/// Where somebody wants to go once it is known who they are.
struct Wish {
    to: WebPlace,
    /// The hash of what their browser was given there.
    nonce_hash: String,
}

impl Wish {
    fn of(fields: &Fields, api: &Api) -> Result<Option<Self>, No> {
        let (to, nonce_hash) = (fields.of("return"), fields.of("nonce"));
        if to.is_empty() && nonce_hash.is_empty() {
            return Ok(None);
        }
        let to = WebPlace::read(to, &api.ways_in().web).map_err(|_| No::Nowhere)?;
        let hash = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if nonce_hash.len() != 64 || !nonce_hash.bytes().all(hash) {
            return Err(No::Unclear);
        }
        Ok(Some(Self {
            to,
            nonce_hash: nonce_hash.to_owned(),
        }))
    }
}

pub async fn show(
    State(api): State<Api>,
    place: Option<Extension<Place>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, No> {
    let fields = Fields::read(uri.query().unwrap_or_default().as_bytes());
    let wish = Wish::of(&fields.map_err(|_| No::Unclear)?, &api)?;
    let Some((by, token)) = cookie::whose(&api, &headers).await? else {
        return Ok(form(&api, wish.as_ref(), "", None));
    };
    if let Some(Extension(place)) = place {
        place.prove();
    }
    match wish {
        // Only a window that somebody looks at is sent on, no picture and no script's request.
        Some(wish) if is_window(&headers) => send_on(&api, &token, &wish).await,
        Some(wish) => Ok(form(&api, Some(&wish), "", None)),
        None => Ok(welcome(&api, &by)),
    }
}

pub async fn sign_in(
    State(api): State<Api>,
    Peer(peer): Peer,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, No> {
    own_page(&uri, &headers)?;
    let mut fields = Fields::read(&body).map_err(|_| No::Unclear)?;
    let wish = Wish::of(&fields, &api)?;
    let step = zeroize::Zeroizing::new(fields.take("step"));
    let by = if step.is_empty() {
        let user = fields.take("user");
        let password = zeroize::Zeroizing::new(fields.take("password"));
        let identity = api.identity();
        let shown = identity.password(user.trim(), &password, peer.ip(), Door::Console);
        match shown.await {
            Ok(Shown::Proven(by)) => by,
            Ok(Shown::Half(half)) if half.enrols() => return Ok(set_up_first(&api)),
            Ok(Shown::Half(half)) => {
                return Ok(code_form(&api, wish.as_ref(), half.secret.reveal(), None));
            }
            Err(error @ (SignInError::Refused | SignInError::Throttled(_))) => {
                return Ok(form(&api, wish.as_ref(), user.trim(), Some(&error)));
            }
            Err(error) => return Err(No::SignIn(error)),
        }
    } else {
        let code = zeroize::Zeroizing::new(fields.take("code"));
        let shown = Second::Code(&code);
        let whole = api
            .identity()
            .second(&step, &shown, peer.ip(), Door::Console);
        match whole.await {
            Ok(whole) => whole.principal,
            Err(error @ (SignInError::Factor(FactorError::Wrong) | SignInError::Throttled(_))) => {
                return Ok(code_form(&api, wish.as_ref(), &step, Some(&error)));
            }
            Err(error @ (SignInError::Factor(FactorError::StepOver) | SignInError::Refused)) => {
                return Ok(form(&api, wish.as_ref(), "", Some(&error)));
            }
            Err(error) => return Err(No::SignIn(error)),
        }
    };
    let identity = api.identity();
    let console = &api.ways_in().console;
    let issued = identity.sign_in_browser(&by, peer.ip(), console).await;
    let issued = issued.map_err(No::SignIn)?;
    let mut response = match wish {
        Some(wish) => send_on(&api, &issued.token, &wish).await?,
        None => to("/"),
    };
    cookie::give(&mut response, &issued.secret);
    Ok(response)
}

pub async fn sign_out(
    State(api): State<Api>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, No> {
    own_page(&uri, &headers)?;
    if let Some((by, token)) = cookie::whose(&api, &headers).await? {
        let done = api.identity().sign_out(&by, &token.id).await;
        done.map_err(No::SignIn)?;
    }
    let mut response = to("/sign-in");
    cookie::take_back(&mut response);
    Ok(response)
}

/// To the target's host, with a code that is good there, once.
async fn send_on(api: &Api, token: &Token, wish: &Wish) -> Result<Response, No> {
    let code = api
        .identity()
        .hand_over(&token.id, &wish.to, &wish.nonce_hash);
    let code = code.await.map_err(No::SignIn)?;
    let host = wish.to.authority();
    Ok(to(&format!(
        "https://{host}/.doorward/enter?code={}",
        code.reveal()
    )))
}

/// Whether it is a window that asks; what browsers do not say is not held against them.
fn is_window(headers: &HeaderMap) -> bool {
    let says = |name: &str, what: &str| headers.get(name).is_none_or(|value| value == what);
    says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")
}

/// After a form is sent, the next page is asked for by itself.
fn to(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let address = HeaderValue::from_str(address).expect("addresses of ours are ASCII");
    response.headers_mut().insert(header::LOCATION, address);
    response
}

fn form(api: &Api, wish: Option<&Wish>, user: &str, wrong: Option<&SignInError>) -> Response {
    let mut page = Page::new("Sign in");
    let mut status = StatusCode::OK;
    if let Some(Wish { to, .. }) = wish {
        page = page.says(&format!("To go on to {}.", to.authority()));
    }
    let hidden = hidden(wish);
    match wrong {
        None => {}
        Some(SignInError::Throttled(_)) => {
            status = StatusCode::TOO_MANY_REQUESTS;
            page = page.alerts(&sentence(
                &wrong.map(ToString::to_string).unwrap_or_default(),
            ));
        }
        Some(error @ SignInError::Factor(FactorError::StepOver)) => {
            status = StatusCode::FORBIDDEN;
            page = page.alerts(&sentence(&error.to_string()));
        }
        Some(_) => {
            status = StatusCode::FORBIDDEN;
            page = page.alerts("This user name and password do not open anything.");
        }
    }
    // Whoever has typed a name goes on with the password.
    let (first, second) = match user.is_empty() {
        true => (" autofocus", ""),
        false => ("", " autofocus"),
    };
    let page = page.holds(&format!(
        "<form method=\"post\" action=\"/sign-in\">\n{hidden}\
         <label for=\"user\">User name</label>\n\
         <input id=\"user\" name=\"user\" value=\"{user}\" autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\" required{first}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required{second}>\n\
         <button>Sign in</button>\n</form>\n",
        user = escaped(user),
    ));
    sent(api, &page, status, wrong)
}

/// The second half: a code of an app, or a recovery code. Passkeys need a script, and so the
/// console itself.
fn code_form(api: &Api, wish: Option<&Wish>, step: &str, wrong: Option<&SignInError>) -> Response {
    let mut page = Page::new("Your second factor");
    let mut status = StatusCode::OK;
    if let Some(wrong) = wrong {
        status = match wrong {
            SignInError::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::FORBIDDEN,
        };
        page = page.alerts(&sentence(&wrong.to_string()));
    }
    let page = page
        .says("The password is right. Now the code that your authenticator app shows.")
        .holds(&format!(
            "<form method=\"post\" action=\"/sign-in\">\n{hidden}\
             <input type=\"hidden\" name=\"step\" value=\"{step}\">\n\
             <label for=\"code\">Code of your app, or a recovery code</label>\n\
             <input id=\"code\" name=\"code\" autocomplete=\"one-time-code\" \
             autocapitalize=\"none\" spellcheck=\"false\" required autofocus>\n\
             <button>Sign in</button>\n</form>\n",
            hidden = hidden(wish),
            step = escaped(step),
        ))
        .says("With a passkey, sign in at the console first, and open the target's address again.")
        .links("/", "Open the console");
    sent(api, &page, status, wrong)
}

/// Where a picture to scan and codes to write down are shown.
fn set_up_first(api: &Api) -> Response {
    let page = Page::new("Set up a second factor first")
        .alerts("Your password is right, and this gateway asks you for a second factor besides it.")
        .says("Sign in at the console to set one up, then open the target's address again.")
        .links("/", "Open the console");
    sent(api, &page, StatusCode::FORBIDDEN, None)
}

fn hidden(wish: Option<&Wish>) -> String {
    let Some(Wish { to, nonce_hash }) = wish else {
        return String::new();
    };
    format!(
        "<input type=\"hidden\" name=\"return\" value=\"{}\">\
         <input type=\"hidden\" name=\"nonce\" value=\"{nonce_hash}\">\n",
        escaped(&to.to_string())
    )
}

fn sent(api: &Api, page: &Page, status: StatusCode, wrong: Option<&SignInError>) -> Response {
    let mut response = (status, page.html()).into_response();
    if let Some(SignInError::Throttled(wait)) = wrong {
        let seconds = HeaderValue::from(wait.as_secs() + 1);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    // Browsers hold a form to where it leads in the end as well.
    let web = &api.ways_in().web;
    let targets = match web.port {
        443 => format!("'self' https://*.{}", web.domain),
        port => format!("'self' https://*.{}:{port}", web.domain),
    };
    own_policy(&mut response, &page::policy(&targets, None));
    response
}

fn welcome(api: &Api, by: &Principal) -> Response {
    let web = &api.ways_in().web;
    let port = match web.port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let page = Page::new("Signed in")
        .says(&format!("You are signed in as {}.", by.name))
        .says(&format!(
            "A web target is opened by its address: https://TARGET.{}{port}/",
            web.domain
        ))
        .holds("<form method=\"post\" action=\"/sign-out\"><button class=\"quiet\">Sign out</button></form>\n");
    let mut response = page.html().into_response();
    own_policy(&mut response, &page::policy("'self'", None));
    response
}
