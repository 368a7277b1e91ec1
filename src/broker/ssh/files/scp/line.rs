//! One record of a source: a file, a folder, its end, its times, or a complaint.
//!
//! Pure. A name is a name in the folder at hand, never a way out of it.

/// With its end. Names are at most 255 bytes long, complaints hold a path.
pub const LONGEST_LINE: usize = 8 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// `C0644 1234 name`
    File { size: u64, name: &'a [u8] },
    /// `D0755 0 name`
    Folder(&'a [u8]),
    /// `E`
    FolderEnd,
    /// `T1700000000 0 1700000000 0`
    Times,
    /// After a byte 1 or 2; the second kind is the last word.
    Complaint(&'a [u8]),
}

impl<'a> Record<'a> {
    /// Reads a line without its end. None if it is none of these.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (kind, rest) = line.split_first()?;
        match kind {
            b'C' => named(rest).map(|(size, name)| Self::File { size, name }),
            b'D' => named(rest).map(|(_, name)| Self::Folder(name)),
            b'E' if rest.is_empty() => Some(Self::FolderEnd),
            b'T' => {
                let mut numbers = rest.split(|byte| *byte == b' ');
                let four = numbers.by_ref().take(4).all(is_number);
                let whole = rest.iter().filter(|byte| **byte == b' ').count() == 3;
                (four && whole).then_some(Self::Times)
            }
            1 | 2 => Some(Self::Complaint(rest)),
            _ => None,
        }
    }
}

/// `0644 1234 name`
fn named(rest: &[u8]) -> Option<(u64, &[u8])> {
    let mut parts = rest.splitn(3, |byte| *byte == b' ');
    let (mode, size, name) = (parts.next()?, parts.next()?, parts.next()?);
    let mode_is_octal = mode.len() == 4 && mode.iter().all(|byte| (b'0'..=b'7').contains(byte));
    let bad_name =
        matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0));
    if !mode_is_octal || bad_name || !is_number(size) {
        return None;
    }
    let size: u64 = std::str::from_utf8(size).ok()?.parse().ok()?;
    Some((size, name))
}

fn is_number(text: &[u8]) -> bool {
    (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}
