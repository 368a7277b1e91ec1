//! Who somebody is, from what they can prove: a password, a key, a token.
//!
//! Turns proofs into answers. It decides about no access, and keeps no secret of anybody:
//! only what a secret can be checked against.

mod bootstrap;
pub mod browser;
mod desktop;
mod one_time;
pub mod password;
pub mod second;
pub mod sign_in;
pub mod ssh_key;
mod throttle;
pub mod token;

pub use self::{
    password::Passwords,
    second::{Half, Second, Shown},
    sign_in::{BootstrapError, Door, FactorError, Identity, Issued, SignInError, SignInTerms},
};
