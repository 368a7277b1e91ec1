//! Several addresses of one target: the next is asked where one does not answer, and nothing
//! is ever done twice.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Scene,
    nginx::{Nginx, secret},
    raw, scene, seen,
};
use crate::sshd::free_port;

/// A target at the first of these ports, and then at the others.
async fn enter(scene: &Scene, ports: &[u16], more: Value) {
    let at = |port: &u16| format!("127.0.0.1:{port}");
    let also: Vec<_> = ports[1..].iter().map(at).collect();
    let mut web = json!({ "tls": false, "also": also });
    for (name, value) in more["web"].as_object().into_iter().flatten() {
        web[name] = value.clone();
    }
    let mut target = json!({ "name": "other", "address": at(&ports[0]), "web": web });
    if more["host_keys"].is_array() {
        target["host_keys"] = more["host_keys"].clone();
    }
    scene.gateway.enter_web(target, secret()).await;
    scene.approved("other").await;
}

/// One that reads a request and closes. How many it has read.
async fn breaks_off() -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let port = raw::target(move |mut stream| {
        let counted = counted.clone();
        async move {
            raw::head(&mut stream).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port.await, count)
}

/// One that answers, and closes. How many it has answered.
async fn answers() -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let port = raw::target(move |mut stream| {
        let counted = counted.clone();
        async move {
            raw::head(&mut stream).await;
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.ok();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.ok();
        }
    });
    (port.await, count)
}

#[tokio::test]
async fn an_address_that_refuses_is_passed_over_with_and_without_a_body() {
    let scene = scene().await;
    let ports = [free_port().await, scene.nginx.port];
    enter(
        &scene,
        &ports,
        json!({ "web": { "sign_in": { "by": "basic" } } }),
    )
    .await;
    let mut put = scene.curl();
    put.args(["-X", "PUT", "--data", "a note"]);
    let put = seen(put, &scene.url("other", "/upload/note")).await;
    assert_eq!(put.status, 201, "{put:?}");
    for flag in ["--http1.1", "--http2"] {
        let mut curl = scene.curl();
        curl.arg(flag);
        let served = seen(curl, &scene.url("other", "/hello.txt")).await;
        assert_eq!(
            (served.status, &*served.body),
            (200, "hello from the wiki\n")
        );
    }
    // It knows itself by one name, wherever it is found.
    let log = scene.nginx.log();
    let host = format!("host=127.0.0.1:{} ", ports[0]);
    assert!(log.lines().all(|line| line.contains(&host)), "{log}");
}

#[tokio::test]
async fn what_only_reads_is_asked_again_elsewhere() {
    let scene = scene().await;
    let ((first, broken), (second, whole)) = (breaks_off().await, answers().await);
    enter(&scene, &[first, second], json!({})).await;
    let served = scene.get("other", "/a").await;
    assert_eq!((served.status, &*served.body), (200, "ok"), "{served:?}");
    assert_eq!(broken.load(Ordering::SeqCst), 1);
    // From now on it is asked last, also by those who come new.
    let carol = scene.gateway.person("carol", &["requester"]).await;
    scene.gateway.check_out(&carol, &scene.bob, "other").await;
    let url = scene.url("other", "/b");
    assert_eq!(seen(scene.curl_as(&carol.token), &url).await.status, 200);
    assert_eq!(broken.load(Ordering::SeqCst), 1);
    assert_eq!(whole.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    for (method, body) in [("POST", Some("x")), ("DELETE", None), ("GET", Some("x"))] {
        let scene = scene().await;
        let ((first, broken), (second, whole)) = (breaks_off().await, answers().await);
        enter(&scene, &[first, second], json!({})).await;
        let mut curl = scene.curl();
        curl.args(["-X", method]);
        curl.args(body.into_iter().flat_map(|body| ["--data", body]));
        let failed = seen(curl, &scene.url("other", "/a")).await;
        assert_eq!(failed.status, 502, "{method} {failed:?}");
        assert_eq!(failed.problem()["code"], "target-garbled");
        assert_eq!(broken.load(Ordering::SeqCst), 1, "{method}");
        assert_eq!(whole.load(Ordering::SeqCst), 0, "{method}");
    }
}

#[tokio::test]
async fn each_address_proves_the_same_or_gets_nothing() {
    let scene = scene().await;
    let certified = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["other.internal".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key)
    };
    let ((wrong_pem, wrong), (right_pem, right)) = (certified(), certified());
    let impostor = Nginx::start_with_tls(&wrong_pem, &wrong.serialize_pem()).await;
    let genuine = Nginx::start_with_tls(&right_pem, &right.serialize_pem()).await;
    let public = rcgen::PublicKeyData::subject_public_key_info(&right);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &public);
    let pin = format!("sha256//{}", data_encoding::BASE64.encode(hash.as_ref()));
    let more = json!({
        "host_keys": [pin],
        "web": { "tls": true, "host": "other.internal", "sign_in": { "by": "basic" } },
    });
    enter(&scene, &[impostor.port, genuine.port], more).await;
    let served = scene.get("other", "/hello.txt").await;
    assert_eq!(
        (served.status, &*served.body),
        (200, "hello from the wiki\n")
    );
    assert_eq!(impostor.log(), "", "nothing went to who proved nothing");
}

#[tokio::test]
async fn when_nobody_answers_it_is_said_once() {
    let scene = scene().await;
    let ports = [free_port().await, free_port().await];
    enter(&scene, &ports, json!({})).await;
    let failed = scene.get("other", "/a").await;
    assert_eq!(failed.status, 502);
    assert_eq!(failed.problem()["code"], "target-unreachable");
}

/// By a name nobody is led to the gateway itself, whichever of the addresses it is; what an
/// admin writes as an address is meant.
#[tokio::test]
async fn a_name_does_not_lead_back_to_the_gateway() {
    let scene = scene().await;
    let own = scene.gateway.admin.port();
    let gateway = &scene.gateway;
    let web = json!({ "tls": false, "also": [format!("localhost:{own}")] });
    let target = json!({ "name": "other", "address": format!("localhost:{own}"), "web": web });
    gateway.enter_web(target, secret()).await;
    scene.approved("other").await;
    let misled = scene.get("other", "/").await;
    assert_eq!(misled.status, 502);
    let detail = misled.problem()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("leads back to the gateway"), "{detail}");
    let closed = |event: &Value| {
        event["event"]["kind"] == "session.close"
            && event["event"]
                .to_string()
                .contains("a name for the gateway itself")
    };
    gateway.audit_event(closed).await;
    // Written down as an address it is reached, and says that it speaks TLS.
    let change = json!({ "address": format!("127.0.0.1:{own}"), "web": { "tls": false } });
    gateway.patch("/targets/other", change).await;
    let meant = scene.get("other", "/").await;
    assert!(
        !meant.body.contains("leads back to the gateway"),
        "{meant:?}"
    );
}
