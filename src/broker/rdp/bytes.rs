//! Reading numbers out of messages without ever reading past their end.
//!
//! Says nothing of what they mean.

/// The message is shorter than it says, or its lengths contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message is shorter than it says")]
pub struct Short;

pub type Result<T> = std::result::Result<T, Short>;

/// The two bytes at `at`, the lower first.
pub fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    let bytes = bytes.get(at..).ok_or(Short)?;
    bytes
        .first_chunk()
        .map(|two| u16::from_le_bytes(*two))
        .ok_or(Short)
}

/// The four bytes at `at`, the lowest first.
pub fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let bytes = bytes.get(at..).ok_or(Short)?;
    bytes
        .first_chunk()
        .map(|four| u32::from_le_bytes(*four))
        .ok_or(Short)
}

/// Writes over what stands at `at`; nothing where there is no room.
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<()> {
    let place = at
        .checked_add(value.len())
        .and_then(|end| bytes.get_mut(at..end))
        .ok_or(Short)?;
    place.copy_from_slice(value);
    Ok(())
}

/// Takes so many bytes off the front.
pub fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(Short)?;
    *bytes = rest;
    Ok(taken)
}

pub fn take_u8(bytes: &mut &[u8]) -> Result<u8> {
    take(bytes, 1).map(|one| one[0])
}

pub fn take_u16(bytes: &mut &[u8]) -> Result<u16> {
    take(bytes, 2).and_then(|two| u16_at(two, 0))
}

pub fn take_u32(bytes: &mut &[u8]) -> Result<u32> {
    take(bytes, 4).and_then(|four| u32_at(four, 0))
}
