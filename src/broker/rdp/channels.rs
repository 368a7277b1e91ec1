//! The static channels of a session: which are opened, and which carry anything.
//!
//! A channel that may not be is renamed, not left out: client and server know channels by
//! their position. What is sent on it all the same goes no further.

use super::{
    bytes::{put, take, take_u16, u16_at, u32_at},
    settings::NotSettings,
};

/// As many as the protocol knows.
const MOST: usize = 31;
const NAME: usize = 8;
const ENTRY: usize = NAME + 4;

/// INVARIANT: a number that is not here carries nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// By position, the name of each that may carry something.
    allowed: Vec<Option<String>>,
    io: u16,
    numbers: Vec<u16>,
}

impl Channels {
    /// Reads a client's list of channels, and renames those that may not be.
    pub fn rename(net: &mut [u8], may: impl Fn(&str) -> bool) -> Result<Self, NotSettings> {
        let count = usize::try_from(u32_at(net, 0)?).unwrap_or(usize::MAX);
        if count > MOST {
            return Err(NotSettings::Channels);
        }
        let mut allowed = Vec::with_capacity(count);
        for position in 0..count {
            let at = 4 + position * ENTRY;
            let entry = &mut net.get_mut(at..).ok_or(NotSettings::Form)?;
            let name = take(&mut &entry[..], ENTRY)?;
            let name = name[..NAME].split(|byte| *byte == 0).next();
            let name = name.and_then(|name| std::str::from_utf8(name).ok());
            // Windows tells names apart by their letters alone.
            let name = name.map(str::to_ascii_lowercase);
            let name = name.filter(|name| may(name));
            if name.is_none() {
                let mut blocked = [0; NAME];
                let other = format!("blkd{position}");
                blocked[..other.len()].copy_from_slice(other.as_bytes());
                put(entry, 0, &blocked)?;
            }
            allowed.push(name);
        }
        Ok(Self {
            allowed,
            ..Self::default()
        })
    }

    /// Reads the numbers that the server gives them.
    pub fn number(&mut self, net: &[u8]) -> Result<(), NotSettings> {
        self.io = u16_at(net, 0)?;
        let count = usize::from(u16_at(net, 2)?);
        // A server may leave out the last ones, and may not make up others.
        if count > self.allowed.len() {
            return Err(NotSettings::Channels);
        }
        let mut rest = &net[4..];
        for _ in 0..count {
            self.numbers.push(take_u16(&mut rest)?);
        }
        Ok(())
    }

    /// The channel of the screen and the keyboard.
    pub fn io(&self) -> u16 {
        self.io
    }

    /// The number of the channel with this name, if something may go over it.
    pub fn numbered(&self, name: &str) -> Option<u16> {
        let mut known = self.numbers.iter().zip(&self.allowed);
        let (number, _) = known.find(|(_, allowed)| allowed.as_deref() == Some(name))?;
        Some(*number).filter(|number| self.may_carry(*number))
    }

    /// Whether something may go over one of the others.
    pub fn may_carry(&self, number: u16) -> bool {
        let known = self.numbers.iter().zip(&self.allowed);
        // One number given twice is that of both.
        let mut its = known.filter(|(known, _)| **known == number).peekable();
        its.peek().is_some() && its.all(|(_, allowed)| allowed.is_some()) && number != self.io
    }
}
