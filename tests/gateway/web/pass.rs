//! What passes: pages, files, redirects, over either protocol, with the credential put in.

use serde_json::json;
use tokio::process::Command;

use super::{
    Scene, enter,
    nginx::{Nginx, SECRET, basic},
    scene, secret_is_nowhere, seen,
};

#[tokio::test]
async fn refused_asked_approved_served_with_a_credential_nobody_sees() {
    let scene = scene().await;
    let refused = scene.get("wiki", "/hello.txt").await;
    assert_eq!(refused.status, 403);
    let problem = refused.problem();
    assert_eq!(problem["code"], "no-checkout", "{problem}");
    assert_eq!(problem["hint"], "ask for access: doorward request wiki");
    assert_eq!(scene.nginx.log(), "", "the target was never contacted");

    let asked = scene.ask("wiki").await;
    let waiting = scene.get("wiki", "/hello.txt").await.problem();
    assert_eq!(waiting["code"], "still-waiting", "{waiting}");
    assert_eq!(waiting["checkout"], asked["code"]);
    let link = format!("{}/checkouts/", scene.gateway.url());
    assert!(
        waiting["link"]
            .as_str()
            .unwrap()
            .contains(&link["https://".len()..]),
        "{waiting}"
    );

    scene.approve(asked["id"].as_str().unwrap()).await;
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let mut curl = scene.curl();
        curl.arg(flag);
        let served = seen(curl, &scene.url("wiki", "/hello.txt")).await;
        assert_eq!(
            (served.status, &*served.version),
            (200, version),
            "{served:?}"
        );
        assert_eq!(served.body, "hello from the wiki\n");
        let head = served.head.to_lowercase();
        assert!(head.contains("doorward-checkout: "), "{head}");
        assert!(head.contains("doorward-ends: 20"), "{head}");
    }
    let log = scene.nginx.log();
    assert!(log.starts_with("ops GET /hello.txt 200"), "{log}");
    assert!(
        log.contains("for=127.0.0.1 proto=https user=- token=- "),
        "{log}"
    );
    let opened = |event: &serde_json::Value| {
        event["event"]["kind"] == "session.open" && event["event"]["detail"]["protocol"] == "web"
    };
    scene.gateway.audit_event(opened).await;
    let used = |event: &serde_json::Value| event["event"]["kind"] == "credential.use";
    scene.gateway.audit_event(used).await;
    assert_eq!(scene.sessions().await.len(), 1, "one session for both");
    secret_is_nowhere(&scene).await;
}

#[tokio::test]
async fn a_program_shows_its_token_as_a_bearer_too_and_the_target_never_sees_it() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let mut curl = scene.strange_curl();
    curl.arg("-H")
        .arg(format!("Authorization: Bearer {}", scene.alice.token));
    curl.args([
        "-H",
        "X-Forwarded-User: root",
        "-H",
        "X_Forwarded_User: root",
    ]);
    curl.args([
        "-H",
        "X-Forwarded-For: 6.6.6.6",
        "-H",
        "Cookie: a=1; __Host-doorward=x",
    ]);
    let served = seen(curl, &scene.url("wiki", "/hello.txt")).await;
    assert_eq!(served.status, 200, "{served:?}");
    let log = scene.nginx.log();
    assert!(
        log.contains("for=127.0.0.1 proto=https user=- token=-"),
        "{log}"
    );
    assert!(log.trim_end().ends_with("cookie=a=1"), "{log}");
}

#[tokio::test]
async fn who_is_not_known_is_told_how_to_be() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let url = scene.url("wiki", "/hello.txt");
    let nobody = seen(scene.strange_curl(), &url).await;
    assert_eq!(nobody.status, 401);
    assert!(
        nobody
            .head
            .to_lowercase()
            .contains("www-authenticate: bearer")
    );
    assert_eq!(nobody.problem()["code"], "unauthenticated");
    let wrong = seen(scene.curl_as("dw_wrong"), &url).await;
    assert_eq!(wrong.status, 401);
    let other = seen(scene.curl_as(&scene.bob.token), &url).await;
    assert_eq!(
        other.problem()["code"],
        "no-checkout",
        "bob holds no check-out"
    );
    let mut browser = scene.strange_curl();
    browser.args(["-H", "Accept: text/html", "-H", "Sec-Fetch-Dest: iframe"]);
    let page = seen(browser, &url).await;
    assert_eq!(page.status, 401);
    assert!(page.body.contains("<h1>Unauthorized</h1>"), "{page:?}");
    assert_eq!(
        scene.get("nowhere", "/").await.problem()["code"],
        "no-checkout"
    );
    assert_eq!(scene.nginx.log(), "");
}

