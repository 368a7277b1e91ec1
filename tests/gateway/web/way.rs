//! The way in of a browser, hop by hop, with curl and a jar of cookies.

use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, process::Command};

use super::{Scene, Seen, scene, secret_is_nowhere, seen, within};
use crate::support::PASSWORD;

/// What a browser says of a window that somebody opened.
const WINDOW: [&str; 3] = [
    "Accept: text/html,application/xhtml+xml",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
];

/// A browser: a jar of cookies, and what browsers say of themselves.
pub struct Browser<'a> {
    pub scene: &'a Scene,
    dir: TempDir,
}

impl<'a> Browser<'a> {
    pub fn new(scene: &'a Scene) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("jar"), "").unwrap();
        Self { scene, dir }
    }

    pub fn jar(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("jar")).unwrap()
    }

    /// The value of a cookie of this name on this host.
    pub fn cookie(&self, host: &str, name: &str) -> Option<String> {
        let jar = self.jar();
        jar.lines().find_map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let domain = fields[0].trim_start_matches("#HttpOnly_");
            (fields.len() == 7 && domain == host && fields[5] == name).then(|| fields[6].to_owned())
        })
    }

    pub fn curl(&self) -> Command {
        let mut curl = self.scene.strange_curl();
        let jar = self.dir.path().join("jar");
        curl.arg("-b").arg(&jar).arg("-c").arg(&jar);
        curl
    }

    /// A window is opened at this address. Redirects are not followed.
    pub async fn open(&self, url: &str) -> Seen {
        let mut curl = self.curl();
        for line in WINDOW {
            curl.args(["-H", line]);
        }
        seen(curl, url).await
    }

    /// A form of the page at `origin` is sent.
    pub async fn send(&self, origin: &str, url: &str, fields: &[(&str, &str)]) -> Seen {
        let mut curl = self.curl();
        for line in WINDOW {
            curl.args(["-H", line]);
        }
        curl.arg("-H").arg(format!("Origin: {origin}"));
        curl.args(["-X", "POST", "--data-raw", ""]);
        for (name, value) in fields {
            curl.arg("--data-urlencode").arg(format!("{name}={value}"));
        }
        seen(curl, url).await
    }

    pub fn console(&self) -> String {
        let port = self
            .scene
            .gateway
            .url()
            .rsplit_once(':')
            .unwrap()
            .1
            .to_owned();
        format!("https://localhost:{}", port.trim_end_matches("/api/v1"))
    }

    /// From the target to the console, through its form, and back to the target's door.
    pub async fn sign_in(&self, url: &str) -> Seen {
        let sent = self.open(url).await;
        let to = location(&sent);
        assert!(to.starts_with(&self.console()), "{to}");
        let page = self.open(&to).await;
        assert_eq!(page.status, 200, "{page:?}");
        let (back, nonce) = (hidden(&page, "return"), hidden(&page, "nonce"));
        let fields = [
            ("user", "alice"),
            ("password", PASSWORD),
            ("return", &back),
            ("nonce", &nonce),
        ];
        let action = format!("{}/sign-in", self.console());
        let sent = self.send(&self.console(), &action, &fields).await;
        self.open(&location(&sent)).await
    }
}

#[track_caller]
pub fn location(seen: &Seen) -> String {
    assert_eq!(seen.status, 303, "{seen:?}");
    let mut lines = seen.head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(name, _)| name.eq_ignore_ascii_case("location"));
    found.expect("it leads somewhere").1.trim().to_owned()
}

#[track_caller]
pub fn hidden(seen: &Seen, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let (_, rest) = seen.body.split_once(&field).expect("the page has it");
    rest.split_once('"').unwrap().0.replace("&amp;", "&")
}

