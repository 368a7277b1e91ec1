//! Second factors in a real Chromium: an app is set up and asked for, a passkey of a virtual
//! authenticator, and a fresh proof before a yes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    authenticator::Authenticator,
    support::{Gateway, PASSWORD, text},
    window::{Screen, Window},
};

impl Window {
    /// Types a name and the password, at the sign-in.
    async fn signs_in(&self, gateway: &Gateway, user: &str) {
        self.dark(false).await;
        self.go(&format!("{}/", gateway.url())).await;
        self.until_it_says("Sign in to Doorward").await;
        self.write_into("User name", user).await;
        self.write_into("Password", PASSWORD).await;
        self.press_named("Sign in").await;
    }

    async fn signs_out(&self, user: &str) {
        self.press_named(&format!("You: {user}")).await;
        self.press_named("Sign out").await;
        self.until_it_says("Sign in to Doorward").await;
    }

    /// The app that is set up with what the page shows.
    async fn scans(&self) -> Authenticator {
        let shown = "return document.querySelector('pre[aria-label=\"the secret of the app\"]')\
            ?.innerText ?? ''";
        let secret = text(&self.until("the secret", shown).await);
        let dark = "return document.querySelector('svg.qr path')?.getAttribute('d').length > 500";
        self.until("the picture", dark).await;
        Authenticator::new(&secret.replace(' ', ""))
    }

    /// A security key in this window, touched whenever it is asked for.
    async fn holds_a_key(&self) {
        let command = |cmd: &str, params: Value| json!({ "cmd": cmd, "params": params });
        let path = "/goog/cdp/execute";
        let enable = command("WebAuthn.enable", json!({}));
        self.call(Method::POST, path, enable).await;
        let options = json!({
            "protocol": "ctap2", "transport": "usb", "hasResidentKey": false,
            "hasUserVerification": false, "automaticPresenceSimulation": true,
        });
        let add = command(
            "WebAuthn.addVirtualAuthenticator",
            json!({ "options": options }),
        );
        let added = self.call(Method::POST, path, add).await;
        assert!(added["authenticatorId"].is_string(), "{added}");
    }
}

#[tokio::test]
async fn an_app_is_set_up_from_the_picture_and_asked_for_from_then_on() {
    let gateway = Gateway::start_with("limits.sign_ins_per_account = 1000").await;
    gateway.people().await;
    let alice = Window::on(Screen::Desk).await;
    alice.signs_in(&gateway, "alice").await;
    alice.until_it_says("My check-outs").await;
    alice.go(&format!("{}/me", gateway.url())).await;
    alice.until_it_says("A code from your phone").await;
    alice.look("me").await;
    alice.press_named("Set up an app").await;
    let mut app = alice.scans().await;
    alice.look("factor-app").await;
    alice
        .write_into("Code of your authenticator app", "1")
        .await;
    alice.press_named("It shows this code").await;
    alice.until_it_says("This is not right").await;
    alice
        .run("document.querySelector('input[name=code]').select()")
        .await;
    alice
        .write_into("Code of your authenticator app", &app.code())
        .await;
    alice.press_named("It shows this code").await;
    alice.until_it_says("shown now and never again").await;
    alice.look("factor-codes").await;
    alice.press_named("I have them").await;
    alice.until_it_says("10 codes left").await;
    alice.until_it_says("(here)").await;
    alice.look("me-factors").await;
    alice.signs_out("alice").await;

    let phone = Window::on(Screen::Phone).await;
    for (window, name) in [(&alice, "sign-in-code"), (&phone, "phone-sign-in-code")] {
        window.signs_in(&gateway, "alice").await;
        window.until_it_says("Now your second factor").await;
        window.look(name).await;
    }
    alice
        .write_into("Code of your authenticator app", "000000")
        .await;
    alice.press_named("Sign in").await;
    alice.until_it_says("used already").await;
    let code = app.code();
    alice
        .write_into("Code of your authenticator app", &code)
        .await;
    alice.press_named("Sign in").await;
    alice.until_it_says("My check-outs").await;
    // The same code in another window.
    phone
        .write_into("Code of your authenticator app", &code)
        .await;
    phone.press_named("Sign in").await;
    phone.until_it_says("used already").await;

    // An admin sees what she has, and that she is signed in.
    let root = Window::on(Screen::Desk).await;
    root.signs_in(&gateway, "root").await;
    root.until_it_says("Users").await;
    root.go(&format!("{}/admin/users", gateway.url())).await;
    root.press_named("What to do with alice").await;
    root.press_named("How they sign in").await;
    root.until_it_says("an authenticator app, 10 recovery codes left")
        .await;
    root.look("admin-user-sign-in").await;
    root.press_named("Sign out everywhere").await;
    root.until_it_says("to keep them out, disable them").await;
    root.press("form .mantine-Button-root[type=submit]").await;
    alice.until_it_says("Your sign-in is over").await;
}