/// As guessing at a password is: written down, and slower with each try.
#[tokio::test]
async fn guessing_at_tokens_is_audited_and_slowed() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let url = scene.url("wiki", "/hello.txt");
    let mut slowed = None;
    for round in 0..100 {
        let mut curl = scene.strange_curl();
        // Either place, and also what has the form of a token.
        match round % 2 {
            0 => curl.args(["-H", &format!("Doorward-Token: dw_{round:043}")]),
            _ => curl.args(["-H", &format!("Doorward-Token: {round}")]),
        };
        let seen = seen(curl, &url).await;
        match seen.status {
            401 => {}
            429 => {
                slowed = Some(seen);
                break;
            }
            _ => panic!("{seen:?}"),
        }
    }
    let slowed = slowed.expect("a hundred guesses were all heard");
    assert!(
        slowed.head.to_lowercase().contains("\nretry-after: "),
        "{slowed:?}"
    );
    assert_eq!(slowed.problem()["code"], "rate-limited");
    let refused = |event: &serde_json::Value| {
        let event = &event["event"];
        event["kind"] == "user.sign-in"
            && event["outcome"]["refused"] == "sign-in"
            && event["detail"]["door"] == "web"
    };
    scene.gateway.audit_event(refused).await;
    // Who shows a token that is good is nobody's guess.
    assert_eq!(scene.get("wiki", "/hello.txt").await.status, 200);
    assert_eq!(scene.nginx.log().lines().count(), 1);
}

#[tokio::test]
async fn a_redirect_leads_back_through_the_gateway_and_holds_no_secret() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let moved = scene.get("wiki", "/moved").await;
    assert_eq!(moved.status, 302);
    let head = moved.head.to_lowercase();
    let location = format!("location: {}", scene.url("wiki", "/hello.txt"));
    assert!(head.contains(&location), "{head}");
    assert!(head.contains("set-cookie: sid=1; path=/"), "{head}");
    assert!(!head.contains("domain="), "{head}");
    assert!(
        !moved.head.contains(&basic()),
        "the target echoed it: {head}"
    );
    let mut following = scene.curl();
    following.arg("--location");
    let output = following
        .arg(scene.url("wiki", "/moved"))
        .output()
        .await
        .unwrap();
    assert_eq!(output.stdout, b"hello from the wiki\n");
    assert!(!moved.body.contains(SECRET));
}

#[tokio::test]
async fn each_way_of_signing_in_reaches_the_target_and_stays_there() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let scene = scene().await;
    let heads = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let heard = heads.clone();
    let port = super::raw::target(move |mut stream| {
        let heard = heard.clone();
        async move {
            let mut bytes = vec![0; 65_536];
            let count = stream.read(&mut bytes).await.unwrap_or(0);
            heard
                .lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&bytes[..count]));
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.ok();
        }
    })
    .await;
    enter(&scene.gateway, "other", port, json!({ "tls": false })).await;
    for (sign_in, expected) in [
        (
            json!({ "by": "none" }),
            "GET /a?x=1&key=mine HTTP/1.1".to_owned(),
        ),
        (
            json!({ "by": "bearer" }),
            format!("authorization: Bearer {SECRET}"),
        ),
        (
            json!({ "by": "header", "name": "X-Api-Key", "template": "k {secret}" }),
            format!("x-api-key: k {SECRET}"),
        ),
        (
            json!({ "by": "query", "name": "key" }),
            format!("GET /a?x=1&key={SECRET} HTTP/1.1"),
        ),
    ] {
        let change = json!({ "web": { "tls": false, "sign_in": sign_in } });
        scene.gateway.patch("/targets/other", change).await;
        let id = scene.approved("other").await;
        let mut curl = scene.curl();
        curl.args(["-H", "X-Api-Key: mine"]);
        let served = seen(curl, &scene.url("other", "/a?x=1&key=mine")).await;
        assert_eq!(served.status, 204, "{served:?}");
        let told = std::mem::take(&mut *heads.lock().unwrap());
        assert!(told.contains(&expected), "{expected}\n{told}");
        scene.revoke(&id).await;
    }
    secret_is_nowhere(&scene).await;
}

