//! The files in a form that a browser sends (RFC 7578), followed as they pass.
//!
//! Hashed part by part; of what passes no more is held than could be the beginning of a
//! boundary, and the head of one part.

use aws_lc_rs::digest::{Context, SHA256};
use memchr::memmem;

use crate::model::web::file_name;

/// One file of a form, or what has passed of it.
pub struct Part {
    pub name: String,
    pub digest: Context,
    pub bytes: u64,
    /// Whether its end was seen.
    pub whole: bool,
}

/// RFC 2046 s5.1.1.
const LONGEST_BOUNDARY: usize = 70;
const LONGEST_HEAD: usize = 8 * 1024;
const MOST: usize = 1_000;

pub struct Parts {
    /// With the line break before it.
    delimiter: Vec<u8>,
    place: Place,
    /// The end of what was seen, where a delimiter may have begun.
    held: Vec<u8>,
    files: Vec<Part>,
}

enum Place {
    /// Before the first part, or in one that is no file.
    Aside,
    InFile,
    InHead(Vec<u8>),
    /// Behind the last part, or where it cannot be followed any more.
    Over,
}

impl Parts {
    /// For a form of this `Content-Type`; none where it has no boundary.
    pub fn of(kind: &str) -> Option<Self> {
        let (essence, parameters) = kind.split_once(';')?;
        if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_it = name.trim().eq_ignore_ascii_case("boundary");
            is_it.then(|| value.trim().trim_matches('"'))
        })?;
        if !(1..=LONGEST_BOUNDARY).contains(&boundary.len()) {
            return None;
        }
        Some(Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            place: Place::Aside,
            // The first delimiter stands at the beginning, without a line break before it.
            held: b"\r\n".to_vec(),
            files: Vec::new(),
        })
    }

    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match &mut self.place {
                Place::Over => return,
                Place::InHead(head) => {
                    let (head, rest) = match grown(head, bytes) {
                        Some(whole) => whole,
                        None => return,
                    };
                    self.place = self.after(&head);
                    rest
                }
                Place::Aside | Place::InFile => self.content(bytes),
            };
        }
    }

    /// The files, in their order.
    pub fn end(self) -> Vec<Part> {
        self.files
    }

    /// Takes content up to the next delimiter, and says what is behind it.
    fn content<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let most = self.delimiter.len() - 1;
        if !self.held.is_empty() {
            // What was held is a delimiter's beginning only together with what follows.
            let more = bytes.len().min(most);
            let held = std::mem::take(&mut self.held);
            let joint = [&held[..], &bytes[..more]].concat();
            if let Some(at) = memmem::find(&joint, &self.delimiter) {
                self.passed(&joint[..at]);
                self.place = self.ended();
                return &bytes[at + self.delimiter.len() - held.len()..];
            }
            if bytes.len() >= most {
                self.passed(&held);
                return bytes;
            }
            let keep = joint.len().saturating_sub(most);
            self.passed(&joint[..keep]);
            self.held = joint[keep..].to_vec();
            return &[];
        }
        match memmem::find(bytes, &self.delimiter) {
            Some(at) => {
                self.passed(&bytes[..at]);
                self.place = self.ended();
                &bytes[at + self.delimiter.len()..]
            }
            None => {
                let keep = bytes.len().saturating_sub(most);
                self.passed(&bytes[..keep]);
                self.held = bytes[keep..].to_vec();
                &[]
            }
        }
    }

    fn passed(&mut self, content: &[u8]) {
        if let (Place::InFile, Some(file)) = (&self.place, self.files.last_mut()) {
            file.digest.update(content);
            file.bytes = file.bytes.saturating_add(content.len() as u64);
        }
    }

    fn ended(&mut self) -> Place {
        if let (Place::InFile, Some(file)) = (&self.place, self.files.last_mut()) {
            file.whole = true;
        }
        Place::InHead(Vec::new())
    }

    /// Where it goes on behind a head.
    fn after(&mut self, head: &[u8]) -> Place {
        if head.starts_with(b"--") || self.files.len() >= MOST || head.len() >= LONGEST_HEAD {
            return Place::Over;
        }
        let head = String::from_utf8_lossy(head);
        let name = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_it = name.trim().eq_ignore_ascii_case("content-disposition");
            is_it.then(|| file_name(value)).flatten()
        });
        match name {
            None => Place::Aside,
            Some(name) => {
                self.files.push(Part {
                    name,
                    digest: Context::new(&SHA256),
                    bytes: 0,
                    whole: false,
                });
                Place::InFile
            }
        }
    }
}

