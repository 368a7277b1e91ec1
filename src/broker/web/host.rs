//! Which target a request means: by its host name and nothing else.
//!
//! One host, read in one way. SNI is never asked: it only chose the certificate, and a
//! connection may carry requests to several targets.

use hyper::{HeaderMap, Uri, Version, header::HOST};

use crate::model::name::TargetName;

/// The names under which targets are found.
#[derive(Debug, Clone)]
pub struct Names {
    domain: String,
    ports: Vec<u16>,
}

/// Where a request wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub target: TargetName,
    /// As the client wrote it, in lower case: `wiki.door.localhost:8444`.
    pub authority: String,
}

impl Place {
    /// Without the port, as cookies know it.
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, _)) => host,
            None => &self.authority,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nowhere {
    /// No host, several, or one that is none.
    Unclear,
    /// A host that is not below our domain, or another port.
    NotOurs,
}

impl Names {
    /// `ports` are those of the addresses that lead here.
    pub fn new(domain: String, ports: Vec<u16>) -> Self {
        Self { domain, ports }
    }

    /// RFC 9112 s3.2: a request whose host is not one and the same is answered with 400.
    pub fn place(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Place, Nowhere> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(Nowhere::Unclear);
        }
        let host = match host.map(|host| host.to_str()) {
            Some(Ok(host)) => Some(host.to_ascii_lowercase()),
            Some(Err(_)) => return Err(Nowhere::Unclear),
            None => None,
        };
        let named = uri.authority().map(|it| it.as_str().to_ascii_lowercase());
        let authority = match (host, named) {
            (Some(host), Some(named)) if host == named => host,
            (Some(host), None) if version < Version::HTTP_2 => host,
            // HTTP/1.1 sends Host always.
            (None, Some(named)) if version == Version::HTTP_2 => named,
            _ => return Err(Nowhere::Unclear),
        };
        self.read(authority)
    }

    fn read(&self, authority: String) -> Result<Place, Nowhere> {
        let (host, port) = match authority.rsplit_once(':') {
            None => (authority.as_str(), None),
            Some((host, port)) => {
                let digits = (1..=5).contains(&port.len())
                    && !port.starts_with('0')
                    && port.bytes().all(|byte| byte.is_ascii_digit());
                if !digits {
                    return Err(Nowhere::Unclear);
                }
                let port: u16 = port.parse().map_err(|_| Nowhere::Unclear)?;
                (host, Some(port))
            }
        };
        if host.is_empty() || host.contains(['@', '/', '\\', '%', ',']) || host.ends_with('.') {
            return Err(Nowhere::Unclear);
        }
        // Without a port it is the one that the scheme has.
        if !self.ports.contains(&port.unwrap_or(443)) {
            return Err(Nowhere::NotOurs);
        }
        let name = host
            .strip_suffix(self.domain.as_str())
            .and_then(|name| name.strip_suffix('.'))
            .ok_or(Nowhere::NotOurs)?;
        let target = name.parse().map_err(|_| Nowhere::NotOurs)?;
        Ok(Place { target, authority })
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn place(version: Version, uri: &str, hosts: &[&str]) -> Result<String, Nowhere> {
        let names = Names::new("door.localhost".to_owned(), vec![8444, 443]);
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        let place = names.place(version, &uri.parse().unwrap(), &headers)?;
        Ok(place.target.to_string())
    }

    #[test]
    fn one_host_names_the_target() {
        let wiki = Ok("wiki".to_owned());
        let one = |host: &str| place(Version::HTTP_11, "/", &[host]);
        assert_eq!(one("wiki.door.localhost:8444"), wiki);
        assert_eq!(one("wiki.door.localhost"), wiki);
        assert_eq!(one("WIKI.Door.Localhost:8444"), wiki);
        assert_eq!(
            place(
                Version::HTTP_11,
                "https://wiki.door.localhost/a",
                &["wiki.door.localhost"]
            ),
            wiki
        );
        assert_eq!(
            place(Version::HTTP_2, "https://wiki.door.localhost:8444/a", &[]),
            wiki
        );
    }

    #[test]
    fn what_is_not_one_host_of_ours_names_nothing() {
        use Nowhere::{NotOurs, Unclear};
        for (uri, hosts, why) in [
            ("/", &[][..], Unclear),
            ("/", &["wiki.door.localhost", "db.door.localhost"], Unclear),
            (
                "/",
                &["wiki.door.localhost", "wiki.door.localhost"],
                Unclear,
            ),
            (
                "https://db.door.localhost/",
                &["wiki.door.localhost"],
                Unclear,
            ),
            ("https://wiki.door.localhost/", &[], Unclear),
            ("/", &["wiki.door.localhost."], Unclear),
            ("/", &["wiki.door.localhost:"], Unclear),
            ("/", &["wiki.door.localhost:08444"], Unclear),
            ("/", &["wiki.door.localhost:99999"], Unclear),
            ("/", &["a@wiki.door.localhost"], Unclear),
            ("/", &["wiki.door.localhost,db.door.localhost"], Unclear),
            ("/", &[""], Unclear),
            ("/", &["wiki.door.localhost:22"], NotOurs),
            ("/", &["door.localhost"], NotOurs),
            ("/", &[".door.localhost"], NotOurs),
            ("/", &["wikidoor.localhost"], NotOurs),
            ("/", &["a.wiki.door.localhost"], NotOurs),
            ("/", &["wiki.door.localhost.evil.example"], NotOurs),
            ("/", &["evil.example"], NotOurs),
            ("/", &["127.0.0.1"], NotOurs),
        ] {
            assert_eq!(
                place(Version::HTTP_11, uri, hosts),
                Err(why),
                "{uri} {hosts:?}"
            );
        }
        let doubled = place(
            Version::HTTP_2,
            "https://wiki.door.localhost/",
            &["db.door.localhost"],
        );
        assert_eq!(doubled, Err(Unclear));
    }
}
