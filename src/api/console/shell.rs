//! The application itself: one page for every address of it, and the files that page loads.
//!
//! The page is the same for everybody and says nothing of anybody; what it shows it asks of the
//! API. Nothing inline runs, and styles only with the number that this one answer was given.

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    super::{Api, error::Problem},
    cookie,
};
use crate::{
    console::{self, File},
    page::{self, Page},
    vault::entropy,
};

/// Where the application has pages. What is behind them is its own affair.
const PAGES: &[&str] = &[
    "/",
    "/request",
    "/request/{target}",
    "/checkouts",
    "/checkouts/{code}",
    "/grant",
    "/sessions",
    "/sessions/{id}",
    "/sessions/{id}/files",
    "/recordings",
    "/search",
    "/audit",
    "/reports",
    "/admin",
    "/admin/{noun}",
    "/admin/{noun}/{name}",
    "/setup",
    "/notices",
    "/me",
];

/// The player runs WebAssembly, and so does a desktop, which no other page may.
const PLAYER: &str = "/recordings/{id}";
const DESKTOP: &str = "/checkouts/{code}/desktop";

const WASM: &str = " 'wasm-unsafe-eval'";

/// Stands in the built page where each answer puts its number.
const NONCE: &str = "__STYLE_NONCE__";

pub fn router() -> Router<Api> {
    let mut router = Router::new()
        .route(PLAYER, get(player))
        .route(DESKTOP, get(desktop))
        .route("/assets/{name}", get(asset))
        .route("/icon.svg", get(icon));
    for page in PAGES {
        router = router.route(page, get(index));
    }
    router
}

async fn index(State(api): State<Api>, headers: HeaderMap) -> Response {
    match console::file("index.html") {
        Some(index) => dressed(index, "", ""),
        None => not_built(&api, &headers).await,
    }
}

async fn player(State(api): State<Api>, headers: HeaderMap) -> Response {
    match console::file("index.html") {
        Some(index) => dressed(index, WASM, ""),
        None => not_built(&api, &headers).await,
    }
}

/// The pointers of a desktop are pictures that are drawn while it is open.
async fn desktop(State(api): State<Api>, headers: HeaderMap) -> Response {
    match console::file("index.html") {
        Some(index) => dressed(index, WASM, " data:"),
        None => not_built(&api, &headers).await,
    }
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match console::file(&format!("assets/{name}")) {
        Some(file) => sent(file, &headers, "public, max-age=31536000, immutable"),
        None => Problem::no_such_route().into_response(),
    }
}

async fn icon(headers: HeaderMap) -> Response {
    match console::file("icon.svg") {
        Some(file) => sent(file, &headers, "public, max-age=86400"),
        None => Problem::no_such_route().into_response(),
    }
}

/// The page, with a number of its own for its styles.
fn dressed(index: &File, scripts: &str, pictures: &str) -> Response {
    let nonce = STANDARD.encode(entropy::<16>());
    let html = String::from_utf8_lossy(index.bytes).replace(NONCE, &nonce);
    // React writes to the style of an element by script, which is not the attribute that
    // `style-src` forbids. Mantine's own <style> elements carry the number.
    let policy = format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self'{pictures}; font-src 'self'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    let mut response = html.into_response();
    let policy = HeaderValue::from_str(&policy).expect("policies of ours are ASCII");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    private(headers);
    response
}

fn private(headers: &mut HeaderMap) {
    for (name, value) in page::PRIVATE {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    transport(headers);
}

fn transport(headers: &mut HeaderMap) {
    let year = HeaderValue::from_static("max-age=31536000");
    headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
}

/// A file whose name changes with what is in it, compressed where the browser takes that.
fn sent(file: &'static File, asked: &HeaderMap, kept: &'static str) -> Response {
    let takes = asked.get(header::ACCEPT_ENCODING);
    let takes = takes.and_then(|value| value.to_str().ok()).unwrap_or("");
    let takes_brotli = takes.split(',').any(|coding| coding.trim() == "br");
    let (bytes, coding) = match file.brotli {
        Some(brotli) if takes_brotli => (brotli, Some("br")),
        _ => (file.bytes, None),
    };
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    let own = HeaderValue::from_static;
    headers.insert(header::CONTENT_TYPE, own(file.media()));
    headers.insert(header::CACHE_CONTROL, own(kept));
    headers.insert(header::VARY, own("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, own("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        own("default-src 'none'; frame-ancestors 'none'"),
    );
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, own(coding));
    }
    transport(headers);
    response
}

/// What a binary says that was built without the application.
async fn not_built(api: &Api, headers: &HeaderMap) -> Response {
    let mut page = Page::new("The console is not in this build")
        .says(
            "The gateway runs, with its API, the command line and web targets. Its console was \
             not built into it: run `make console` where node and npm are installed, then build \
             the gateway again. `make demo` does both.",
        )
        .links("/sign-in", "Sign in for web targets");
    if let Ok(Some((by, _))) = cookie::whose(api, headers).await {
        page = page.says(&format!("You are signed in as {}.", by.name));
    }
    let mut response = (StatusCode::OK, page.html()).into_response();
    super::own_policy(&mut response, &page::policy("", None));
    private(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/request/:target?` of the application is `/request` and `/request/{}` here.
    fn served(path: &str) -> Vec<String> {
        let part = |part: &str| match part.starts_with([':', '{']) {
            true => "{}".to_owned(),
            false => part.to_owned(),
        };
        let all: Vec<String> = path.trim_end_matches('?').split('/').map(part).collect();
        let whole = all.join("/");
        match path.strip_suffix('?') {
            Some(_) => vec![all[..all.len() - 1].join("/"), whole],
            None => vec![whole],
        }
    }

    #[test]
    fn every_page_of_the_application_can_be_opened_by_its_address() {
        let application = include_str!("../../../web/src/shell/App.tsx");
        let known: Vec<String> = PAGES
            .iter()
            .chain([&PLAYER, &DESKTOP])
            .flat_map(|it| served(it))
            .collect();
        let paths = application.split("<Route path=\"").skip(1);
        let paths = paths.filter_map(|rest| rest.split('"').next());
        let mut seen = 0;
        for path in paths.filter(|path| *path != "*") {
            for address in served(path) {
                seen += 1;
                assert!(known.contains(&address), "{path}: {address} is not served");
            }
        }
        assert!(seen > 10, "found only {seen} pages");
    }
}
