//! The fields of a packet, one after the other. Borrows; never copies, never reads past.

use super::broken::Broken;

pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn number(&mut self) -> Result<u32, Broken> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes(
            bytes.try_into().expect("four were taken"),
        ))
    }

    pub fn long(&mut self) -> Result<u64, Broken> {
        let bytes = self.take(8)?;
        Ok(u64::from_be_bytes(
            bytes.try_into().expect("eight were taken"),
        ))
    }

    pub fn string(&mut self) -> Result<&'a [u8], Broken> {
        let length = self.number()? as usize;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let Some((taken, rest)) = self.0.split_at_checked(length) else {
            return Err(Broken::Malformed("a field longer than its packet"));
        };
        self.0 = rest;
        Ok(taken)
    }
}