/// The head once it is whole, and what is behind it.
fn grown<'a>(head: &mut Vec<u8>, bytes: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
    const END: &[u8] = b"\r\n\r\n";
    let before = head.len();
    let room = LONGEST_HEAD.saturating_sub(before).min(bytes.len());
    head.extend_from_slice(&bytes[..room]);
    let is_last = head.starts_with(b"--");
    let from = before.saturating_sub(END.len() - 1);
    if let Some(at) = memmem::find(&head[from..], END).filter(|_| !is_last) {
        let end = from + at + END.len();
        head.truncate(end);
        return Some((std::mem::take(head), &bytes[end - before..]));
    }
    let is_lost = head.len() >= LONGEST_HEAD;
    (is_last || is_lost).then(|| (std::mem::take(head), &bytes[room..]))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=\"X-1\"";

    fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut form =
            b"--X-1\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n--X-\r\nhi".to_vec();
        for (name, content) in files {
            let head = format!(
                "\r\n--X-1\r\ncontent-type: a/b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n"
            );
            form.extend_from_slice(head.as_bytes());
            form.extend_from_slice(content);
        }
        form.extend_from_slice(b"\r\n--X-1--\r\nbehind");
        form
    }

    fn found(form: &[u8], piece: usize) -> Vec<(String, u64, String, bool)> {
        let mut parts = Parts::of(KIND).unwrap();
        for piece in form.chunks(piece) {
            parts.add(piece);
        }
        let parts = parts.end().into_iter();
        let shown = parts.map(|part| {
            let hash = HEXLOWER.encode(part.digest.finish().as_ref());
            (part.name, part.bytes, hash, part.whole)
        });
        shown.collect()
    }

    fn sha256(bytes: &[u8]) -> String {
        HEXLOWER.encode(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
    }

    proptest! {
        /// However the form is cut on its way.
        #[test]
        fn each_file_is_hashed_by_itself(
            one in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), any::<u8>()], 0..200),
            two in "[\r\n\\-X1]{0,40}",
            piece in prop_oneof![1_usize..90, Just(100_000)],
        ) {
            let two = two.replace("\r\n--X-1", "");
            prop_assume!(memmem::find(&one, b"\r\n--X-1").is_none());
            let form = form(&[("a.bin", &one), ("b.txt", two.as_bytes())]);
            let expected = vec![
                ("a.bin".to_owned(), one.len() as u64, sha256(&one), true),
                ("b.txt".to_owned(), two.len() as u64, sha256(two.as_bytes()), true),
            ];
            prop_assert_eq!(found(&form, piece), expected);
        }

        #[test]
        fn nothing_that_comes_stops_it(form in proptest::collection::vec(any::<u8>(), 0..400), piece in 1_usize..40) {
            found(&form, piece);
        }
    }

    #[test]
    fn a_file_longer_than_any_head_is_followed() {
        let long = vec![7; 3 * LONGEST_HEAD];
        let form = form(&[("a.bin", &long)]);
        for piece in [100, LONGEST_HEAD, 1 << 20] {
            let expected = ("a.bin".to_owned(), long.len() as u64, sha256(&long), true);
            assert_eq!(found(&form, piece), [expected], "{piece}");
        }
    }

    #[test]
    fn a_form_that_breaks_off_says_so() {
        let whole = form(&[("a.bin", b"0123456789")]);
        let at = memmem::find(&whole, b"0123").unwrap();
        let seen = found(&whole[..at + 9], 7);
        assert_eq!(seen.len(), 1);
        assert!(!seen[0].3, "{seen:?}");
        assert!(seen[0].1 <= 9);
    }

    #[test]
    fn what_is_no_such_form_has_no_parts() {
        for kind in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=x",
            "application/json; boundary=x",
        ] {
            assert!(Parts::of(kind).is_none(), "{kind}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert!(Parts::of(&long).is_none());
    }
}
