//! Whatever a stranger writes into a name, an address, a ticket or a reason: it is refused, or
//! it is bounded, inert in a terminal, and reads back as the same.
#![no_main]

use std::{fmt::Display, str::FromStr};

use doorward::model::{ids, name, target, text, ticket, time};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    reads_back::<name::UserName>(input);
    reads_back::<name::GroupName>(input);
    reads_back::<name::TargetName>(input);
    reads_back::<name::AccountName>(input);
    reads_back::<name::PolicyName>(input);
    reads_back::<name::PermissionSet>(input);
    reads_back::<ids::CheckoutId>(input);
    reads_back::<ids::Code>(input);
    reads_back::<target::Address>(input);
    reads_back::<ticket::TicketRef>(input);
    reads_back::<time::Span>(input);
    reads_back::<time::Timestamp>(input);
    if let Ok(reason) = input.parse::<text::Text>() {
        assert!(reason.as_str().chars().count() <= text::Text::LONGEST);
        assert!(reason.one_line().chars().all(|letter| !letter.is_control()));
    }
});

fn reads_back<T: FromStr + Display + PartialEq>(input: &str) {
    let Ok(value) = input.parse::<T>() else { return };
    let shown = value.to_string();
    assert!(shown.len() <= 512);
    assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
    assert!(shown.parse::<T>().is_ok_and(|again| again == value), "{shown:?}");
}
