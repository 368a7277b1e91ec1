//! What a target is told of who is there: by its settings, by the gateway alone, and so that
//! it can be verified.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, sync::mpsc};

use super::{Scene, enter, raw, scene, seen};

/// A target `other` with these settings that says what heads it gets; alice may use it.
async fn told(scene: &Scene, web: Value) -> mpsc::UnboundedReceiver<String> {
    let (heads, heard) = mpsc::unbounded_channel();
    let port = raw::target(move |mut stream| {
        let heads = heads.clone();
        async move {
            let (head, _) = raw::head(&mut stream).await;
            heads.send(head).ok();
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.ok();
        }
    });
    enter(&scene.gateway, "other", port.await, web).await;
    let dba = json!({ "name": "dba", "members": ["alice"] });
    scene
        .gateway
        .post(&scene.gateway.root, "/groups", dba)
        .await;
    scene.approved("other").await;
    heard
}

/// Alice's request, with everything said about her that is not so.
async fn pretending(scene: &Scene, flag: &str) -> u16 {
    let mut curl = scene.curl();
    curl.arg(flag);
    for name in [
        "X-Forwarded-User",
        "X_Forwarded_User",
        "X-Forwarded-Groups",
        "Doorward-Identity",
    ] {
        curl.args(["-H", &format!("{name}: root")]);
    }
    seen(curl, &scene.url("other", "/")).await.status
}

#[tokio::test]
async fn a_target_hears_nothing_of_who_is_there_unless_it_is_to() {
    let scene = scene().await;
    let mut heads = told(&scene, json!({ "tls": false })).await;
    assert_eq!(pretending(&scene, "--http2").await, 204);
    let head = heads.recv().await.unwrap().to_lowercase();
    assert!(!head.contains("alice") && !head.contains("root"), "{head}");
}

#[tokio::test]
async fn headers_say_who_is_there_and_nobody_else_says_it() {
    let scene = scene().await;
    let mut heads = told(&scene, json!({ "tls": false, "identity": "headers" })).await;
    for flag in ["--http1.1", "--http2"] {
        assert_eq!(pretending(&scene, flag).await, 204);
        let head = heads.recv().await.unwrap().to_lowercase();
        assert!(head.contains("\r\nx-forwarded-user: alice\r\n"), "{head}");
        assert!(head.contains("\r\nx-forwarded-groups: dba\r\n"), "{head}");
        assert!(!head.contains("root"), "{head}");
    }
}

#[tokio::test]
async fn a_token_says_it_so_that_it_can_be_verified() {
    let scene = scene().await;
    let mut heads = told(&scene, json!({ "tls": false, "identity": "token" })).await;
    let mut tokens = Vec::new();
    for flag in ["--http1.1", "--http2"] {
        assert_eq!(pretending(&scene, flag).await, 204);
        let head = heads.recv().await.unwrap();
        assert!(!head.contains("root"), "{head}");
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix("doorward-identity: "));
        tokens.push(line.unwrap_or_else(|| panic!("{head}")).to_owned());
    }
    assert_eq!(tokens[0], tokens[1], "one is good for a while");

    // As a target would, with what everybody may read.
    let keys = scene.gateway.get("", "/jwks").await;
    let (signed, signature) = tokens[0].rsplit_once('.').unwrap();
    let parts: Vec<Value> = signed
        .split('.')
        .map(|part| {
            serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
        })
        .collect();
    let (head, claims) = (&parts[0], &parts[1]);
    assert_eq!(head["alg"], "ES256");
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == head["kid"]);
    let key = key.unwrap_or_else(|| panic!("{keys}"));
    let number = |name: &str| {
        BASE64URL_NOPAD
            .decode(key[name].as_str().unwrap().as_bytes())
            .unwrap()
    };
    let point = [&[4][..], &number("x"), &number("y")].concat();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &signature).unwrap();
    assert!(key.verify(b"something else", &signature).is_err());

    assert_eq!(
        (&claims["sub"], &claims["aud"]),
        (&json!("alice"), &json!("other"))
    );
    assert_eq!(claims["groups"], json!(["dba"]));
    assert!(
        claims["iss"].as_str().unwrap().starts_with("https://"),
        "{claims}"
    );
    let good_for = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=120).contains(&good_for), "{claims}");
    let sessions = scene.sessions().await;
    assert_eq!(claims["session"], sessions[0]["id"]);
    assert!(keys.to_string().contains("\"kty\":\"EC\""), "{keys}");
    assert!(!keys.to_string().contains("\"d\":"), "public halves only");
}

/// Another start, another node: the same key.
#[tokio::test]
async fn the_key_outlives_the_process() {
    let mut gateway = crate::support::Gateway::start().await;
    let before = gateway.get("", "/jwks").await;
    gateway.crash_and_restart().await;
    assert_eq!(gateway.get("", "/jwks").await, before);
}
