//! What a target shows, decoded beside the relay: frames in, a picture out.
//!
//! Pure. Follows what `capabilities.rs` leaves of what may be sent. INVARIANT: what it cannot
//! follow is an error, never a picture that nobody saw.

mod bitmap;
mod surface;

pub use self::surface::REMOTE_FX;
use self::{bitmap::Bitmaps, surface::Surfaces};
use super::{
    bytes::{Short, take, take_u8, take_u16, u16_at, u32_at},
    mcs::Said,
    pdus,
};
use crate::recording::{Canvas, Picture};

const HEAD: usize = 6;
const VERSION: u16 = 0x10;
const DEMAND_ACTIVE: u16 = 1;
const DATA: u16 = 7;
/// Of PDUs that carry data.
const DATA_KIND: usize = HEAD + 8;
const COMPRESSION: usize = HEAD + 9;
const DATA_HEAD: usize = HEAD + 12;
const IS_COMPRESSED: u8 = 0x20;
const UPDATE: u8 = 2;

/// Among what a target says it can: how large its screen is.
const BITMAP: u16 = 2;
const DESKTOP_WIDTH: usize = 12;
const DESKTOP_HEIGHT: usize = 14;

/// What an update is (MS-RDPBCGR 2.2.9.1.2.1), in both forms.
const ORDERS: u8 = 0;
const BITMAPS: u8 = 1;
const PALETTE: u8 = 2;
const SYNCHRONIZE: u8 = 3;
const SURFACE: u8 = 4;
/// The pointer in its forms, which the client draws.
const POINTER: std::ops::RangeInclusive<u8> = 5..=12;

/// In the head of the short form: nothing of it is encrypted, TLS does that.
const ENCRYPTION: u8 = 0xc0;
const SINGLE: u8 = 0;
const LAST: u8 = 1;
const FIRST: u8 = 2;
/// A screen of four times 4K in the worst of all forms.
const LONGEST: usize = 160 * 1024 * 1024;

/// Why a screen cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the target sent {0}")]
    Short(#[from] Short),
    #[error("the target compresses what was agreed not to be")]
    Compressed,
    #[error("the target draws by orders, which was not agreed")]
    Orders,
    #[error("the target sent an update of a kind that nobody knows ({0})")]
    Unknown(u8),
    #[error("the target sent pieces of an update that do not fit together")]
    Pieces,
    #[error("the target's screen has a size that no screen has")]
    Size,
    #[error("the target showed something before it said how large its screen is")]
    TooEarly,
    #[error("the target sent a bitmap that cannot be decoded: {0}")]
    Bitmap(String),
}

type Result<T> = std::result::Result<T, Lost>;

/// Follows one target's screen.
#[derive(Default)]
pub struct Screen {
    canvas: Option<Canvas>,
    pieces: Option<Vec<u8>>,
    bitmaps: Bitmaps,
    surfaces: Surfaces,
}

impl Screen {
    /// What is on it; none before the target said how large it is.
    pub fn canvas(&mut self) -> Option<&mut Canvas> {
        self.canvas.as_mut()
    }

    /// Takes a frame that went to the client; `io` is the channel of the screen.
    pub fn see(&mut self, frame: &[u8], io: u16) -> Result<()> {
        match Said::read(frame)? {
            Some(Said::Fast) => self.short(frame),
            Some(Said::Data(data)) if data.channel == io => self.long(data.bytes),
            _ => Ok(()),
        }
    }

    /// The short form (MS-RDPBCGR 2.2.9.1.2).
    fn short(&mut self, frame: &[u8]) -> Result<()> {
        let mut rest = frame;
        if take_u8(&mut rest)? & ENCRYPTION != 0 {
            return Err(Lost::Compressed);
        }
        if take_u8(&mut rest)? & 0x80 != 0 {
            take_u8(&mut rest)?;
        }
        while !rest.is_empty() {
            let head = take_u8(&mut rest)?;
            let (kind, piece, compression) = (head & 0x0f, head >> 4 & 3, head >> 6);
            if compression != 0 && take_u8(&mut rest)? & IS_COMPRESSED != 0 {
                return Err(Lost::Compressed);
            }
            let length = usize::from(take_u16(&mut rest)?);
            let data = take(&mut rest, length)?;
            self.piece(kind, piece, data)?;
        }
        Ok(())
    }

