//! Text that goes over the clipboard, read from the channel it goes over (MS-RDPECLIP).
//!
//! Pure, and beside the relay. Reads text alone, as far as a recording keeps it; files and
//! pictures are passed over.

use super::bytes::{Result, take, take_u16, take_u32, u32_at};

/// Before each piece: how long the whole is, and which piece this is.
const FIRST: u32 = 1;
const LAST: u32 = 2;

const REQUEST: u16 = 4;
const RESPONSE: u16 = 5;
const IS_FINE: u16 = 1;
const HEAD: usize = 8;

/// Formats that are text: of a code page, and Unicode.
const TEXT: u32 = 1;
const UNICODE: u32 = 13;

/// Of one text so much is kept.
const LONGEST: usize = 64 * 1024;

/// Who has sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Target,
}

/// Follows both directions of one channel.
#[derive(Default)]
pub struct Clipboard {
    client: Vec<u8>,
    target: Vec<u8>,
    /// In which format the other side was asked last.
    asked_client: u32,
    asked_target: u32,
}

impl Clipboard {
    /// Takes what one side sent over the channel; the text, where it was one.
    pub fn take(&mut self, side: Side, mut data: &[u8]) -> Result<Option<String>> {
        take_u32(&mut data)?;
        let flags = take_u32(&mut data)?;
        let whole = match side {
            Side::Client => &mut self.client,
            Side::Target => &mut self.target,
        };
        if flags & FIRST != 0 {
            whole.clear();
        }
        let room = (LONGEST + HEAD).saturating_sub(whole.len());
        whole.extend_from_slice(&data[..data.len().min(room)]);
        if flags & LAST == 0 {
            return Ok(None);
        }
        let whole = std::mem::take(whole);
        let mut rest = &whole[..];
        let (kind, flags) = (take_u16(&mut rest)?, take_u16(&mut rest)?);
        let length = usize::try_from(take_u32(&mut rest)?).unwrap_or(usize::MAX);
        let (asks, asked) = match side {
            Side::Client => (&mut self.asked_target, self.asked_client),
            Side::Target => (&mut self.asked_client, self.asked_target),
        };
        match kind {
            REQUEST => *asks = u32_at(rest, 0)?,
            RESPONSE if flags & IS_FINE != 0 => {
                let is_cut = length > rest.len();
                let data = take(&mut rest, length.min(whole.len() - HEAD))?;
                return Ok(text(asked, data).map(|text| match is_cut {
                    true => format!("{text}… ({length} bytes)"),
                    false => text,
                }));
            }
            _ => {}
        }
        Ok(None)
    }
}

fn text(format: u32, data: &[u8]) -> Option<String> {
    let text = match format {
        UNICODE => {
            let units = data.chunks_exact(2);
            let units: Vec<u16> = units
                .map(|two| u16::from_le_bytes([two[0], two[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        TEXT => data.iter().map(|byte| char::from(*byte)).collect(),
        _ => return None,
    };
    Some(text.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, flags: u16, data: &[u8]) -> Vec<u8> {
        let mut message = kind.to_le_bytes().to_vec();
        message.extend(flags.to_le_bytes());
        message.extend((data.len() as u32).to_le_bytes());
        message.extend(data);
        message
    }

    fn piece(flags: u32, data: &[u8]) -> Vec<u8> {
        let mut piece = (data.len() as u32).to_le_bytes().to_vec();
        piece.extend(flags.to_le_bytes());
        piece.extend(data);
        piece
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn text_is_read_where_text_was_asked_for() {
        let answer = message(RESPONSE, IS_FINE, &wide("Grüße\0"));
        for (asks, answers) in [(Side::Client, Side::Target), (Side::Target, Side::Client)] {
            for (format, expected) in [(UNICODE, Some("Grüße")), (8, None)] {
                let mut clipboard = Clipboard::default();
                let request = message(REQUEST, 0, &format.to_le_bytes());
                clipboard
                    .take(asks, &piece(FIRST | LAST, &request))
                    .unwrap();
                let (begin, end) = answer.split_at(9);
                assert_eq!(clipboard.take(answers, &piece(FIRST, begin)), Ok(None));
                let text = clipboard.take(answers, &piece(LAST, end)).unwrap();
                assert_eq!(text.as_deref(), expected, "{asks:?}");
            }
        }
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let mut clipboard = Clipboard::default();
        let request = message(REQUEST, 0, &TEXT.to_le_bytes());
        clipboard
            .take(Side::Client, &piece(FIRST | LAST, &request))
            .unwrap();
        let answer = message(RESPONSE, IS_FINE, &[b'x'; 100_000]);
        let text = clipboard.take(Side::Target, &piece(FIRST | LAST, &answer));
        let text = text.unwrap().unwrap();
        assert!(text.starts_with("xxx") && text.ends_with("x… (100000 bytes)"));
        assert!(text.len() < LONGEST + 40);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_stumble(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut clipboard = Clipboard::default();
            clipboard.take(Side::Client, &bytes).ok();
            clipboard.take(Side::Target, &piece(FIRST | LAST, &bytes)).ok();
        }
    }
}
