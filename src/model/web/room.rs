//! How much one request may move, as the capabilities say that admit it.
//!
//! Each capability allows by itself: what one leaves of upload is not added to another's
//! download. Counts nothing.

use super::Most;
use crate::model::size::Size;

/// One line for each capability that admits the request; without a line there is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room(Vec<Most>);

/// Where it was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Upload,
    Download,
}

/// More than is allowed, and how much would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch {
    pub way: Way,
    pub most: Size,
}

impl Room {
    /// What admits one request. A capability without a limit outweighs those with one.
    pub fn of(admitting: impl IntoIterator<Item = Most>) -> Self {
        let lines: Vec<Most> = admitting.into_iter().collect();
        match lines.contains(&Most::default()) {
            true => Self::default(),
            false => Self(lines),
        }
    }

    /// Whether so many bytes in both directions are still allowed.
    pub fn holds(&self, up: u64, down: u64) -> Result<(), TooMuch> {
        let within = |most: Option<Size>, bytes: u64| most.is_none_or(|most| bytes <= most.bytes());
        let admits = |most: &&Most| within(most.upload, up) && within(most.download, down);
        if self.0.is_empty() || self.0.iter().any(|most| admits(&most)) {
            return Ok(());
        }
        // Of those that still take the upload it is the download that is too much.
        let downloads = self.0.iter().filter(|most| within(most.upload, up));
        let (way, most) = match downloads.filter_map(|most| most.download).max() {
            Some(most) => (Way::Download, most),
            None => (
                Way::Upload,
                self.0
                    .iter()
                    .filter_map(|most| most.upload)
                    .max()
                    .unwrap_or_default(),
            ),
        };
        Err(TooMuch { way, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(lines: &[(&str, &str)]) -> Room {
        let size = |text: &str| (text != "-").then(|| text.parse().unwrap());
        Room::of(lines.iter().map(|(upload, download)| Most {
            upload: size(upload),
            download: size(download),
        }))
    }

    #[test]
    fn each_capability_allows_by_itself() {
        let two = [("1KiB", "10B"), ("10B", "1KiB")];
        for (lines, up, down, expected) in [
            (&[][..], u64::MAX, u64::MAX, Ok(())),
            (&[("-", "-"), ("0B", "0B")], u64::MAX, u64::MAX, Ok(())),
            (&[("10B", "-")], 10, u64::MAX, Ok(())),
            (&[("10B", "-")], 11, 0, Err((Way::Upload, 10))),
            (&[("-", "10B")], u64::MAX, 11, Err((Way::Download, 10))),
            (&two, 1024, 10, Ok(())),
            (&two, 10, 1024, Ok(())),
            (&two, 11, 11, Err((Way::Download, 10))),
            (&two, 1025, 0, Err((Way::Upload, 1024))),
            (&two, 0, 1025, Err((Way::Download, 1024))),
        ] {
            let held = room(lines).holds(up, down);
            let held = held.map_err(|much| (much.way, much.most.bytes()));
            assert_eq!(held, expected, "{lines:?} {up} {down}");
        }
    }
}