#[tokio::test]
async fn who_must_have_a_factor_sets_it_up_on_the_way_in() {
    let gateway = Gateway::start_with("sign_in.second_factor = \"staff\"").await;
    let user = json!({ "name": "bob", "roles": ["approver"], "password": PASSWORD });
    gateway.post(&gateway.root, "/users", user).await;
    let bob = Window::on(Screen::Phone).await;
    bob.signs_in(&gateway, "bob").await;
    let mut app = bob.scans().await;
    bob.look("phone-factor-must").await;
    bob.write_into("Code of your authenticator app", &app.code())
        .await;
    bob.press_named("Set it up and sign in").await;
    bob.until_it_says("shown now and never again").await;
    bob.press_named("I have them").await;
    bob.until_it_says("Nobody waits for you").await;
}

#[tokio::test]
async fn a_passkey_makes_a_sign_in_whole() {
    let gateway = Gateway::start().await;
    gateway.people().await;
    let bob = Window::on(Screen::Desk).await;
    bob.holds_a_key().await;
    bob.signs_in(&gateway, "bob").await;
    bob.until_it_says("Nobody waits for you").await;
    bob.go(&format!("{}/me", gateway.url())).await;
    bob.press_named("Add a passkey").await;
    bob.write_into("What you call it", "blue key").await;
    bob.press_named("Go on").await;
    bob.until_it_says("shown now and never again").await;
    bob.press_named("I have them").await;
    bob.until_it_says("not used yet").await;
    bob.look("me-passkey").await;
    bob.signs_out("bob").await;

    bob.signs_in(&gateway, "bob").await;
    bob.until_it_says("Now your second factor").await;
    bob.look("sign-in-passkey").await;
    bob.press_named("Use a passkey").await;
    bob.until_it_says("Nobody waits for you").await;
    let fits = |event: &Value| {
        let event = &event["event"];
        event["kind"] == "user.sign-in" && event["actor"]["user"]["proof"]["second"] == "passkey"
    };
    gateway.audit_event(fits).await;
}

#[tokio::test]
async fn a_yes_asks_for_a_fresh_second_factor_and_goes_on_by_itself() {
    let gateway = Gateway::start().await;
    let (alice, bob) = gateway.people().await;
    let target = json!({ "name": "db1", "address": "127.0.0.1:9" });
    gateway.post(&gateway.root, "/targets", target).await;
    let secret = json!({ "kind": "password", "value": "hunter2" });
    let account = json!({ "name": "root", "targets": ["db1"], "secret": secret });
    gateway.post(&gateway.root, "/accounts", account).await;
    let terms = json!({ "approve_factor_within": "10m" });
    gateway.under("db1", terms).await;
    gateway.ask(&alice, "db1").await;

    // He signed in here before he set his app up elsewhere.
    let phone = Window::on(Screen::Phone).await;
    phone.signs_in(&gateway, "bob").await;
    phone.press_named("alice asks for root on db1").await;
    phone.until_it_says("Your answer").await;
    phone.press_named("Approve for 1 hour").await;
    phone.until_it_says("you have none yet").await;
    phone.press_named("Leave it").await;
    let mut app = gateway.app_of(&bob.token).await;
    phone.press_named("Approve for 1 hour").await;
    phone.until_it_says("Show again that it is you").await;
    phone.look("phone-step-up").await;
    phone
        .write_into("Code of your authenticator app", &app.code())
        .await;
    phone.press_named("Go on").await;
    phone.until_it_says("Active").await;
    let proven = |event: &Value| event["event"]["kind"] == "user.prove";
    gateway.audit_event(proven).await;
}
