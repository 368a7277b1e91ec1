//! Which headers of a request go on to the target, and which of its answer to the person.
//!
//! Drops what belongs to one connection, what the gateway alone may say, and what is meant
//! for the gateway. Pure: nothing here sees a secret but the one value it is given to drop.

use std::borrow::Cow;

use hyper::{
    HeaderMap,
    header::{self, AUTHORIZATION, CONNECTION, COOKIE, HeaderName, HeaderValue, SET_COOKIE, TE},
};

use super::identity::Who;

/// Where a program says who it is, when the target needs `Authorization` for itself.
pub const TOKEN: HeaderName = HeaderName::from_static("doorward-token");
/// Which account is meant, where there are several.
pub const ACCOUNT: HeaderName = HeaderName::from_static("doorward-account");

/// What every cookie of the gateway's own begins with, on every host.
pub const OWN_COOKIE: &str = "__Host-doorward";

/// What the gateway tells a target about a request.
pub struct Told<'a> {
    pub peer: &'a HeaderValue,
    pub authority: &'a str,
    pub port: &'a HeaderValue,
    pub request: &'a str,
    /// Where its settings ask for it.
    pub who: &'a Who,
}

/// Leaves what goes on to the target. `secret_in` is the header that the gateway fills itself.
pub fn of_request(headers: &mut HeaderMap, secret_in: Option<&str>, own_bearer: bool) {
    let connection = named_in_connection(headers);
    let te_trailers = headers
        .get_all(TE)
        .iter()
        .any(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let plain = plain(name.as_str());
            is_hop_by_hop(&plain)
                || is_said_by_gateway(&plain)
                || connection.iter().any(|named| *named == name.as_str())
                || secret_in.is_some_and(|secret| secret.replace('_', "-") == plain)
                || *name == header::HOST
                || *name == header::EXPECT
        })
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
    if own_bearer {
        headers.remove(AUTHORIZATION);
    }
    if te_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let cookies = other_cookies(headers);
    if let Some(cookies) = cookies {
        headers.remove(COOKIE);
        if let Some(cookies) = cookies {
            headers.insert(COOKIE, cookies);
        }
    }
}

/// What may stand behind a body on its way to the target.
pub fn of_trailers(trailers: &mut HeaderMap) {
    let gone: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| {
            let plain = plain(name.as_str());
            is_hop_by_hop(&plain) || is_said_by_gateway(&plain) || is_never_trailing(&plain)
        })
        .cloned()
        .collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// Says what the gateway alone says.
pub fn tell(headers: &mut HeaderMap, told: &Told<'_>) {
    let text = |text: &str| HeaderValue::from_str(text).ok();
    let peer = told.peer.to_str().unwrap_or("unknown");
    // RFC 7239 s6: an IPv6 address stands in brackets and quotes.
    let forwarded = match peer.contains(':') {
        true => format!("for=\"[{peer}]\";host=\"{}\";proto=https", told.authority),
        false => format!("for={peer};host=\"{}\";proto=https", told.authority),
    };
    let own = |name| HeaderName::from_static(name);
    headers.insert(own("x-forwarded-for"), told.peer.clone());
    headers.insert(own("x-forwarded-proto"), HeaderValue::from_static("https"));
    headers.insert(own("x-forwarded-port"), told.port.clone());
    for (name, value) in [
        ("x-forwarded-host", text(told.authority)),
        ("forwarded", text(&forwarded)),
        ("x-request-id", text(told.request)),
    ] {
        if let Some(value) = value {
            headers.insert(own(name), value);
        }
    }
    told.who.tell(headers);
}

/// Leaves what goes back to the person.
pub fn of_answer(headers: &mut HeaderMap) {
    let connection = named_in_connection(headers);
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            is_hop_by_hop(name.as_str())
                || is_beyond_a_target(name.as_str())
                || name.as_str().starts_with("doorward-")
                || connection.iter().any(|named| *named == name.as_str())
        })
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
}

fn named_in_connection(headers: &HeaderMap) -> Vec<String> {
    let mut named = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
            if !name.is_empty() {
                named.push(name);
            }
        }
    }
    named
}

/// Programs behind CGI and its kin read `X_Forwarded_For` and `X.Forwarded.For` as one name.
fn plain(name: &str) -> Cow<'_, str> {
    match name.contains(['_', '.']) {
        true => Cow::Owned(name.replace(['_', '.'], "-")),
        false => Cow::Borrowed(name),
    }
}

