//! A place in a network: one that a client asks for, and those that a policy lists.
//!
//! Compared as it was asked for. A name is never resolved here, so a listed network does
//! not open a name that lies in it, and a listed name does not open its address.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

const LONGEST_NAME: usize = 253;

/// One place that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    /// Lower case, without a final dot.
    Name(String),
    Address(IpAddr),
    /// Every address the target has; only to listen at.
    Every,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no place to forward to or from")]
pub struct NotAnEndpoint;

impl Endpoint {
    /// Somewhere to connect to.
    pub fn to_connect(host: &str, port: u32) -> Result<Self, NotAnEndpoint> {
        let endpoint = Self::to_listen(host, port)?;
        match (&endpoint.host, endpoint.port) {
            (Host::Every, _) | (_, 0) => Err(NotAnEndpoint),
            _ => Ok(endpoint),
        }
    }

    /// Somewhere to listen at. The empty host means every address, port 0 one that the
    /// listener chooses (RFC 4254 s7.1).
    pub fn to_listen(host: &str, port: u32) -> Result<Self, NotAnEndpoint> {
        let host = match host {
            "" | "*" => Host::Every,
            host => host.parse()?,
        };
        let port = u16::try_from(port).map_err(|_| NotAnEndpoint)?;
        Ok(Self { host, port })
    }

    /// As SSH carries it: an address without brackets, the empty text for every one.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
            Host::Every => String::new(),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Host {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        if let Ok(address) = text.parse::<IpAddr>() {
            // `::ffff:10.0.0.1` is 10.0.0.1 to whoever connects.
            return Ok(Self::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let sound = (1..=LONGEST_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && !name.starts_with(['-', '.'])
            && !name.contains("..");
        match sound {
            true => Ok(Self::Name(name.to_ascii_lowercase())),
            false => Err(NotAnEndpoint),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Address(address) => write!(f, "{}:{}", bracketed(*address), self.port),
            Host::Every => write!(f, "*:{}", self.port),
        }
    }
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The places that a policy lists: `db.internal:5432`, `10.0.0.0/8:*`, `[2001:db8::/32]:443`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointPattern {
    host: HostPattern,
    /// None is every port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum HostPattern {
    Any,
    Name(String),
    Network { address: IpAddr, length: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEndpointPattern {
    #[error("HOST:PORT is expected, with `*` for every host or port")]
    Form,
    #[error(
        "a host is a name, an address, a network such as 10.0.0.0/8, or `*`; IPv6 is written in brackets"
    )]
    Host,
    #[error("a network is an address and a length that fits, without bits beyond it")]
    Network,
    #[error(
        "a port is 1 to 65535, or `*`; only remote-forward takes 0, a port that the target chooses"
    )]
    Port,
}

impl EndpointPattern {
    pub fn fits(&self, endpoint: &Endpoint) -> bool {
        let host = match (&self.host, &endpoint.host) {
            (HostPattern::Any, _) => true,
            (HostPattern::Name(listed), Host::Name(asked)) => listed == asked,
            (HostPattern::Network { address, length }, Host::Address(asked)) => {
                network_of(*asked, *length) == Some(*address)
            }
            _ => false,
        };
        host && self.port.is_none_or(|port| port == endpoint.port)
    }

    pub fn is_for_port_zero(&self) -> bool {
        self.port == Some(0)
    }
}

/// The address with nothing left beyond `length`; none where it is shorter than that.
fn network_of(address: IpAddr, length: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let beyond = 32_u8.checked_sub(length)?;
            let mask = u32::MAX.checked_shl(u32::from(beyond)).unwrap_or(0);
            Some(IpAddr::V4((u32::from(address) & mask).into()))
        }
        IpAddr::V6(address) => {
            let beyond = 128_u8.checked_sub(length)?;
            let mask = u128::MAX.checked_shl(u32::from(beyond)).unwrap_or(0);
            Some(IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask)))
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl FromStr for EndpointPattern {
    type Err = NotAnEndpointPattern;

    fn from_str(text: &str) -> Result<Self, NotAnEndpointPattern> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAnEndpointPattern::Form)?;
        let port = match port {
            "*" => None,
            port if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().map_err(|_| NotAnEndpointPattern::Port)?)
            }
            _ => return Err(NotAnEndpointPattern::Port),
        };
        let host = match host.strip_prefix('[') {
            Some(inner) => {
                let inner = inner.strip_suffix(']').ok_or(NotAnEndpointPattern::Host)?;
                network(inner, IpAddr::is_ipv6)?
            }
            None if host == "*" => HostPattern::Any,
            None if host.contains('/') => network(host, IpAddr::is_ipv4)?,
            None => match host
                .parse()
                .map_err(|NotAnEndpoint| NotAnEndpointPattern::Host)?
            {
                Host::Address(address @ IpAddr::V4(_)) => HostPattern::Network {
                    length: bits(address),
                    address,
                },
                // `127.1` and `0x7f000001` are names here and addresses to a resolver.
                Host::Name(name) if !ends_in_a_number(&name) => HostPattern::Name(name),
                _ => return Err(NotAnEndpointPattern::Host),
            },
        };
        Ok(Self { host, port })
    }
}

/// `ADDRESS` or `ADDRESS/LENGTH`, of the expected kind.
fn network(text: &str, expected: fn(&IpAddr) -> bool) -> Result<HostPattern, NotAnEndpointPattern> {
    let wrong = NotAnEndpointPattern::Network;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| NotAnEndpointPattern::Host)?;
    if !expected(&address) {
        return Err(NotAnEndpointPattern::Host);
    }
    let length = match length {
        Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map_err(|_| wrong)?
        }
        Some(_) => return Err(wrong),
        None => bits(address),
    };
    // What is asked for as `::ffff:10.0.0.1` is compared as 10.0.0.1.
    let mapped = address.to_canonical() != address;
    if mapped || network_of(address, length) != Some(address) {
        return Err(wrong);
    }
    Ok(HostPattern::Network { address, length })
}

/// As the URL standard has it: what a resolver may take for an address.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for EndpointPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Name(name) => f.write_str(name)?,
            HostPattern::Network { address, length } if *length == bits(*address) => {
                f.write_str(&bracketed(*address))?;
            }
            HostPattern::Network {
                address: address @ IpAddr::V6(_),
                length,
            } => {
                write!(f, "[{address}/{length}]")?;
            }
            HostPattern::Network { address, length } => write!(f, "{address}/{length}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}
