//! A no, as the number of which RDP clients have a sentence (MS-ERREF 2.3).
//!
//! The gateway's own sentence has no way into them; `doorward checkout` and the audit have it.

use sspi::credssp::NStatusCode;

use crate::model::refusal::Refusal;

/// The check-out ended in this moment.
pub const OVER: NStatusCode = NStatusCode(0xc000_0193);

/// The target did not prove what it must.
pub const UNTRUSTED: NStatusCode = NStatusCode(0xc000_0190);

pub fn of(refusal: &Refusal) -> NStatusCode {
    match refusal {
        Refusal::NoCheckout { .. } | Refusal::AlreadyEnded(_) => OVER,
        Refusal::OutsideHours { .. } | Refusal::NotYetOpen { .. } => {
            NStatusCode::INVALID_LOGON_HOURS
        }
        Refusal::TargetDisabled(_) | Refusal::AccountDisabled(_) | Refusal::UserDisabled => {
            NStatusCode::ACCOUNT_DISABLED
        }
        Refusal::StoreLost | Refusal::ShuttingDown => NStatusCode::NO_LOGON_SERVERS,
        Refusal::NotCapable { .. } | Refusal::OtherProtocol { .. } => {
            NStatusCode::LOGON_TYPE_NOT_GRANTED
        }
        // Waiting for an answer, too many sessions, a recording that cannot be: all that the
        // client can say of it is that there is a rule.
        _ => NStatusCode::ACCOUNT_RESTRICTION,
    }
}