/// RFC 9110 s7.6.1, and what is older.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-authentication-info"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Who somebody is, where they come from and what they asked for: said by the gateway, or by
/// nobody.
fn is_said_by_gateway(name: &str) -> bool {
    const BEGINNINGS: [&str; 9] = [
        "x-forwarded",
        "x-original",
        "x-rewrite",
        "x-auth-request-",
        "x-authenticated-",
        "x-webauth-",
        "x-ssl-",
        "x-client-cert",
        "doorward-",
    ];
    matches!(
        name,
        "forwarded"
            | "via"
            | "x-real-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "true-client-ip"
            | "cf-connecting-ip"
            | "fastly-client-ip"
            | "client-ip"
            | "x-request-id"
            | "x-remote-user"
            | "x-remote-groups"
            | "remote-user"
            | "remote-groups"
            | "remote-email"
            | "remote-name"
            | "x-user"
            | "x-host"
            | "x-http-host-override"
            | "client-cert"
            | "client-cert-chain"
            | "proxy"
    ) || BEGINNINGS
        .iter()
        .any(|beginning| name.starts_with(beginning))
}

/// RFC 9110 s6.5.1: what decides how a message is read comes before it.
fn is_never_trailing(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "content-encoding"
            | "content-length"
            | "content-range"
            | "content-type"
            | "cookie"
            | "host"
            | "set-cookie"
            | "trailer"
            | "expect"
    )
}

/// What a target says about other ways to reach this name, or about what a browser keeps of
/// others: the gateway's name is not the target's to speak for.
fn is_beyond_a_target(name: &str) -> bool {
    matches!(
        name,
        "alt-svc" | "clear-site-data" | "public-key-pins" | "public-key-pins-report-only"
    )
}

/// The cookies that are not the gateway's, where one of them is: none at all, or one header.
#[allow(clippy::option_option)]
fn other_cookies(headers: &HeaderMap) -> Option<Option<HeaderValue>> {
    let all = headers.get_all(COOKIE);
    let count = all.iter().count();
    let holds_own = |value: &HeaderValue| {
        let own = OWN_COOKIE.as_bytes();
        value
            .as_bytes()
            .windows(own.len())
            .any(|part| part.eq_ignore_ascii_case(own))
    };
    // HTTP/2 sends each by itself; HTTP/1 knows one header (RFC 9113 s8.2.3).
    if count < 2 && !all.iter().any(holds_own) {
        return None;
    }
    let mut joined: Vec<u8> = Vec::new();
    for value in all {
        for cookie in value.as_bytes().split(|byte| *byte == b';') {
            let cookie = cookie.trim_ascii();
            let is_own = cookie
                .get(..OWN_COOKIE.len())
                .is_some_and(|name| name.eq_ignore_ascii_case(OWN_COOKIE.as_bytes()));
            if cookie.is_empty() || is_own {
                continue;
            }
            if !joined.is_empty() {
                joined.extend_from_slice(b"; ");
            }
            joined.extend_from_slice(cookie);
        }
    }
    match joined.is_empty() {
        true => Some(None),
        false => Some(HeaderValue::from_bytes(&joined).ok()),
    }
}

