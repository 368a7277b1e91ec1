//! Requests in shapes that two programs read differently: answered with 400, the connection
//! closed, the target not asked (RFC 9112 s11.2).

use super::{raw::answered, scene};

#[tokio::test]
async fn what_could_smuggle_a_request_is_refused_before_the_target() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let port = scene.gateway.web.port();
    let host = format!("wiki.door.localhost:{port}");
    let token = &scene.alice.token;
    let post = format!("POST /hello.txt HTTP/1.1\r\nHost: {host}\r\nDoorward-Token: {token}\r\n");
    let get = post.replacen("POST", "GET", 1);
    let smuggled =
        format!("GET /smuggled HTTP/1.1\r\nHost: {host}\r\nDoorward-Token: {token}\r\n\r\n");
    for shape in [
        format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{post}Content-Length: 0\r\nContent-Length: 50\r\n\r\n{smuggled}"),
        format!("{post}Content-Length: +0\r\n\r\n{smuggled}"),
        format!("{get}X: a\n\r\n{smuggled}"),
        get.replace("\r\n", "\n") + "\n",
        format!("{get}X: a\r\n folded\r\n\r\n"),
        format!("{get}Host: other.door.localhost\r\n\r\n"),
        format!("{get}Host: {host}\r\n\r\n"),
        get.replacen(
            "GET /hello.txt",
            "GET https://other.door.localhost/hello.txt",
            1,
        ) + "\r\n",
        get.replacen(&host, &format!("{host}."), 1) + "\r\n",
        get.replacen("/hello.txt", "/%2e%2e/hello.txt", 1) + "\r\n",
        get.replacen("/hello.txt", "/a%2fhello.txt", 1) + "\r\n",
        get.replacen("/hello.txt", "/hello.txt%00", 1) + "\r\n",
        get.replacen("/hello.txt", "/%c0%ae/hello.txt", 1) + "\r\n",
        get.replacen("/hello.txt", "*", 1) + "\r\n",
        get.replacen("HTTP/1.1", "HTTP/1.1\r\nX", 1) + "\r\n",
        format!("{get}\r\n{post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ] {
        // Answered to the end of the connection: it is closed, or this hangs.
        let answer = answered(&scene, shape.as_bytes()).await;
        assert!(answer.contains("HTTP/1.1 400"), "{shape:?}\n{answer}");
        assert!(!answer.contains("smuggled"), "{shape:?}\n{answer}");
    }
    let log = scene.nginx.log();
    assert!(!log.contains("smuggled"), "{log}");
    assert!(
        log.lines().all(|line| line.contains("GET /hello.txt 200")),
        "{log}"
    );
}

#[tokio::test]
async fn the_target_that_is_named_is_the_one_that_is_reached() {
    let scene = scene().await;
    scene.approved("wiki").await;
    let port = scene.gateway.web.port();
    let token = &scene.alice.token;
    let ask = |line: &str, host: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nDoorward-Token: {token}\r\nConnection: close\r\n\r\n"
        )
    };
    // SNI says wiki all the time; it is the host that counts.
    for (line, host, expected) in [
        (
            "GET /hello.txt",
            format!("WIKI.door.localhost:{port}"),
            "200",
        ),
        (
            &format!("GET https://wiki.door.localhost:{port}/hello.txt"),
            format!("wiki.door.localhost:{port}"),
            "200",
        ),
        (
            "GET /hello.txt",
            format!("other.door.localhost:{port}"),
            "403",
        ),
        (
            "GET /hello.txt",
            format!("wiki.door.localhost:{}", port ^ 1),
            "421",
        ),
        ("GET /hello.txt", "wiki.evil.example".to_owned(), "421"),
        ("GET /hello.txt", format!("127.0.0.1:{port}"), "421"),
        (
            "TRACE /hello.txt",
            format!("wiki.door.localhost:{port}"),
            "405",
        ),
        (
            "CONNECT wiki:80",
            format!("wiki.door.localhost:{port}"),
            "400",
        ),
        (
            "GET /.doorward/nothing",
            format!("wiki.door.localhost:{port}"),
            "404",
        ),
        (
            "GET /%2edoorward/nothing",
            format!("wiki.door.localhost:{port}"),
            "404",
        ),
    ] {
        let answer = answered(&scene, ask(line, &host).as_bytes()).await;
        let expected = format!("HTTP/1.1 {expected}");
        assert!(answer.starts_with(&expected), "{line} {host}\n{answer}");
    }
    assert!(
        !scene.nginx.log().contains("doorward/"),
        "{}",
        scene.nginx.log()
    );
}