#[tokio::test]
async fn a_browser_signs_in_at_the_console_and_comes_back_to_the_very_address() {
    let scene = scene().await;
    scene.with_other().await;
    scene.approved("wiki").await;
    scene.approved("other").await;
    let browser = Browser::new(&scene);
    let url = scene.url("wiki", "/hello.txt?a=1&b=%2F");
    let entered = browser.sign_in(&url).await;
    assert_eq!(location(&entered), url);
    let cookies: Vec<_> = entered
        .head
        .lines()
        .filter(|line| {
            line.to_lowercase()
                .starts_with("set-cookie: __host-doorward=dwc_")
        })
        .collect();
    assert_eq!(cookies.len(), 1, "{entered:?}");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookies[0].contains(attribute), "{cookies:?}");
    }
    assert!(
        browser
            .cookie("wiki.door.localhost", "__Host-doorward-begin")
            .is_none()
    );
    let page = browser.open(&url).await;
    assert_eq!((page.status, &*page.body), (200, "hello from the wiki\n"));

    // The second target asks for no second sign-in.
    let url = scene.url("other", "/hello.txt");
    let to = location(&browser.open(&url).await);
    let code = location(&browser.open(&to).await);
    assert!(
        code.starts_with(&scene.url("other", "/.doorward/enter?code=dwh_")),
        "{code}"
    );
    assert_eq!(location(&browser.open(&code).await), url);
    assert_eq!(browser.open(&url).await.status, 200);
    // What is over is over, also in the browser that it was for.
    let again = browser.open(&code).await;
    assert_eq!(again.status, 403, "{again:?}");
    assert!(again.body.contains("was used already"), "{again:?}");

    // Nothing of the gateway's went to the target, and nothing of the target's to anybody.
    let log = scene.nginx.log();
    assert!(log.lines().all(|line| line.ends_with("cookie=-")), "{log}");
    assert!(!log.contains(".doorward"), "{log}");
    for secret in [super::nginx::SECRET, &super::nginx::basic()] {
        assert!(!browser.jar().contains(secret));
    }
    let came = |event: &serde_json::Value| event["event"]["kind"] == "user.enter";
    scene.gateway.audit_event(came).await;
    secret_is_nowhere(&scene).await;
}

#[tokio::test]
async fn only_windows_are_sent_to_sign_in() {
    let scene = scene().await;
    let browser = Browser::new(&scene);
    let url = scene.url("wiki", "/hello.txt");
    for lines in [
        &["Accept: */*"][..],
        &[
            "Accept: text/html",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
        ],
        &[
            "Accept: text/html",
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Dest: empty",
        ],
        &["Accept: text/html", "Doorward-Token: dw_wrong"],
    ] {
        let mut curl = browser.curl();
        for line in lines {
            curl.args(["-H", line]);
        }
        assert_eq!(seen(curl, &url).await.status, 401, "{lines:?}");
    }
    let mut post = browser.curl();
    post.args(["-H", "Accept: text/html", "--data", "a=b"]);
    assert_eq!(seen(post, &url).await.status, 401);
    let begun = browser.open(&url).await;
    let to = location(&begun);
    assert!(
        to.contains("/sign-in?return=https%3A%2F%2Fwiki.door.localhost"),
        "{to}"
    );
    let nonce = browser
        .cookie("wiki.door.localhost", "__Host-doorward-begin")
        .unwrap();
    assert!(
        nonce.starts_with("dwn_") && !to.contains(&nonce),
        "the hash alone goes along"
    );
}

#[tokio::test]
async fn a_code_opens_nothing_in_another_browser_or_on_another_host() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let alice = Browser::new(&scene);
    let url = scene.url("wiki", "/hello.txt");
    alice.sign_in(&url).await;
    let code = async || {
        // As if her cookie for this host were gone.
        let mut curl = alice.scene.strange_curl();
        for line in WINDOW {
            curl.args(["-H", line]);
        }
        let begun = seen(curl, &url).await;
        location(&alice.open(&location(&begun)).await)
    };
    // Somebody else, who began something of their own.
    let mallory = Browser::new(&scene);
    mallory.open(&url).await;
    let begins_again = mallory.open(&code().await).await;
    assert_eq!(location(&begins_again), url);
    assert!(
        mallory
            .cookie("wiki.door.localhost", "__Host-doorward")
            .is_none()
    );
    let stranger = Browser::new(&scene);
    let refused = stranger.open(&code().await).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(!stranger.jar().contains("dwc_"));
    let elsewhere = code().await.replace("//wiki.", "//other.");
    assert_eq!(alice.open(&elsewhere).await.status, 403);
}

