//! One POST: to a webhook, signed as Standard Webhooks says, or to a chat's incoming webhook.
//!
//! What is not a 2xx is a failure with a sentence; nothing is followed elsewhere.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::{Failure, Message, secret::signing_key, wire::Wire};
use crate::model::{
    notice::{ChannelKind, HookUrl},
    text::Text,
    time::Timestamp,
};

/// So much of what a server says about a failure is shown to admins.
const SHOWN: usize = 200;
const READ: usize = 4_096;

pub(super) async fn webhook(
    message: &Message<'_>,
    secret: Option<&[u8]>,
    now: Timestamp,
    wire: &Wire<'_>,
) -> Result<(), Failure> {
    let url = message.channel.hook.as_ref().and_then(|it| it.url.as_ref());
    let url = url.ok_or_else(|| Failure::ForGood("the channel has no address".to_owned()))?;
    let secret = secret
        .and_then(|secret| std::str::from_utf8(secret).ok())
        .ok_or_else(|| Failure::Now("the channel has no secret to sign with".to_owned()))?;
    let key = signing_key(secret).map_err(|error| Failure::Now(error.to_string()))?;
    let body = message.json().to_string();
    let id = message.delivery.id.as_str();
    let seconds = now.millis().div_euclid(1_000).to_string();
    let signature = sign(&key, id, &seconds, &body);
    let signed = [
        ("webhook-id", id),
        ("webhook-timestamp", seconds.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    post(message, url, body, &signed, wire).await
}

/// The address of a chat is its secret.
pub(super) async fn chat(
    message: &Message<'_>,
    secret: Option<&[u8]>,
    wire: &Wire<'_>,
) -> Result<(), Failure> {
    let url: HookUrl = secret
        .and_then(|secret| std::str::from_utf8(secret).ok())
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| Failure::Now("the channel has no address".to_owned()))?;
    let body: Value = match message.channel.kind {
        ChannelKind::Teams => message.teams(),
        _ => message.slack(),
    };
    post(message, &url, body.to_string(), &[], wire).await
}

/// `v1,` and the HMAC-SHA256 over id, time and body.
fn sign(key: &[u8], id: &str, seconds: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let signed = format!("{id}.{seconds}.{body}");
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

async fn post(
    message: &Message<'_>,
    url: &HookUrl,
    body: String,
    headers: &[(&'static str, &str)],
    wire: &Wire<'_>,
) -> Result<(), Failure> {
    let hook = message.channel.hook.clone().unwrap_or_default();
    let stream = match url.tls() {
        true => {
            wire.connect_tls(url.address(), hook.allow_local, hook.ca.as_deref())
                .await?
        }
        false => wire.connect(url.address(), hook.allow_local).await?,
    };
    let broken = |error: hyper::Error| Failure::Now(format!("the connection broke: {error}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Ends with this try, whatever becomes of it.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let mut request = Request::post(url.path())
        .header(header::HOST, url.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::USER_AGENT,
            concat!("Doorward/", env!("CARGO_PKG_VERSION")),
        );
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| Failure::ForGood("the address cannot be asked for".to_owned()))?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let said = Limited::new(response.into_body(), READ).collect().await;
    let said = said.map(|body| body.to_bytes()).unwrap_or_default();
    Err(refusal(status, &said))
}

fn refusal(status: StatusCode, said: &[u8]) -> Failure {
    let said = Text::ours(&String::from_utf8_lossy(said)).one_line();
    let said: String = said.trim().chars().take(SHOWN).collect();
    let with = match said.is_empty() {
        true => String::new(),
        false => format!(": {said}"),
    };
    match status {
        StatusCode::GONE => Failure::ForGood(format!("it answered 410, it is gone{with}")),
        status if status.is_redirection() => Failure::Now(format!(
            "it answered {} and names another address, which is not followed",
            status.as_u16()
        )),
        status => Failure::Now(format!("it answered {status}{with}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_signature_is_what_others_compute() {
        let key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            sign(
                &key,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "1614265330",
                "{\"test\": 2432232314}"
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
