//! Typing at a screen, as its X server's XTEST extension lets a program do.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::seen::within;

const SHIFT: u8 = 0x2a;
const ENTER: u8 = 0x1c;
/// X numbers keys by eight more than keyboards do.
const OF_X: u8 = 8;

const PRESS: u8 = 2;
const RELEASE: u8 = 3;

/// Types letters and blanks, and Enter behind them.
pub async fn types(display: &str, text: &str) {
    let path = format!("/tmp/.X11-unix/X{}", display.trim_start_matches(':'));
    let mut server = UnixStream::connect(path).await.unwrap();
    server
        .write_all(&[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let mut head = [0; 8];
    server.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], 1, "the X server lets nobody in");
    let mut rest = vec![0; usize::from(u16::from_le_bytes([head[6], head[7]])) * 4];
    server.read_exact(&mut rest).await.unwrap();
    let query = [&[98, 0, 4, 0, 5, 0, 0, 0][..], b"XTEST\0\0\0"].concat();
    let answer = ask(&mut server, &query).await;
    assert_eq!(answer[8], 1, "there is no XTEST");
    let extension = answer[9];
    for letter in text.chars() {
        if letter.is_uppercase() {
            key(&mut server, extension, PRESS, SHIFT).await;
        }
        let code = code(letter.to_ascii_lowercase());
        key(&mut server, extension, PRESS, code).await;
        key(&mut server, extension, RELEASE, code).await;
        if letter.is_uppercase() {
            key(&mut server, extension, RELEASE, SHIFT).await;
        }
    }
    key(&mut server, extension, PRESS, ENTER).await;
    key(&mut server, extension, RELEASE, ENTER).await;
}

async fn key(server: &mut UnixStream, extension: u8, kind: u8, code: u8) {
    let mut fake = vec![extension, 2, 9, 0, kind, code + OF_X];
    fake.resize(36, 0);
    server.write_all(&fake).await.unwrap();
    // Whoever has the focus is asked for, so that one key is there before the next.
    ask(server, &[43, 0, 1, 0]).await;
}

async fn ask(server: &mut UnixStream, request: &[u8]) -> [u8; 32] {
    server.write_all(request).await.unwrap();
    let mut answer = [0; 32];
    let answering = async {
        // Events come in between: the server tells everybody of a new keyboard.
        while answer[0] != 1 {
            server.read_exact(&mut answer).await.unwrap();
            assert_ne!(answer[0], 0, "an error: {answer:?}");
        }
    };
    within("the X server", answering).await;
    answer
}

fn code(letter: char) -> u8 {
    let rows = [("qwertyuiop", 0x10), ("asdfghjkl", 0x1e), ("zxcvbnm", 0x2c)];
    let in_row = |(row, first): (&str, u8)| Some(first + row.find(letter)? as u8);
    match letter {
        ' ' => 0x39,
        letter => rows
            .into_iter()
            .find_map(in_row)
            .unwrap_or_else(|| panic!("no key for {letter}")),
    }
}
