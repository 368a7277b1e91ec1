//! Who somebody is, from what they can prove: a password, a key, a token.
//!
//! Turns proofs into answers. It decides about no access, and keeps no secret of anybody:
//! only what a secret can be checked against.

pub mod password;
pub mod ssh_key;
pub mod token;