#[tokio::test]
async fn large_files_go_down_and_up_whole_and_in_parts() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let large = scene.nginx.dir.path().join("www/large.bin");
    let made = Command::new("dd")
        .args(["if=/dev/urandom", "bs=1M", "count=40", "status=none"])
        .arg(format!("of={}", large.display()))
        .status()
        .await
        .unwrap();
    assert!(made.success());
    let bytes = std::fs::read(&large).unwrap();
    for version in ["--http1.1", "--http2"] {
        let copy = scene.gateway.dir.path().join("copy");
        let mut curl = scene.curl();
        let done = curl
            .args([version, "-o"])
            .arg(&copy)
            .arg(scene.url("wiki", "/large.bin"));
        assert!(done.status().await.unwrap().success());
        assert!(std::fs::read(&copy).unwrap() == bytes, "{version} down");
        let mut head = scene.curl();
        let head = head
            .args([version, "--head"])
            .arg(scene.url("wiki", "/large.bin"));
        let head = String::from_utf8(head.output().await.unwrap().stdout).unwrap();
        let length = format!("content-length: {}", bytes.len());
        assert!(head.to_lowercase().contains(&length), "{head}");
        let mut part = scene.curl();
        let part = part.args([version, "--range", "1000-1999"]);
        let part = part
            .arg(scene.url("wiki", "/large.bin"))
            .output()
            .await
            .unwrap();
        assert!(part.stdout == bytes[1000..2000], "{version} part");
        let mut up = scene.curl();
        let up = up.args([version, "--upload-file"]).arg(&large);
        let up = up
            .args(["-w", "%{http_code}"])
            .arg(scene.url("wiki", "/upload/copy.bin"));
        let up = up.output().await.unwrap();
        assert!(
            up.stdout.starts_with(b"201") || up.stdout.starts_with(b"204"),
            "{up:?}"
        );
        let there = std::fs::read(scene.nginx.dir.path().join("www/upload/copy.bin")).unwrap();
        assert!(there == bytes, "{version} up");
        std::fs::remove_file(scene.nginx.dir.path().join("www/upload/copy.bin")).unwrap();
    }
    // Chunked, from what has no length.
    let mut piped = scene.curl();
    piped.args(["--http1.1", "-T", "-", "-w", "%{http_code}"]);
    piped.stdin(std::fs::File::open(&large).unwrap());
    let up = piped
        .arg(scene.url("wiki", "/upload/piped.bin"))
        .output()
        .await
        .unwrap();
    assert!(up.stdout.starts_with(b"201"), "{up:?}");
    let there = std::fs::read(scene.nginx.dir.path().join("www/upload/piped.bin")).unwrap();
    assert!(there == bytes, "chunked up");
}

#[tokio::test]
async fn a_target_with_tls_proves_what_is_pinned_or_gets_nothing() {
    let scene = scene().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["other.internal".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let nginx = Nginx::start_with_tls(&certificate.pem(), &key.serialize_pem()).await;
    let web = json!({ "tls": true, "host": "other.internal", "sign_in": { "by": "basic" } });
    enter(&scene.gateway, "other", nginx.port, web).await;
    scene.approved("other").await;
    let refused = scene.get("other", "/hello.txt").await;
    assert_eq!(refused.status, 502, "{refused:?}");
    assert_eq!(
        refused.problem()["code"],
        "target-unproven",
        "nothing is pinned"
    );

    let pinned = async |key: &rcgen::KeyPair| {
        let public = rcgen::PublicKeyData::subject_public_key_info(key);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &public);
        let pin = format!("sha256//{}", data_encoding::BASE64.encode(hash.as_ref()));
        let change = json!({ "host_keys": [pin] });
        scene.gateway.patch("/targets/other", change).await;
    };
    pinned(&rcgen::KeyPair::generate().unwrap()).await;
    let wrong = scene.get("other", "/hello.txt").await;
    assert_eq!(wrong.status, 502, "{wrong:?}");
    assert_eq!(
        nginx.log(),
        "",
        "no credential went to a target that proved nothing"
    );
    pinned(&key).await;
    let served = scene.get("other", "/hello.txt").await;
    assert_eq!(
        (served.status, &*served.body),
        (200, "hello from the wiki\n")
    );
    let log = nginx.log();
    assert!(
        log.starts_with("ops GET /hello.txt 200 host=other.internal "),
        "{log}"
    );
}

