//! An SFTP channel on which both sides say anything, in pieces of any size: it is followed or
//! it is refused, and what passes is what came, less what was refused.
#![no_main]

use bytes::Bytes;
use doorward::broker::ssh::files::{rights::Rights, sftp::Sftp};
use libfuzzer_sys::fuzz_target;

/// A run of pieces, each from one side; the first byte also says what is allowed.
fuzz_target!(|input: (u8, Vec<(bool, Vec<u8>)>)| {
    let (allowed, pieces) = input;
    let way = |bit: u8| match allowed & bit {
        0 => Ok(()),
        _ => Err("not allowed".to_owned()),
    };
    let rights = Rights { read: way(1), write: way(2) };
    let everything = rights.read.is_ok() && rights.write.is_ok();
    let mut sftp = Sftp::new(rights);
    // Most inputs would fail at the greeting.
    let greeted = sftp.up(&mut Bytes::from_static(b"\0\0\0\x05\x01\0\0\0\x03"));
    assert!(greeted.is_ok());
    let answered = sftp.down(Bytes::from_static(b"\0\0\0\x05\x02\0\0\0\x03"));
    assert!(answered.is_ok());

    let (mut came_up, mut went_up, mut rows) = (0, 0, 0);
    for (is_up, piece) in pieces {
        let heard = if is_up {
            came_up += piece.len();
            let mut chunk = Bytes::from(piece);
            let heard = sftp.up(&mut chunk);
            assert!(heard.is_err() || chunk.is_empty() || !sftp.has_room());
            came_up -= chunk.len();
            heard
        } else {
            sftp.down(Bytes::from(piece))
        };
        let Ok(heard) = heard else { break };
        if is_up {
            went_up += heard.pass.iter().map(Bytes::len).sum::<usize>();
            assert!(went_up <= came_up, "nothing is made up");
            if everything {
                let unknown = heard.refused.iter().all(|refused| !refused.what.is_empty());
                assert!(unknown, "a refusal has a name");
            }
        }
        rows += heard.moved.len();
        for moved in heard.moved {
            assert!(moved.path.as_str().chars().count() <= 4_097);
        }
    }
    let cut = sftp.cut();
    assert!(rows + cut.len() <= 2 * (came_up / 9 + 1), "a row needs a request");
    assert!(sftp.cut().is_empty());
});
