//! The sign-in page: who gets in, where they are sent, and where never.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{Method, header},
};

use super::{Answer, House};
use crate::{
    identity::{
        browser::NotEntered,
        token::{Token, TokenKind},
    },
    model::{factor::SecondFactorRule, principal::Role, user::User, web::WebPlace},
    store,
};

pub const PASSWORD: &str = "correct horse battery staple";

/// Where the browser says the form stands.
pub const OWN: &str = "https://door.example.org";

pub struct Console {
    pub house: House,
    pub alice: User,
}

impl Console {
    pub async fn new() -> Self {
        Self::at(House::new().await).await
    }

    /// Everybody must have a second factor.
    pub async fn where_all_must() -> Self {
        Self::at(House::where_second_factors_are(SecondFactorRule::Everybody).await).await
    }

    async fn at(house: House) -> Self {
        let alice = house.user("alice", &[Role::Requester]).await;
        let passwords = house.api.identity().passwords();
        let password = crate::identity::password::NewPassword::new(PASSWORD.to_owned()).unwrap();
        let hash = passwords.hash(password).await.to_string();
        let mut tx = house.store.begin().await.unwrap();
        store::user::set_password(&mut tx, &alice.id, Some(&hash))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Self { house, alice }
    }

    /// An address of a target, as the gateway writes it.
    fn wiki(&self) -> WebPlace {
        let way = &self.house.api.ways_in().web;
        WebPlace::new("wiki".parse().unwrap(), way, "/a?b=c").unwrap()
    }

    pub async fn get(&self, path: &str, cookie: &str) -> Answer {
        let request = Request::get(path)
            .header(header::HOST, "door.example.org")
            .header(header::COOKIE, cookie);
        let request = request.body(Body::empty()).unwrap();
        self.house.request(request).await
    }

    async fn post(&self, path: &str, origin: &str, cookie: &str, form: &str) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, "door.example.org")
            .header(header::ORIGIN, origin)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(form.to_owned())).unwrap();
        self.house.request(request).await
    }

    fn form(&self, to: &str, nonce: &Token) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("user", "alice")
            .append_pair("password", PASSWORD)
            .append_pair("return", to)
            .append_pair("nonce", &nonce.hash().to_string())
            .finish()
    }

    /// The cookie of a sign-in, without its attributes.
    pub async fn signed_in(&self) -> String {
        let form = format!("user=alice&password={PASSWORD}");
        let answer = self.post("/sign-in", OWN, "", &form).await.is(303);
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn handed_over(&self, nonce: &Token) -> Token {
        let cookie = self.signed_in().await;
        let query = self.query(&self.wiki().to_string(), nonce);
        let sent = self
            .get(&format!("/sign-in?{query}"), &cookie)
            .await
            .is(303);
        code(&sent)
    }

    fn query(&self, to: &str, nonce: &Token) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("return", to)
            .append_pair("nonce", &nonce.hash().to_string())
            .finish()
    }
}

fn nonce() -> Token {
    Token::generate(TokenKind::Nonce)
}

#[track_caller]
fn location(answer: &Answer) -> &str {
    answer.headers[header::LOCATION].to_str().unwrap()
}

#[track_caller]
fn code(answer: &Answer) -> Token {
    let (_, code) = location(answer).rsplit_once("code=").unwrap();
    Token::parse(code).unwrap()
}