#[tokio::test]
async fn a_policy_lists_what_may_be_asked_of_a_target() {
    let scene = scene().await;
    let capabilities = ["http:GET,HEAD /hello.txt", "http:GET /upload/**"];
    let terms = json!({ "capabilities": capabilities });
    scene.gateway.under("wiki", terms).await;
    scene.approved("wiki").await;
    assert_eq!(scene.get("wiki", "/hello.txt").await.status, 200);
    assert_eq!(scene.get("wiki", "/%68ello.txt").await.status, 200);
    let refused = scene.get("wiki", "/index.html").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.problem()["code"], "not-capable");
    let mut put = scene.curl();
    put.args(["-X", "PUT", "--data", "x"]);
    let refused = seen(put, &scene.url("wiki", "/upload/x")).await;
    assert_eq!(refused.problem()["code"], "not-capable");
    let mut climbing = scene.curl();
    climbing.arg("--path-as-is");
    let unclear = seen(climbing, &scene.url("wiki", "/upload/../index.html")).await;
    assert_eq!(unclear.status, 400);
    assert_eq!(unclear.problem()["code"], "path-unclear");
    let log = scene.nginx.log();
    assert!(!log.contains("index.html") && !log.contains("PUT"), "{log}");
    for code in ["not-capable", "unsupported"] {
        let refused = |event: &serde_json::Value| {
            event["event"]["kind"] == "web.request" && event["event"]["outcome"]["refused"] == code
        };
        scene.gateway.audit_event(refused).await;
    }
}

/// As GitLab and RabbitMQ want it, and only where it is said of the target.
#[tokio::test]
async fn an_encoded_slash_passes_as_a_letter_where_that_is_said() {
    use tokio::io::AsyncWriteExt;

    let scene = scene().await;
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = asked.clone();
    let port = super::raw::target(move |mut stream| {
        let heard = heard.clone();
        async move {
            let (head, _) = super::raw::head(&mut stream).await;
            let path = head.split(' ').nth(1).unwrap().to_owned();
            heard.lock().unwrap().push(path);
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.ok();
        }
    })
    .await;
    enter(&scene.gateway, "other", port, json!({ "tls": false })).await;
    let capabilities = ["http:GET /projects/*", "http:GET /hosts/%2F/**"];
    let terms = json!({ "capabilities": capabilities });
    scene.gateway.under("other", terms).await;
    let status = async |path: &str| scene.get("other", path).await.status;

    let id = scene.approved("other").await;
    let refused = scene.get("other", "/projects/a%2Fb").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.problem()["code"], "path-unclear");
    scene.revoke(&id).await;

    let web = json!({ "web": { "tls": false, "encoded_slashes": true } });
    scene.gateway.patch("/targets/other", web).await;
    scene.approved("other").await;
    assert_eq!(status("/projects/a%2fb").await, 204);
    assert_eq!(status("/hosts/%2F/queues").await, 204);
    for (path, expected) in [
        ("/projects/a/b", 403),
        ("/projects%2Fa", 403),
        ("/hosts/%252F/queues", 403),
        ("/projects/..%2F..%2Fadmin", 400),
        ("/projects/a%2F%2e%2e", 400),
        ("/projects/a%5Cb", 400),
    ] {
        assert_eq!(status(path).await, expected, "{path}");
    }
    let asked = asked.lock().unwrap();
    assert_eq!(*asked, ["/projects/a%2Fb", "/hosts/%2F/queues"]);
}

#[tokio::test]
async fn p1_every_request_is_in_the_recording_and_no_secret_is() {
    let scene = scene().await;
    let id = scene.approved("wiki").await;
    scene.get("wiki", "/hello.txt?api_key=sesame&page=2").await;
    scene.get("wiki", "/nothing").await;
    scene.revoke(&id).await;
    let recording = scene.gateway.eventually("the recording", async || {
        let page = scene.gateway.get(&scene.gateway.root, "/recordings").await;
        let first = page["items"].as_array()?.first()?.clone();
        first["finished_at"].is_string().then_some(first)
    });
    let recording = recording.await;
    assert_eq!(recording["kind"], "requests");
    let path = format!("/recordings/{}/content", recording["id"].as_str().unwrap());
    let content = scene.gateway.get(&scene.gateway.root, &path).await;
    let content = content.as_str().unwrap();
    let has = |parts: [&str; 2]| {
        let fits = |line: &str| parts.iter().all(|part| line.contains(part));
        content.lines().any(fits)
    };
    assert!(
        has(["\"request\"", "/hello.txt?api_key=***&page=2"]),
        "{content}"
    );
    assert!(
        has(["\"answer\"", "200"]) && has(["\"answer\"", "404"]),
        "{content}"
    );
    assert!(
        !content.contains("sesame") && !content.contains(SECRET),
        "{content}"
    );
    secret_is_nowhere(&scene).await;
}

