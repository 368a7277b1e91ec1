//! A text as a QR code, drawn as one path that any page can show without loading anything.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};
use serde::Serialize;
use utoipa::ToSchema;

/// Light around it, so that cameras find it (ISO 18004 asks for four modules).
const QUIET: i32 = 4;

/// A square of `size` by `size`, and the dark parts of it as an SVG path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Picture {
    pub size: i32,
    pub path: String,
}

#[derive(Debug, thiserror::Error)]
#[error("this is too long for a QR code")]
pub struct TooLong;

pub fn picture(text: &str) -> Result<Picture, TooLong> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).map_err(|_| TooLong)?;
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let dark = (x..code.size())
                .take_while(|x| code.get_module(*x, y))
                .count();
            let width = i32::try_from(dark).expect("no wider than the code");
            if width > 0 {
                let (left, top) = (x + QUIET, y + QUIET);
                // Writing to a string cannot fail.
                let _ = write!(path, "M{left} {top}h{width}v1h-{width}z");
            }
            x += width + 1;
        }
    }
    let size = code.size() + 2 * QUIET;
    Ok(Picture { size, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_square_with_three_finders_and_light_around() {
        let Picture { size, path } = picture("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ").unwrap();
        assert!(path.starts_with("M4 4h7v1h-7z"), "{path}");
        let right = size - 4 - 7;
        assert!(path.contains(&format!("M{right} 4h7v1h-7z")), "{path}");
        assert!(path.contains(&format!("M4 {right}h7v1h-7z")), "{path}");
        assert!(picture(&"x".repeat(4000)).is_err());
    }
}