#[tokio::test]
async fn the_right_password_leads_to_the_target_and_stays_in_a_cookie_of_this_host() {
    let console = Console::new().await;
    let wiki = console.wiki();
    let query = console.query(&wiki.to_string(), &nonce());
    let page = console.get(&format!("/sign-in?{query}"), "").await.is(200);
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    assert!(!page.text.contains("<script") && !page.text.contains("src="));
    assert!(
        page.text.contains(&format!("value=\"{wiki}\"")),
        "{}",
        page.text
    );

    let form = console.form(&wiki.to_string(), &nonce());
    let sent = console.post("/sign-in", OWN, "", &form).await.is(303);
    let enter = format!("https://{}/.doorward/enter?code=dwh_", wiki.authority());
    assert!(location(&sent).starts_with(&enter), "{}", location(&sent));
    let cookie = sent.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-doorward-console=dwc_"));
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{attribute}");
    }
    assert!(!cookie.to_lowercase().contains("domain"));

    // The second target asks for no second sign-in, but only a window is sent on.
    let cookie = cookie.split(';').next().unwrap();
    let path = format!("/sign-in?{query}");
    let again = console.get(&path, cookie).await.is(303);
    assert!(location(&again).starts_with(&enter));
    let picture = Request::get(&path)
        .header(header::COOKIE, cookie)
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "image");
    let picture = picture.body(Body::empty()).unwrap();
    console.house.request(picture).await.is(200);
    assert_eq!(console.house.audited("user.sign-in", "done").await, 1);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_sentence_and_never_which_part() {
    let console = Console::new().await;
    let mut texts = Vec::new();
    for (user, password) in [("alice", "wrong"), ("nobody", PASSWORD), ("<i>", "")] {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("user", user)
            .append_pair("password", password)
            .finish();
        let page = console.post("/sign-in", OWN, "", &form).await.is(403);
        assert!(!page.headers.contains_key(header::SET_COOKIE));
        assert!(
            page.text
                .contains("This user name and password do not open anything.")
        );
        assert!(!page.text.contains("<i>"));
        texts.push(page.text.replace(user, "").replace("&lt;i&gt;", ""));
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
    assert_eq!(console.house.audited("user.sign-in", "sign-in").await, 3);
}

#[tokio::test]
async fn another_page_signs_nobody_in_or_out() {
    let console = Console::new().await;
    let form = format!("user=alice&password={PASSWORD}");
    for origin in [
        "null",
        "https://evil.example",
        "https://wiki.door.localhost:8444",
        "http://door.example.org",
        "https://door.example.org:8444",
    ] {
        let answer = console.post("/sign-in", origin, "", &form).await.is(403);
        assert!(!answer.headers.contains_key(header::SET_COOKIE), "{origin}");
    }
    let cookie = console.signed_in().await;
    console
        .post("/sign-out", "https://evil.example", &cookie, "")
        .await
        .is(403);
    let page = console.get("/sign-in", &cookie).await.is(200);
    assert!(page.text.contains("signed in as alice"), "{}", page.text);
    console.post("/sign-out", OWN, &cookie, "").await.is(303);
    let page = console.get("/sign-in", &cookie).await.is(200);
    assert!(page.text.contains("name=\"password\""), "{}", page.text);
}

#[tokio::test]
async fn nobody_is_sent_anywhere_but_to_a_target() {
    let console = Console::new().await;
    let cookie = console.signed_in().await;
    let wiki = console.wiki().to_string();
    let authority = console.wiki().authority().to_owned();
    for to in [
        "https://evil.example/".to_owned(),
        "//evil.example/".to_owned(),
        "javascript:alert(1)".to_owned(),
        wiki.replace("https", "http"),
        wiki.replace(&authority, &format!("{authority}.evil.example")),
        wiki.replace(&authority, &format!("{authority}@evil.example")),
        wiki.replace("https://", "https://evil.example\\@"),
        wiki.replace("/a?", "/.doorward/enter?"),
        "https://door.example.org/sign-in".to_owned(),
    ] {
        let path = format!("/sign-in?{}", console.query(&to, &nonce()));
        console.get(&path, &cookie).await.is(400);
        let page = console.get(&path, "").await.is(400);
        assert!(!page.text.contains("<form"), "{to}");
        let form = console.form(&to, &nonce());
        let answer = console.post("/sign-in", OWN, "", &form).await.is(400);
        assert!(!answer.headers.contains_key(header::LOCATION), "{to}");
    }
    let twice = format!("{0}&{0}", console.query(&wiki, &nonce()));
    console
        .get(&format!("/sign-in?{twice}"), &cookie)
        .await
        .is(400);
    let bare = form_urlencoded::byte_serialize(wiki.as_bytes()).collect::<String>();
    console
        .get(&format!("/sign-in?return={bare}"), &cookie)
        .await
        .is(400);
    let doubled = format!("{cookie}; {cookie}");
    console.get("/sign-in", &doubled).await.is(400);
}

#[tokio::test]
async fn a_code_is_good_once_for_a_minute_on_its_host_and_in_its_browser() {
    let console = Console::new().await;
    let identity = console.house.api.identity().clone();
    let peer = "192.0.2.1".parse().unwrap();
    let host = console.wiki().host().to_owned();
    let enter = async |code: &Token, host: &str, nonce: Option<&Token>| {
        let nonce = nonce.map(Token::reveal);
        identity.enter(code.reveal(), host, nonce, peer).await
    };
    let mine = nonce();

    let code = console.handed_over(&mine).await;
    let entered = enter(&code, &host, Some(&mine)).await.unwrap();
    assert_eq!(entered.path, "/a?b=c");
    assert_eq!(entered.principal.user, console.alice.id);
    assert_eq!(entered.issued.token.host.as_deref(), Some(&*host));
    assert!(enter(&code, &host, Some(&mine)).await.is_err(), "spent");

    // Every way that fails spends it as well.
    let code = console.handed_over(&mine).await;
    assert!(
        enter(&code, "other.door.localhost", Some(&mine))
            .await
            .is_err()
    );
    assert!(
        enter(&code, &host, Some(&mine)).await.is_err(),
        "another host"
    );
    let code = console.handed_over(&mine).await;
    assert!(enter(&code, &host, None).await.is_err());
    assert!(enter(&code, &host, Some(&mine)).await.is_err(), "no nonce");
    let code = console.handed_over(&mine).await;
    let other = enter(&code, &host, Some(&nonce())).await;
    assert!(matches!(other, Err(NotEntered::NotHere { path }) if path == "/a?b=c"));
    assert!(
        enter(&code, &host, Some(&mine)).await.is_err(),
        "another nonce"
    );

    let code = console.handed_over(&mine).await;
    console.house.clock.advance(Duration::from_secs(60));
    assert!(enter(&code, &host, Some(&mine)).await.is_err(), "too late");

    // A token of another kind is no code, and a code no cookie.
    let cookie = entered.issued.secret;
    assert!(enter(&cookie, &host, Some(&mine)).await.is_err());
    let code = console.handed_over(&mine).await;
    assert!(identity.cookie(code.reveal(), &host).await.is_err());
}

#[tokio::test]
async fn a_cookie_opens_its_own_host_and_goes_with_the_sign_in_it_came_from() {
    let console = Console::new().await;
    let identity = console.house.api.identity().clone();
    let peer = "192.0.2.1".parse().unwrap();
    let host = console.wiki().host().to_owned();
    let at_console = console.signed_in().await;
    let mine = nonce();
    let query = console.query(&console.wiki().to_string(), &mine);
    let sent = console
        .get(&format!("/sign-in?{query}"), &at_console)
        .await
        .is(303);
    let entered = identity
        .enter(code(&sent).reveal(), &host, Some(mine.reveal()), peer)
        .await;
    let cookie = entered.unwrap().issued.secret;
    let cookie = cookie.reveal();

    assert!(identity.cookie(cookie, &host).await.is_ok());
    assert!(
        identity
            .cookie(cookie, "other.door.localhost")
            .await
            .is_err()
    );
    // Neither opens the API, and neither the other.
    let (_, console_secret) = at_console.split_once('=').unwrap();
    for secret in [cookie, console_secret] {
        assert!(secret.starts_with("dwc_"));
        console
            .house
            .get("/me", secret)
            .await
            .refused(401, "unauthenticated");
    }
    let swapped = format!("__Host-doorward-console={cookie}");
    let page = console.get("/sign-in", &swapped).await.is(200);
    assert!(page.text.contains("name=\"password\""));
    assert!(identity.cookie(console_secret, &host).await.is_err());
    let api = console.house.token(&console.alice).await;
    assert!(identity.cookie(&api, &host).await.is_err());

    let mut told = identity.signed_out();
    console
        .post("/sign-out", OWN, &at_console, "")
        .await
        .is(303);
    assert!(identity.cookie(cookie, &host).await.is_err());
    assert!(told.try_recv().is_ok());
    assert_eq!(console.house.audited("user.sign-out", "done").await, 1);
    // The token of a program stays.
    console.house.get("/me", &api).await.is(200);
}

#[tokio::test]
async fn a_disabled_user_neither_signs_in_nor_arrives() {
    let console = Console::new().await;
    let at_console = console.signed_in().await;
    let mine = nonce();
    let code = console.handed_over(&mine).await;
    let (_, root) = console.house.somebody("root", &[Role::Admin]).await;
    let disabled = console
        .house
        .post("/users/alice/disable", &root, serde_json::json!({}));
    disabled.await.is(200);
    let peer = "192.0.2.1".parse().unwrap();
    let host = console.wiki().host().to_owned();
    let entered =
        console
            .house
            .api
            .identity()
            .enter(code.reveal(), &host, Some(mine.reveal()), peer);
    assert!(entered.await.is_err());
    let page = console.get("/sign-in", &at_console).await.is(200);
    assert!(page.text.contains("name=\"password\""));
}