#[tokio::test]
async fn a_cookie_speaks_for_one_host_and_for_pages_of_that_host() {
    let scene = scene().await;
    scene.with_other().await;
    scene.approved("wiki").await;
    scene.approved("other").await;
    let browser = Browser::new(&scene);
    let url = scene.url("wiki", "/hello.txt");
    browser.sign_in(&url).await;
    let cookie = browser
        .cookie("wiki.door.localhost", "__Host-doorward")
        .unwrap();
    let with = async |target: &str, lines: &[&str]| {
        let mut curl = scene.strange_curl();
        for line in lines {
            curl.args(["-H", line]);
        }
        seen(curl, &scene.url(target, "/hello.txt")).await
    };
    let shown = format!("Cookie: a=1; __Host-doorward={cookie}");
    assert_eq!(with("wiki", &[&shown]).await.status, 200);
    assert_eq!(with("other", &[&shown]).await.status, 401, "another host");
    assert_eq!(
        with("wiki", &[&shown]).await.status,
        200,
        "and no answer was mixed up"
    );
    let doubled = format!("{shown}; __Host-doorward={cookie}");
    let refused = with("wiki", &[&doubled]).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.problem()["code"], "cookie-doubled");
    let as_token = format!("Doorward-Token: {cookie}");
    assert_eq!(with("wiki", &[&as_token]).await.status, 401);
    let token = format!("Cookie: __Host-doorward={}", scene.alice.token);
    assert_eq!(
        with("wiki", &[&token]).await.status,
        401,
        "a program's token is no cookie"
    );

    let before = scene.nginx.log().lines().count();
    let sibling = "Sec-Fetch-Site: same-site";
    for lines in [
        &[sibling, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"][..],
        &[
            sibling,
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
        ],
        &[
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Dest: empty",
        ],
    ] {
        let lines: Vec<_> = lines.iter().copied().chain([&*shown]).collect();
        let refused = with("wiki", &lines).await;
        assert_eq!(refused.status, 403, "{lines:?}");
        assert_eq!(refused.problem()["code"], "cross-origin");
    }
    for lines in [
        &[
            sibling,
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document",
        ][..],
        &["Origin: https://evil.example"],
    ] {
        let mut curl = scene.strange_curl();
        curl.args(["-H", &shown, "-X", "POST", "--data", "a=b"]);
        for line in lines {
            curl.args(["-H", line]);
        }
        assert_eq!(seen(curl, &url).await.status, 403, "{lines:?}");
    }
    let lines = [
        &*shown,
        "Service-Worker: script",
        "Sec-Fetch-Dest: serviceworker",
    ];
    let worker = with("wiki", &lines).await;
    assert_eq!(worker.problem()["code"], "no-service-worker");
    assert_eq!(
        scene.nginx.log().lines().count(),
        before,
        "none of it arrived"
    );
    let link = with("wiki", &[&shown, sibling, WINDOW[1], WINDOW[2]]).await;
    assert_eq!(link.status, 200, "a link from another target leads here");
}

#[tokio::test]
async fn p2_signing_out_anywhere_and_disabling_ends_what_is_open() {
    let scene = scene().await;
    scene.nginx.file("large.bin", 4 << 30);
    scene.approved("wiki").await;
    let url = scene.url("wiki", "/large.bin");
    let own = scene.url("wiki", "");
    for way in ["console", "host", "user"] {
        let browser = Browser::new(&scene);
        browser.sign_in(&url).await;
        let mut download = browser
            .curl()
            .args(["-o", "-"])
            .arg(&url)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = download.stdout.take().unwrap();
        stdout.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
        let drained =
            tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
        match way {
            "console" => {
                let out = format!("{}/sign-out", browser.console());
                assert_eq!(
                    browser.send(&own, &out, &[]).await.status,
                    403,
                    "another page"
                );
                assert_eq!(
                    browser.send(&browser.console(), &out, &[]).await.status,
                    303
                );
            }
            "host" => {
                let out = scene.url("wiki", "/.doorward/sign-out");
                let foreign = scene.url("other", "");
                assert_eq!(browser.send(&foreign, &out, &[]).await.status, 403);
                assert_eq!(browser.send("null", &out, &[]).await.status, 403);
                let page = browser.send(&own, &out, &[]).await;
                assert_eq!(page.status, 200, "{page:?}");
            }
            _ => {
                let root = &scene.gateway.root;
                scene
                    .gateway
                    .post(root, "/users/alice/disable", json!({}))
                    .await;
            }
        }
        let status = within("the download", download.wait()).await.unwrap();
        drained.await.unwrap().unwrap();
        assert!(!status.success(), "{way}: half a file is no file");
        // Who somebody is may be remembered for a second; what they may is asked each time.
        let begins = async || {
            let seen = browser.open(&url).await;
            assert!(matches!(seen.status, 303 | 403), "{way}: {seen:?}");
            (seen.status == 303).then_some(seen)
        };
        let to = location(&scene.gateway.eventually("a sign-in page", begins).await);
        assert!(to.contains("/sign-in?"), "{way}: {to}");
        let page = browser.open(&to).await;
        assert!(
            page.body.contains("name=\"password\""),
            "{way}: signed in no more"
        );
    }
    let outcomes: Vec<_> = scene
        .sessions()
        .await
        .iter()
        .map(|it| it["outcome"].clone())
        .collect();
    assert!(outcomes.contains(&json!("signed-out")), "{outcomes:?}");
}
