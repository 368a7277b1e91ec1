//! Follows an SFTP channel: what was asked, what was answered, and what so became of each
//! file.
//!
//! Pure: bytes in, bytes and findings out. Looks at heads only; content goes by, hashed on
//! the way. A request that may not be is answered here and never reaches the target.

mod answer;
mod broken;
mod fields;
mod frames;
mod open;
mod pending;
mod reader;
mod request;
#[cfg(test)]
mod tests;

pub use self::{broken::Broken, reader::Sftp};