    fn piece(&mut self, kind: u8, piece: u8, data: &[u8]) -> Result<()> {
        match (piece, &mut self.pieces) {
            (SINGLE, None) => return self.update(kind, data),
            (FIRST, pieces @ None) => *pieces = Some(data.to_vec()),
            (SINGLE | FIRST, Some(_)) | (_, None) => return Err(Lost::Pieces),
            (_, Some(pieces)) if pieces.len() + data.len() > LONGEST => return Err(Lost::Pieces),
            (_, Some(pieces)) => pieces.extend_from_slice(data),
        }
        match self.pieces.take_if(|_| piece == LAST) {
            Some(whole) => self.update(kind, &whole),
            None => Ok(()),
        }
    }

    fn update(&mut self, kind: u8, data: &[u8]) -> Result<()> {
        match kind {
            ORDERS if u16_at(data, 0)? != 0 => Err(Lost::Orders),
            ORDERS | SYNCHRONIZE => Ok(()),
            BITMAPS => {
                let canvas = self.canvas.as_mut().ok_or(Lost::TooEarly)?;
                self.bitmaps.show(data.get(2..).ok_or(Short)?, canvas)
            }
            PALETTE => self.bitmaps.palette(data.get(2..).ok_or(Short)?),
            SURFACE => {
                let canvas = self.canvas.as_mut().ok_or(Lost::TooEarly)?;
                self.surfaces.show(data, canvas)
            }
            kind if POINTER.contains(&kind) => Ok(()),
            kind => Err(Lost::Unknown(kind)),
        }
    }

    /// The long form: several PDUs may stand in one frame.
    fn long(&mut self, bytes: &[u8]) -> Result<()> {
        // Licences go back and forth first, behind a header of another kind.
        if self.canvas.is_none() && u16_at(bytes, 2)? & 0xfff0 != VERSION {
            return Ok(());
        }
        let mut rest = bytes;
        while let Some(pdu) = pdus::next(&mut rest) {
            match pdus::kind(pdu) {
                DEMAND_ACTIVE => self.demand(pdu)?,
                DATA if pdu.get(DATA_KIND) == Some(&UPDATE) => {
                    if pdu
                        .get(COMPRESSION)
                        .is_none_or(|it| it & IS_COMPRESSED != 0)
                    {
                        return Err(Lost::Compressed);
                    }
                    let data = pdu.get(DATA_HEAD..).ok_or(Short)?;
                    let kind = u16_at(data, 0)?;
                    match u8::try_from(kind) {
                        // Between the kind and the number two bytes are left empty.
                        Ok(ORDERS) => self.update(ORDERS, data.get(4..).ok_or(Short)?)?,
                        Ok(kind @ ..=SYNCHRONIZE) => self.update(kind, data)?,
                        _ => return Err(Lost::Unknown(kind.to_le_bytes()[0])),
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Says how large the screen is, at first and whenever that changes.
    fn demand(&mut self, pdu: &[u8]) -> Result<()> {
        let name = usize::from(u16_at(pdu, HEAD + 4)?);
        let mut at = HEAD + 8 + name;
        let count = u16_at(pdu, at)?;
        at += 4;
        for _ in 0..count {
            let (kind, length) = (u16_at(pdu, at)?, usize::from(u16_at(pdu, at + 2)?));
            if length < 4 || u32_at(pdu, at).is_err() {
                return Err(Short.into());
            }
            if kind == BITMAP {
                let width = usize::from(u16_at(pdu, at + DESKTOP_WIDTH)?);
                let height = usize::from(u16_at(pdu, at + DESKTOP_HEIGHT)?);
                return self.resize(width, height);
            }
            at += length;
        }
        Err(Lost::Size)
    }

    fn resize(&mut self, width: usize, height: usize) -> Result<()> {
        let is_same = |canvas: &mut Canvas| {
            let picture = canvas.picture();
            (picture.width(), picture.height()) == (width, height)
        };
        if self.canvas.as_mut().is_some_and(is_same) {
            return Ok(());
        }
        let picture = Picture::new(width, height).ok_or(Lost::Size)?;
        self.canvas = Some(Canvas::new(picture));
        Ok(())
    }
}

#[cfg(test)]
pub mod tests;
