//! Messages of CredSSP one after the other, before anybody is known: refused, or read to their
//! end and no further; whoever does not know the secret is not let in; and a name that means
//! something means the same wherever it is read again.
#![no_main]

use doorward::broker::rdp::parts::{Names, is_let_in, read_ts_request, write_ts_request};
use futures::FutureExt;
use libfuzzer_sys::fuzz_target;

/// What is in it, and its head.
const LONGEST: usize = 32 * 1024 + 4;

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let mut messages = Vec::new();
    while messages.len() < 8 {
        let before = rest;
        let read = read_ts_request(&mut rest).now_or_never().expect("bytes do not wait");
        let Ok(message) = read else { break };
        let length = before.len() - rest.len();
        assert!(length <= LONGEST);
        let cut = read_ts_request(&mut &before[..length - 1]).now_or_never();
        assert!(cut.expect("bytes do not wait").is_err());
        // Other versions are as long as sspi does not write them.
        if (2..=6).contains(&message.version) && message.error_code.is_none() {
            let mut written = Vec::new();
            let wrote = write_ts_request(&mut written, &message).now_or_never();
            wrote.expect("a vector does not wait").expect("it takes every byte");
            let again = read_ts_request(&mut &written[..]).now_or_never();
            let again = again.expect("bytes do not wait").expect("what is written is read");
            assert_eq!(again.version, message.version);
            assert_eq!(again.nego_tokens, message.nego_tokens);
            assert_eq!(again.auth_info, message.auth_info);
            assert_eq!(again.pub_key_auth, message.pub_key_auth);
            assert_eq!(again.client_nonce, message.client_nonce);
        }
        messages.push(message);
    }
    for token in messages.iter().filter_map(|message| message.nego_tokens.as_deref()) {
        named(token);
    }
    named(input);
    assert!(!is_let_in(messages, "mfqx4-t7kd2-6rj3v-p5wzn"), "nobody knows the secret");
});

fn named(token: &[u8]) {
    let Ok(names) = Names::read(token) else { return };
    for name in [&names.user, &names.domain, &names.workstation] {
        assert!(name.encode_utf16().count() <= 256);
    }
    if let Some(sought) = names.sought() {
        let user = sought.to_string();
        let (domain, workstation) = (String::new(), String::new());
        let again = Names { user: user.clone(), domain, workstation };
        let again = again.sought().expect("what was meant is meant");
        assert_eq!(again.to_string(), user);
    }
}
