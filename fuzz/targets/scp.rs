//! A command that may be scp's, and a stream that may be: a command that is taken for scp reads
//! back as the same and holds nothing that a shell would run; a stream is followed or refused.
#![no_main]

use bytes::Bytes;
use doorward::broker::ssh::files::scp::{Scp, ScpCommand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<(bool, Vec<u8>)>)| {
    let (command, pieces) = input;
    if let Some(scp) = ScpCommand::parse(&command) {
        let canonical = scp.canonical();
        let again = ScpCommand::parse(&canonical).expect("what is written is read");
        assert_eq!(again.side, scp.side);
        assert_eq!(again.paths, scp.paths);
        assert_eq!(again.canonical(), canonical);
        assert!(is_inert(&canonical), "{:?}", String::from_utf8_lossy(&canonical));
    }
    for text in ["scp -t -r -d /srv", "scp -f '/data/*'"] {
        let command = ScpCommand::parse(text.as_bytes()).expect("this is scp");
        let mut scp = Scp::new(command);
        let (mut bytes, mut told) = (0, 0);
        for (is_up, piece) in &pieces {
            bytes += piece.len() as u64;
            let piece = Bytes::copy_from_slice(piece);
            let moved = match is_up {
                true => scp.up(&piece),
                false => scp.down(&piece),
            };
            let Ok(moved) = moved else { break };
            told += moved.iter().map(|moved| moved.bytes).sum::<u64>();
            assert!(told <= bytes, "no byte is told that did not come");
        }
        told += scp.cut().map_or(0, |moved| moved.bytes);
        assert!(told <= bytes);
    }
});

/// Behind a backslash a letter is itself; without one none of these may stand.
fn is_inert(command: &[u8]) -> bool {
    let mut bytes = command.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                if matches!(bytes.next(), None | Some(b'\n')) {
                    return false;
                }
            }
            b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'$' | b'`' | b'"' | b'\n' | b'\r'
            | b'#' | b'!' | b'{' | b'}' => return false,
            _ => {}
        }
    }
    true
}
