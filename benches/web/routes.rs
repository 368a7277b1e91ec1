//! The ways to the same target.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Without TLS, as the proxies speak to it.
    Direct,
    /// nginx as TLS reverse proxy, which adds the password.
    Nginx,
    /// Through the gateway, admission and recording on.
    Gateway,
}

impl Route {
    pub const ALL: [Self; 3] = [Self::Direct, Self::Nginx, Self::Gateway];

    pub fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx as proxy",
            Self::Gateway => "gateway",
        }
    }
}
