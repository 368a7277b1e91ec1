//! One mail to one person, by SMTP: text and HTML, with the link.
//!
//! Over TLS unless the channel says otherwise, and then without a password. Keeps no connection.

use std::time::SystemTime;

use lettre::{
    Address as Mailbox, Message as Mail,
    address::Envelope,
    message::{
        MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};

use super::{Failure, Message, wire::Wire};
use crate::model::{
    notice::{Email, Security},
    text::Text,
};

/// The most characters of a subject.
const SUBJECT: usize = 200;

pub(super) async fn send(
    message: &Message<'_>,
    secret: Option<&[u8]>,
    wire: &Wire<'_>,
) -> Result<(), Failure> {
    let email = message.channel.email.as_ref();
    let email =
        email.ok_or_else(|| Failure::ForGood("the channel has no mail server".to_owned()))?;
    let mail = written(message, email)?;
    let mut server = connected(email, wire).await?;
    let sent = handed_over(&mut server, email, secret, &mail).await;
    // Said or not: what it took it has.
    server.abort().await;
    sent
}

async fn connected(email: &Email, wire: &Wire<'_>) -> Result<AsyncSmtpConnection, Failure> {
    let relay = &email.relay;
    let stream = match email.security {
        Security::Tls => {
            wire.connect_tls(relay, email.allow_local, email.ca.as_deref())
                .await?
        }
        Security::Starttls | Security::None => wire.connect(relay, email.allow_local).await?,
    };
    let refused = |error| Failure::Now(said(relay, &error));
    let hello = ClientId::Domain(domain(&email.from).to_owned());
    let mut server = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello)
        .await
        .map_err(refused)?;
    if email.security == Security::Starttls {
        if !server.can_starttls() {
            return Err(Failure::Now(format!(
                "{relay} offers no TLS, and the channel does not go without"
            )));
        }
        let tls = tls(email).map_err(refused)?;
        server.starttls(tls, &hello).await.map_err(refused)?;
    }
    Ok(server)
}

async fn handed_over(
    server: &mut AsyncSmtpConnection,
    email: &Email,
    secret: Option<&[u8]>,
    mail: &Mail,
) -> Result<(), Failure> {
    let relay = &email.relay;
    if let Some(login) = &email.login {
        if email.security == Security::None {
            return Err(Failure::ForGood(format!(
                "{relay} is spoken to in the clear, and no password goes there"
            )));
        }
        let word = secret
            .and_then(|secret| std::str::from_utf8(secret).ok())
            .ok_or_else(|| Failure::Now(format!("no password is set for {login} at {relay}")))?;
        let credentials = Credentials::new(login.clone(), word.to_owned());
        server
            .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
            .await
            .map_err(|error| Failure::Now(said(relay, &error)))?;
    }
    match server.send(mail.envelope(), &mail.formatted()).await {
        Ok(_) => Ok(()),
        // This mail to this address: the same tomorrow.
        Err(error) if error.is_permanent() => Err(Failure::ForGood(said(relay, &error))),
        Err(error) => Err(Failure::Now(said(relay, &error))),
    }
}

fn tls(email: &Email) -> Result<TlsParameters, lettre::transport::smtp::Error> {
    let builder = TlsParameters::builder(email.relay.host().to_owned());
    let builder = match &email.ca {
        None => builder,
        Some(pem) => {
            let only = builder.certificate_store(CertificateStore::None);
            only.add_root_certificate(Certificate::from_pem(pem.as_bytes())?)
        }
    };
    builder.build_rustls()
}

fn written(message: &Message<'_>, email: &Email) -> Result<Mail, Failure> {
    let wrong =
        |what: &str, text: &str| Failure::ForGood(format!("{what} {text} is no mail address"));
    let from: Mailbox = email.from.parse().map_err(|_| wrong("from", &email.from))?;
    let recipient = &message.delivery.recipient;
    let to: Mailbox = recipient.parse().map_err(|_| wrong("to", recipient))?;
    let subject: String = message.words.headline.chars().take(SUBJECT).collect();
    let domain = domain(&email.from);
    let id = format!("<{}@{domain}>", message.delivery.id);
    let envelope = Envelope::new(Some(from.clone()), vec![to.clone()])
        .map_err(|error| Failure::ForGood(error.to_string()))?;
    let mut builder = Mail::builder()
        .envelope(envelope)
        .date(SystemTime::UNIX_EPOCH + since_epoch(message))
        .from(lettre::message::Mailbox::new(
            Some("Doorward".to_owned()),
            from,
        ))
        .to(lettre::message::Mailbox::new(None, to))
        .subject(subject)
        // The same at every try, so that what arrives twice is seen to.
        .message_id(Some(id));
    if let Some(checkout) = &message.notice.facts.checkout {
        // All mails of one check-out are one conversation.
        let thread = format!("<checkout-{checkout}@{domain}>");
        builder = builder.references(thread.clone()).in_reply_to(thread);
    }
    let parts = MultiPart::alternative_plain_html(message.text(), message.html());
    let mut mail = builder
        .multipart(parts)
        .map_err(|error| Failure::ForGood(format!("the mail cannot be written: {error}")))?;
    // Nobody's holiday answers.
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    let value = HeaderValue::new(name, "auto-generated".to_owned());
    mail.headers_mut().insert_raw(value);
    Ok(mail)
}

fn since_epoch(message: &Message<'_>) -> std::time::Duration {
    let millis = u64::try_from(message.notice.at.millis()).unwrap_or_default();
    std::time::Duration::from_millis(millis)
}

fn domain(address: &str) -> &str {
    address
        .rsplit_once('@')
        .map_or("localhost", |(_, host)| host)
}

/// What a server said, bounded and on one line.
fn said(relay: &crate::model::target::Address, error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let text = Text::ours(&text).one_line();
    let text: String = text.chars().take(300).collect();
    format!("{relay}: {text}")
}
