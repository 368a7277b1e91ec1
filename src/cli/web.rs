//! What `target add` and `target set` say of a web target.
//!
//! Reads one URL and how the gateway signs in there. No secret is given here: that is the
//! account's.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use data_encoding::BASE64;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Map, Value, json};

use super::{exit::Failure, json, screen::Screen};
use crate::model::{
    name::TargetName,
    target::Address,
    web::{ClientProof, FormRecipe, Origin, QueryName, TlsPin, TokenScope, TokenUrl},
};

#[derive(Args)]
pub struct WebArgs {
    /// A web application instead: http://127.0.0.1:3000/ or https://wiki.internal/
    #[arg(long, value_name = "URL")]
    web: Option<WebUrl>,
    /// The gateway signs in with the account's login and password (Basic)
    #[arg(long, group = "web_sign_in")]
    basic: bool,
    /// The account's password is a token, sent as Authorization: Bearer
    #[arg(long, group = "web_sign_in")]
    bearer: bool,
    /// The account's password goes into a header, where {secret} stands
    #[arg(long, group = "web_sign_in", value_name = "NAME: TEXT")]
    header: Option<String>,
    /// The account's password goes into this parameter of the query
    #[arg(long, group = "web_sign_in", value_name = "NAME")]
    query: Option<QueryName>,
    /// The account's certificate is shown when TLS is spoken (mutual TLS)
    #[arg(long, group = "web_sign_in")]
    client_certificate: bool,
    /// A token is fetched here for the account's login and password (OAuth 2.0 client
    /// credentials), and sent as Authorization: Bearer
    #[arg(long, group = "web_sign_in", value_name = "URL")]
    oauth_url: Option<TokenUrl>,
    /// What the token is to be good for
    #[arg(long, value_name = "SCOPE", requires = "oauth_url")]
    oauth_scope: Option<TokenScope>,
    /// The token's server takes login and password in the body, and not as Basic
    #[arg(long, requires = "oauth_url")]
    oauth_proof_in_body: bool,
    /// What the token's server must prove, where it is not what the target must:
    /// sha256//BASE64 of its public key; may be given several times
    #[arg(long, value_name = "PIN", requires = "oauth_url")]
    oauth_pin: Vec<TlsPin>,
    /// The authorities of its certificate, from a file in PEM
    #[arg(long, value_name = "FILE", requires = "oauth_url")]
    oauth_authority: Option<PathBuf>,
    /// The gateway fills in the target's own form, as the recipe in this file says (TOML)
    #[arg(long, group = "web_sign_in", value_name = "FILE")]
    form: Option<PathBuf>,
    /// The target needs no sign-in
    #[arg(long, group = "web_sign_in")]
    no_sign_in: bool,
    /// The name by which the target knows itself, where its address says another
    #[arg(long, value_name = "HOST")]
    web_host: Option<Origin>,
    /// What the target is told of who is there: none; headers, X-Forwarded-User and
    /// X-Forwarded-Groups; token, a signed JWT in Doorward-Identity
    #[arg(long, value_name = "HOW", value_parser = ["none", "headers", "token"])]
    identity: Option<String>,
    /// The target takes %2F in a path as a letter, and never as a slash (GitLab, RabbitMQ)
    #[arg(long, conflicts_with = "no_encoded_slashes")]
    encoded_slashes: bool,
    /// Paths with %2F are refused, as they are for every new target
    #[arg(long)]
    no_encoded_slashes: bool,
    /// Another address of the same target, tried where those before do not answer; may be
    /// given several times, `none` for no other
    #[arg(long, value_name = "HOST:PORT", value_parser = other_address)]
    web_also: Vec<OtherAddress>,
}

/// An address, or the word that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OtherAddress(Option<Address>);

fn other_address(text: &str) -> Result<OtherAddress, String> {
    match text {
        "none" => Ok(OtherAddress(None)),
        text => match text.parse() {
            Ok(address) => Ok(OtherAddress(Some(address))),
            Err(error) => Err(format!("{error}")),
        },
    }
}

/// `https://wiki.internal/w/`: where a web target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl {
    tls: bool,
    address: Address,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the address of a web application: http://HOST:PORT/ or https://HOST:PORT/, and a \
     path if everything lies below one, is expected"
)]
pub struct NotAWebUrl;

impl FromStr for WebUrl {
    type Err = NotAWebUrl;
    fn from_str(text: &str) -> Result<Self, NotAWebUrl> {
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(NotAWebUrl),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let usual = if tls { 443 } else { 80 };
        let address = match authority.parse() {
            Ok(address) => address,
            Err(_) => format!("{authority}:{usual}")
                .parse()
                .map_err(|_| NotAWebUrl)?,
        };
        match path.contains(['?', '#']) {
            true => Err(NotAWebUrl),
            false => Ok(Self {
                tls,
                address,
                path: path.to_owned(),
            }),
        }
    }
}

/// What was said of a new web target.
pub struct Said {
    tls: bool,
    address: Address,
}

impl Said {
    /// What is still to be done, or to be known.
    pub fn note(&self, pinned: bool, name: &TargetName, screen: &Screen) {
        if self.tls && !pinned {
            screen.note(format!(
                "Nothing is pinned, so nobody gets through yet: doorward target set {name} \
                 --authority FILE, or --pin sha256//BASE64 of the key of {}",
                self.address
            ));
        }
        if !self.tls {
            screen.note(
                "Without TLS whoever is between the gateway and the target reads along, the \
                 credential included.",
            );
        }
    }
}

