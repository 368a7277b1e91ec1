//! What somebody types before the `@`: one reading or none, and it reads back as the same.
#![no_main]

use doorward::broker::ssh::login::Login;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let Ok(login) = input.parse::<Login>() else { return };
    let shown = login.to_string();
    assert!(shown.len() <= 512);
    assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
    assert!(!shown.starts_with('-'));
    assert_eq!(shown.parse::<Login>().as_ref(), Ok(&login));
});
