//! Why a stream cannot be followed any more. The person reads it.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("an SFTP packet of {0} bytes is more than the gateway takes")]
    Oversized(usize),
    #[error("what was sent is not SFTP as the gateway reads it: {0}")]
    Malformed(&'static str),
    #[error("SFTP must begin with its version")]
    NoVersion,
    #[error("the target speaks version {0} of SFTP, and the gateway reads version 3")]
    Version(u32),
    #[error("the target answered what nobody had asked")]
    Unasked,
}