impl WebArgs {
    pub fn is_given(&self) -> bool {
        self.web.is_some()
            || self.web_host.is_some()
            || !self.web_also.is_empty()
            || self.identity.is_some()
            || self.encoded_slashes
            || self.no_encoded_slashes
            || self.signs_in()
    }

    fn signs_in(&self) -> bool {
        let Self {
            basic,
            bearer,
            header,
            query,
            client_certificate,
            oauth_url,
            form,
            no_sign_in,
            ..
        } = self;
        let plain = *basic || *bearer || *client_certificate || *no_sign_in;
        plain || header.is_some() || query.is_some() || oauth_url.is_some() || form.is_some()
    }

    /// The fields of a target that is not there yet; none where it is no web target.
    pub fn of_new(&self, fields: &mut Map<String, Value>) -> Result<Option<Said>, Failure> {
        let Some(WebUrl { tls, address, .. }) = &self.web else {
            return match self.is_given() {
                true => Err(Failure::usage("a web target is named by --web URL")),
                false => Ok(None),
            };
        };
        self.put(json!({}), fields)?;
        Ok(Some(Said {
            tls: *tls,
            address: address.clone(),
        }))
    }

    /// The fields that change, of a target that is there: what is not said stays.
    pub fn of_known(&self, before: &Value, fields: &mut Map<String, Value>) -> Result<(), Failure> {
        if !before["web"].is_object() {
            return Err(Failure::usage(format!(
                "{} is no web target",
                json::text(before, "name")
            )));
        }
        self.put(before["web"].clone(), fields)
    }

    fn put(&self, mut web: Value, fields: &mut Map<String, Value>) -> Result<(), Failure> {
        if let Some(WebUrl { tls, address, path }) = &self.web {
            fields.insert("address".to_owned(), json!(address));
            web["tls"] = json!(tls);
            web["path"] = json!(path);
        }
        if let Some(host) = &self.web_host {
            web["host"] = json!(host);
        }
        if !self.web_also.is_empty() {
            let also: Vec<_> = self
                .web_also
                .iter()
                .filter_map(|it| it.0.as_ref())
                .collect();
            web["also"] = json!(also);
        }
        if let Some(identity) = &self.identity {
            web["identity"] = json!(identity);
        }
        if self.encoded_slashes || self.no_encoded_slashes {
            web["encoded_slashes"] = json!(self.encoded_slashes);
        }
        if self.signs_in() {
            web["sign_in"] = self.sign_in()?;
        }
        fields.insert("web".to_owned(), web);
        Ok(())
    }

    fn sign_in(&self) -> Result<Value, Failure> {
        if let Some(header) = &self.header {
            let (name, template) = header.split_once(':').ok_or_else(|| {
                Failure::usage("--header needs a name and a text: 'X-Api-Key: {secret}'")
            })?;
            return Ok(json!({ "by": "header", "name": name, "template": template.trim() }));
        }
        if let Some(path) = &self.form {
            return recipe(&read(path)?, path);
        }
        if let Some(url) = &self.oauth_url {
            let mut pins: Vec<String> = self.oauth_pin.iter().map(TlsPin::to_string).collect();
            if let Some(path) = &self.oauth_authority {
                pins.extend(authorities(&read(path)?, path)?);
            }
            let mut sign_in = json!({ "by": "client-credentials", "token_url": url, "pins": pins });
            if let Some(scope) = &self.oauth_scope {
                sign_in["scope"] = json!(scope);
            }
            if self.oauth_proof_in_body {
                sign_in["proof"] = json!(ClientProof::Body);
            }
            return Ok(sign_in);
        }
        Ok(match &self.query {
            Some(name) => json!({ "by": "query", "name": name }),
            None if self.basic => json!({ "by": "basic" }),
            None if self.bearer => json!({ "by": "bearer" }),
            None if self.client_certificate => json!({ "by": "client-certificate" }),
            None => json!({ "by": "none" }),
        })
    }
}

/// A recipe for a log-in form. What it holds is the gateway's to judge.
fn recipe(text: &str, path: &Path) -> Result<Value, Failure> {
    let unclear =
        |why: &dyn std::fmt::Display| Failure::usage(format!("{}: {why}", path.display()));
    let recipe: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| unclear(&error))?;
    let read: Result<FormRecipe, _> = recipe.clone().try_into();
    let read = read.map_err(|error| unclear(&error))?;
    read.is_sound().map_err(|why| unclear(&why))?;
    let mut value = json!(read);
    value["by"] = json!("form");
    Ok(value)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}

/// The authorities in a file of certificates, each as a line to pin.
pub fn authorities(pem: &str, path: &Path) -> Result<Vec<String>, Failure> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates
            .iter()
            .map(|der| format!("@cert-authority {}", BASE64.encode(der)))
            .collect()),
        _ => Err(Failure::usage(format!(
            "there is no certificate in PEM form in {}",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_application_is_named_by_its_address() {
        for (text, tls, address, path) in [
            ("http://127.0.0.1:3000/", false, "127.0.0.1:3000", "/"),
            ("https://wiki.internal", true, "wiki.internal:443", "/"),
            ("http://wiki/w/", false, "wiki:80", "/w/"),
            ("https://[::1]:8443/a", true, "[::1]:8443", "/a"),
        ] {
            let expected = WebUrl {
                tls,
                address: address.parse().unwrap(),
                path: path.to_owned(),
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "wiki",
            "ftp://wiki/",
            "http://",
            "http://a:b@wiki/",
            "http://wiki/?a",
            "http://wi ki",
        ] {
            assert_eq!(text.parse::<WebUrl>(), Err(NotAWebUrl), "{text}");
        }
    }
}
