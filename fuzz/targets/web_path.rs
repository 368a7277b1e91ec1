//! A path from anywhere: refused, or of one form, which is itself again and nowhere climbs. And
//! what policy says of it does not depend on how it was written.
#![no_main]

use doorward::model::{
    name::TargetName,
    web::{CanonicalPath, HttpPattern, WebPlace},
    ways_in::WebWay,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (path, pattern) = input.split_once('\n').unwrap_or((input, ""));
    if let Ok(lettered) = CanonicalPath::with_encoded_slashes(path) {
        let shown = lettered.as_str();
        assert_eq!(CanonicalPath::with_encoded_slashes(shown).as_ref(), Ok(&lettered));
        let plainly = path.parse::<CanonicalPath>();
        assert_eq!(plainly.is_ok(), !lettered.has_encoded_slash());
        // Whoever reads the letter as a slash after all does not climb either.
        for piece in decoded(shown).split(|byte| *byte == b'/') {
            let name = piece.split(|byte| *byte == b';').next().unwrap_or_default();
            assert!(name != b"." && name != b"..", "{shown}");
        }
    }
    let Ok(canonical) = path.parse::<CanonicalPath>() else { return };
    let shown = canonical.as_str();
    assert_eq!(shown.parse::<CanonicalPath>().as_ref(), Ok(&canonical));
    assert!(shown.len() <= 3 * CanonicalPath::LONGEST);
    assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()) && !shown.contains(['?', '#', '\\']));
    for segment in canonical.segments() {
        let name = decoded(segment.split(';').next().unwrap_or_default());
        assert!(name != b"." && name != b"..", "{shown}");
        assert!(!name.iter().any(|byte| *byte < 0x20 || b"/\\\x7f".contains(byte)), "{shown}");
    }
    // Every byte that may be written otherwise, written otherwise: the same path.
    let other: String = shown
        .bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => format!("%{byte:02x}"),
            false => char::from(byte).to_string(),
        })
        .collect();
    // An encoded digit of an encoded byte would be another byte.
    if !shown.contains('%') && other.len() <= CanonicalPath::LONGEST {
        assert_eq!(other.parse::<CanonicalPath>().as_ref(), Ok(&canonical));
    }
    if let Ok(pattern) = pattern.parse::<HttpPattern>() {
        let again = shown.parse::<CanonicalPath>().expect("it was one");
        assert_eq!(pattern.fits("GET", &canonical), pattern.fits("GET", &again));
        let written = pattern.to_string().parse::<HttpPattern>();
        assert_eq!(written.as_ref(), Ok(&pattern), "{pattern}");
    }
    let way = WebWay { domain: "door.localhost".to_owned(), port: 8444 };
    let target: TargetName = "wiki".parse().expect("a name");
    if let Ok(place) = WebPlace::new(target, &way, path) {
        // It reads back as the same, or nobody is led back to it.
        let read = WebPlace::read(&place.to_string(), &way);
        assert!(read.is_ok_and(|read| read.to_string() == place.to_string()), "{place}");
    }
});

fn decoded(segment: &str) -> Vec<u8> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { panic!("half a byte: {segment}") };
        decoded.push(u8::try_from(high << 4 | low).expect("two digits"));
    }
    decoded
}