/// Two people's requests never meet on one connection, whatever they have left there.
#[tokio::test]
async fn p1_two_people_on_one_target_share_no_connection() {
    let scene = scene().await;
    let seen_by = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Vec<String>>::new()));
    let seen = seen_by.clone();
    let port = super::raw::target(move |mut stream| {
        let seen = seen.clone();
        async move {
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(Vec::new());
                seen.len() - 1
            };
            loop {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut byte).await {
                        Ok(1) => head.push(byte[0]),
                        _ => return,
                    }
                }
                let head = String::from_utf8(head).unwrap();
                seen.lock().unwrap()[number].push(head.split(' ').nth(1).unwrap().to_owned());
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    enter(&scene.gateway, "other", port, json!({ "tls": false })).await;
    let carol = scene.gateway.person("carol", &["requester"]).await;
    scene.approved("other").await;
    scene.gateway.check_out(&carol, &scene.bob, "other").await;
    for round in 0..3 {
        for (token, name) in [(&scene.alice.token, "alice"), (&carol.token, "carol")] {
            let url = scene.url("other", &format!("/{name}/{round}"));
            let served = super::seen(scene.curl_as(token), &url).await;
            assert_eq!(served.body, "ok");
        }
    }
    let seen = seen_by.lock().unwrap();
    assert_eq!(seen.iter().map(Vec::len).sum::<usize>(), 6, "{seen:?}");
    for paths in seen.iter() {
        let of = |name: &str| paths.iter().any(|path| path.contains(name));
        assert!(!(of("alice") && of("carol")), "{seen:?}");
    }
}

#[tokio::test]
async fn a_target_that_answers_garbage_or_nothing_is_named() {
    let scene = scene().await;
    let port = super::raw::target(|mut stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut some = [0; 1024];
        let count = stream.read(&mut some).await.unwrap_or(0);
        if some[..count].starts_with(b"GET /garbage") {
            stream.write_all(b"what do you want?\r\n\r\n").await.ok();
        }
    })
    .await;
    enter(&scene.gateway, "other", port, json!({ "tls": false })).await;
    scene.approved("other").await;
    for path in ["/garbage", "/nothing"] {
        let failed = scene.get("other", path).await;
        assert_eq!(failed.status, 502, "{failed:?}");
        assert_eq!(failed.problem()["code"], "target-garbled", "{failed:?}");
    }
    scene.approved("wiki").await;
    assert_eq!(
        scene.get("wiki", "/hello.txt").await.status,
        200,
        "others are not harmed"
    );
}

/// Over SSH a web target is no target, and the other way round.
#[tokio::test]
async fn a_web_target_is_not_reached_with_ssh() {
    let scene: Scene = scene().await;
    scene.approved("wiki").await;
    let told = scene.gateway.seen(&scene.alice, "alice+wiki", &["true"]);
    let told = told.await.stderr;
    assert!(told.contains("wiki is a web target"), "{told}");
}

/// Many servers close a connection that was kept in the moment in which it is used again.
#[tokio::test]
async fn a_connection_that_was_kept_and_is_closed_costs_nobody_a_reading() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let scene = scene().await;
    let port = super::raw::target(|mut stream| async move {
        super::raw::head(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.ok();
        // The next request begins, and gets no answer.
        stream.read_u8().await.ok();
    });
    enter(&scene.gateway, "other", port.await, json!({ "tls": false })).await;
    scene.approved("other").await;
    for path in ["/first", "/again", "/and-again"] {
        assert_eq!(scene.get("other", path).await.body, "ok", "{path}");
    }
    // What changes something may have been done.
    let mut post = scene.curl();
    post.args(["--data", "x"]);
    let lost = seen(post, &scene.url("other", "/change")).await;
    assert_eq!(lost.status, 502, "{lost:?}");
    assert_eq!(lost.problem()["code"], "target-garbled");
}