/// A target's cookie as its own host alone may have it: none of the gateway's names, and no
/// domain, which would reach the gateway's other hosts.
pub fn cookies_of_answer(headers: &mut HeaderMap, path: impl Fn(&str) -> Option<String>) {
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    let before: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for value in before {
        let Some(cookie) = value.to_str().ok().and_then(|text| cookie(text, &path)) else {
            continue;
        };
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

fn cookie(text: &str, path: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut parts = text.split(';');
    let pair = parts.next()?.trim();
    // A cookie without a name is sent as its value alone, whatever that looks like.
    let named = pair.trim_start_matches('=').trim_start();
    let is_own = named
        .get(..OWN_COOKIE.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(OWN_COOKIE));
    if is_own {
        return None;
    }
    let mut kept = pair.to_owned();
    for part in parts {
        let part = part.trim();
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name.trim().eq_ignore_ascii_case("domain") {
            continue;
        }
        kept.push_str("; ");
        match path(value.trim()) {
            Some(moved) if name.trim().eq_ignore_ascii_case("path") => {
                kept.push_str("Path=");
                kept.push_str(&moved);
            }
            _ => kept.push_str(part),
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_only_the_gateway_may_say_is_dropped_in_every_spelling() {
        let mut headers = map(&[
            ("X-Forwarded-User", "root"),
            ("x_forwarded_user", "root"),
            ("X.Forwarded.User", "root"),
            ("X_Real_IP", "1.2.3.4"),
            ("Forwarded", "for=1.2.3.4"),
            ("X-Original-URL", "/admin"),
            ("X-Rewrite-URL", "/admin"),
            ("Remote-User", "root"),
            ("X-WEBAUTH-USER", "root"),
            ("Proxy", "http://evil"),
            ("Doorward-Token", "dw_x"),
            ("doorward_token", "dw_x"),
            ("Connection", "close, X-Kept-Back"),
            ("X-Kept-Back", "1"),
            ("Keep-Alive", "1"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "x"),
            ("TE", "trailers"),
            ("Host", "wiki"),
            ("Expect", "100-continue"),
            ("Accept", "*/*"),
            ("Authorization", "Digest x"),
        ]);
        of_request(&mut headers, None, false);
        assert_eq!(names(&headers), ["accept", "authorization", "te"]);
        let mut headers = map(&[
            ("Authorization", "Bearer x"),
            ("X-Api-Key", "1"),
            ("x_api_key", "1"),
        ]);
        of_request(&mut headers, Some("x-api-key"), true);
        assert!(headers.is_empty(), "{headers:?}");
    }

    #[test]
    fn a_client_cannot_have_the_gateways_own_words_taken_back() {
        let mut headers = map(&[("Connection", "X-Forwarded-For, Forwarded, Authorization")]);
        of_request(&mut headers, None, false);
        let (peer, port) = (
            HeaderValue::from_static("::1"),
            HeaderValue::from_static("8444"),
        );
        let told = Told {
            peer: &peer,
            authority: "wiki.door.localhost:8444",
            port: &port,
            request: "S-1",
            who: &Who::nobody(),
        };
        tell(&mut headers, &told);
        assert_eq!(headers["x-forwarded-for"], "::1");
        assert_eq!(
            headers["forwarded"],
            "for=\"[::1]\";host=\"wiki.door.localhost:8444\";proto=https"
        );
        assert_eq!(headers["x-request-id"], "S-1");
        assert_eq!(headers.len(), 6);
    }

    #[test]
    fn cookies_of_the_gateway_stay_with_it() {
        let mut headers = map(&[
            ("Cookie", "a=1; __Host-doorward=dwc_x; b=2"),
            ("Cookie", "__host-doorward-begin=y"),
        ]);
        of_request(&mut headers, None, false);
        assert_eq!(headers[COOKIE], "a=1; b=2");
        let mut alone = map(&[("Cookie", "__Host-doorward=dwc_x")]);
        of_request(&mut alone, None, false);
        assert!(alone.is_empty());
        let mut parts = map(&[("Cookie", "a=1"), ("Cookie", "b=2")]);
        of_request(&mut parts, None, false);
        assert_eq!(parts[COOKIE], "a=1; b=2");
    }

    #[test]
    fn a_targets_cookie_reaches_its_own_host_and_no_other() {
        let mut headers = map(&[
            (
                "Set-Cookie",
                "sid=1; Domain=door.localhost; Path=/w/a; HttpOnly",
            ),
            ("Set-Cookie", "__Host-doorward=stolen; Path=/; Secure"),
            ("Set-Cookie", "plain=2"),
        ]);
        cookies_of_answer(&mut headers, |path| {
            path.strip_prefix("/w").map(str::to_owned)
        });
        let kept: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(kept, ["sid=1; Path=/a; HttpOnly", "plain=2"]);
    }

    #[test]
    fn an_answer_speaks_for_its_target_and_for_no_connection() {
        let mut headers = map(&[
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Alt-Svc", "h3=\":443\""),
            ("Clear-Site-Data", "\"cookies\""),
            ("Doorward-Checkout", "made up"),
            ("Content-Type", "text/html"),
        ]);
        of_answer(&mut headers);
        assert_eq!(names(&headers), ["content-type"]);
    }

    #[test]
    fn nothing_forbidden_comes_behind_a_body() {
        let mut trailers = map(&[
            ("X-Forwarded-User", "root"),
            ("Host", "evil"),
            ("Transfer-Encoding", "chunked"),
            ("Grpc-Status", "0"),
        ]);
        of_trailers(&mut trailers);
        assert_eq!(names(&trailers), ["grpc-status"]);
    }
}
