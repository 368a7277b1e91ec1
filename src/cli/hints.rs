//! The next step after a refusal, where the gateway names none.
//!
//! Keyed by the refusal's code, in the words of this command line.

/// What to do about a refusal.
pub fn after(code: &str) -> Option<&'static str> {
    Some(match code {
        "no-such-target" | "target-disabled" => "`doorward target list` shows what you may ask for",
        "no-such-account" | "which-account" => "add --account NAME",
        "reason-missing" => "add --reason \"…\"",
        "reason-not-taken" => "leave --reason out",
        "ticket-missing" => "add --ticket NUMBER",
        "ticket-format" => "check the number given with --ticket",
        "ticket-not-taken" => "leave --ticket out",
        "too-long" | "too-short" => "choose another length with --for",
        "window-not-taken" => "give a length with --for instead of --from and --until",
        "window-backwards" | "window-too-far" => "choose another --from and --until",
        "approver-not-taken" => "leave --approver out",
        "approver-unfit" => "choose another --approver, or leave it out",
        "no-such-permission-set" => "leave --set out, or name one the policy has",
        "reveal-not-allowed" => "leave --reveal out and connect through the gateway",
        "grant-not-allowed" => "let them ask with `doorward request`",
        "self-approval" | "vouched-by-requester" => "another approver must answer it",
        "asked-of-another" => "`doorward assign CODE --to NAME` hands it over",
        "already-voted" => "another approver must vote",
        "already-ended" | "lapsed" => "ask again with `doorward request`",
        "not-active" => "`doorward checkout CODE` shows where it stands",
        "check-in-instead" => "use `doorward check-in`",
        "nothing-pending" => "`doorward checkouts --waiting` shows what waits",
        "extension-pending" | "still-waiting" => "`doorward wait CODE` waits for the answer",
        "no-extension" | "extension-too-long" => "check in and ask again with `doorward request`",
        "sessions-live" => "`doorward sessions` lists them",
        "account-taken" => "ask again later, or agree with the holder",
        "not-an-approver" => "`doorward checkouts --waiting` shows what you may answer",
        "not-yours" => "`doorward checkouts` shows yours",
        "no-checkout" => "ask for one with `doorward request`",
        "not-found" => "check the name or code; the list command of the noun shows them",
        "unauthenticated" => "sign in with `doorward login`",
        "sign-in-failed" => "check both, or ask an admin",
        "wrong-code" => "wait for the next code of your app, or use a recovery code",
        "sign-in-over" => "run `doorward login` again",
        "step-up" | "prove-again" => {
            "run it in a terminal, where the code can be asked for, or use the console"
        }
        "program" => "sign in with `doorward login` instead of using a token",
        "last-admin" => "make somebody else an admin first",
        "forbidden" | "not-allowed" => "ask an admin for the right",
        "user-disabled" => "ask an admin",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_can_be_mended_names_the_option() {
        assert_eq!(after("ticket-missing"), Some("add --ticket NUMBER"));
        assert_eq!(after("internal"), None);
    }
}
