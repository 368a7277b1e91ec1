//! scp's old protocol (`scp -O`): the command that begins it, and its stream.
//!
//! Pure. A command is taken for scp only if it is nothing else; a stream only as long as it
//! keeps to the protocol.

mod command;
mod line;
mod reader;
#[cfg(test)]
mod tests;

pub use self::{
    command::{ScpCommand, Side},
    line::{LONGEST_LINE, Record},
    reader::{Broken, Scp},
};
