//! What a caller reads when the answer is no: RFC 9457 problem details.
//!
//! The only place that knows status codes. A refusal is told in its own words; a fault is
//! logged with its causes and told as a fault, without them.

use std::{fmt, time::Duration};

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::{
    identity::sign_in::{BootstrapError, FactorError, SignInError},
    lifecycle::LifecycleError,
    model::refusal::Refusal,
    store::StoreError,
};

/// An answer that says no, and what to do about it.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    hint: Option<String>,
    fields: Vec<FieldProblem>,
    retry_after: Option<Duration>,
    audited: bool,
}

/// One field of what was sent, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// `terms.approvals[0].votes`, or a query parameter's name.
    pub field: String,
    /// What is wrong, and what is expected instead.
    pub detail: String,
}

/// The body of every answer that is not a success.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `about:blank`: the status says what kind of problem it is, `code` which one.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// One sentence for people.
    detail: String,
    /// A stable name for programs: `ticket-format`.
    code: &'static str,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldProblem>,
}

/// Left on a response for the guard, which writes down what nobody wrote down yet.
#[derive(Debug, Clone)]
pub struct Refused {
    pub code: &'static str,
    pub detail: String,
    pub audited: bool,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            hint: None,
            fields: Vec::new(),
            retry_after: None,
            audited: false,
        }
    }

    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "you are not signed in, or your token is unknown, expired or taken back",
        )
        .hint("sign in: POST /api/v1/sign-in, or doorward login")
    }

    /// One answer for a wrong password, an unknown and a disabled user.
    pub fn sign_in_failed() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "sign-in-failed",
            "this user name and password do not open anything",
        )
    }

    /// Whoever changes how they sign in shows first who they are, even while they are signed in.
    pub fn not_fresh() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "prove-again",
            "show again who you are: this needs a proof that is not older than ten minutes",
        )
        .hint("POST /api/v1/me/prove, and ask again")
    }

    /// A browser's cookie came along with what a page of another origin asks for.
    pub fn foreign() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "cross-origin",
            "another page has sent this, and nothing was done",
        )
        .hint("open the console by its own address; programs show a token instead of a cookie")
    }

    /// Also said of what exists and is not the caller's to see.
    pub fn not_found(noun: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("there is no such {noun} that you may see"),
        )
    }

    pub fn no_such_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there is nothing at this address",
        )
        .hint("GET /api/v1/openapi.json lists every address")
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "this address does not take this method",
        )
        .hint("GET /api/v1/openapi.json lists every method")
    }

    pub fn invalid(field: impl Into<String>, detail: impl fmt::Display) -> Self {
        let field = field.into();
        let mut invalid = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            format!("{field}: {detail}"),
        );
        invalid.fields.push(FieldProblem {
            field,
            detail: detail.to_string(),
        });
        invalid
    }

    pub fn not_json(problem: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "not-json",
            format!("the body is not JSON: {problem}"),
        )
    }

    pub fn wants_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "wants-json",
            "send JSON, with content-type: application/json",
        )
    }

    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the body is larger than {limit} bytes, which is the most"),
        )
    }

    pub fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            "the request took too long to arrive",
        )
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", detail)
    }

    pub fn rate_limited(wait: Duration) -> Self {
        // Rounded up, so that who waits as told is not refused again.
        let wait = Duration::from_secs(wait.as_secs() + 1);
        let mut limited = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate-limited",
            format!("too many requests: try again in {} s", wait.as_secs()),
        );
        limited.retry_after = Some(wait);
        limited
    }

    /// Something inside failed. The caller learns that much; the log learns the rest.
    pub fn fault(doing: &'static str, cause: &dyn std::error::Error) -> Self {
        let mut causes = cause.to_string();
        let mut source = cause.source();
        while let Some(cause) = source {
            causes = format!("{causes}: {cause}");
            source = cause.source();
        }
        error!(doing, error = %causes, "Request failed inside the gateway");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "fault",
            format!("the gateway failed while {doing}; its log says why"),
        )
    }

    pub fn unavailable() -> Self {
        let mut lost = Self::from(Refusal::StoreLost);
        lost.retry_after = Some(Duration::from_secs(2));
        lost
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The refusal's audit event exists already; the guard writes no second one.
    pub fn already_audited(mut self) -> Self {
        self.audited = true;
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let refused = Refused {
            code: self.code,
            detail: self.detail.clone(),
            audited: self.audited,
        };
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Problem"),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            hint: self.hint,
            fields: self.fields,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"doorward\""),
            );
        }
        if let Some(wait) = self.retry_after {
            let name: HeaderName = header::RETRY_AFTER;
            headers.insert(name, HeaderValue::from(wait.as_secs()));
        }
        response.extensions_mut().insert(refused);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(status(&refusal), refusal.code(), refusal.to_string());
        match hint(&refusal) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            error if error.is_unavailable() => {
                error!(%error, "Database out of reach");
                Self::unavailable()
            }
            StoreError::NotFound(noun) => Self::not_found(noun),
            StoreError::Duplicate(_) => Self::conflict("already-there", error.to_string()),
            StoreError::Conflict | StoreError::Exclusive => {
                Self::conflict("conflict", error.to_string()).hint("look again, then try again")
            }
            StoreError::LastAdmin => Self::conflict("last-admin", error.to_string())
                .hint("make somebody else an admin first"),
            StoreError::InUse { .. } => Self::conflict("in-use", error.to_string()),
            StoreError::NotACursor(_) => Self::invalid("cursor", error),
            error => Self::fault("using the database", &error),
        }
    }
}

impl From<LifecycleError> for Problem {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::Refused(refusal) => Self::from(refusal).already_audited(),
            LifecycleError::NotFound => Self::not_found("check-out"),
            LifecycleError::Store(error) => error.into(),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::sign_in_failed().already_audited(),
            SignInError::Throttled(wait) => Self::rate_limited(wait),
            error @ SignInError::Factor(FactorError::Wrong) => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong-code", error.to_string())
                    .hint("wait for the next code of your app, or use a recovery code")
                    .already_audited()
            }
            error @ SignInError::Factor(FactorError::StepOver) => {
                Self::new(StatusCode::UNAUTHORIZED, "sign-in-over", error.to_string())
                    .already_audited()
            }
            error @ SignInError::Factor(FactorError::Program) => {
                Self::new(StatusCode::FORBIDDEN, "program", error.to_string())
            }
            error @ SignInError::Factor(FactorError::AppThere) => {
                Self::conflict("already-there", error.to_string())
            }
            error @ SignInError::Factor(
                FactorError::NoApp
                | FactorError::None
                | FactorError::Last
                | FactorError::Unfit
                | FactorError::TooMany,
            ) => Self::conflict("second-factor", error.to_string()),
            SignInError::Vault(error) => Self::fault("opening a seed", &error),
            SignInError::Store(error) => error.into(),
        }
    }
}

impl From<BootstrapError> for Problem {
    fn from(error: BootstrapError) -> Self {
        match error {
            BootstrapError::SignIn(error) => error.into(),
            BootstrapError::Password(why) => Self::invalid("password", why),
        }
    }
}

/// Every refusal has its status by name, so that a new one is placed by whoever adds it.
fn status(refusal: &Refusal) -> StatusCode {
    use Refusal as R;
    match refusal {
        R::NoSuchTarget(_)
        | R::NoSuchAccount { .. }
        | R::NoCheckout { .. }
        | R::NotYourName { .. } => StatusCode::NOT_FOUND,

        R::WhichAccount { .. }
        | R::ReasonMissing
        | R::ReasonNotTaken(_)
        | R::TicketMissing
        | R::TicketNotTaken(_)
        | R::TicketFormat { .. }
        | R::TooLong { .. }
        | R::TooShort { .. }
        | R::WindowNotTaken(_)
        | R::WindowBackwards
        | R::WindowTooFar(_)
        | R::ApproverNotTaken(_)
        | R::NoSuchUser(_)
        | R::ApproverUnfit(_)
        | R::NoSuchPermissionSet { .. }
        | R::RevealNotAllowed(_)
        | R::GrantNotAllowed(_)
        | R::NoExtension(_)
        | R::ExtensionTooLong { .. }
        | R::Unsupported(_) => StatusCode::UNPROCESSABLE_ENTITY,

        R::MayNotAsk(_)
        | R::CheckoutOff(_)
        | R::SelfApproval
        | R::VouchedByRequester(_)
        | R::NotAnApprover
        | R::AskedOfAnother(_)
        | R::StepUp { .. }
        | R::NotYours
        | R::OutsideHours { .. }
        | R::AskedForOther { .. }
        | R::OtherProtocol { .. }
        | R::NotCapable { .. }
        | R::TooMuch { .. }
        | R::SignInFailed { .. }
        | R::UserDisabled
        | R::NotAllowed(_) => StatusCode::FORBIDDEN,

        R::NoAccount(_)
        | R::NoSecret(_)
        | R::TargetDisabled(_)
        | R::AccountDisabled(_)
        | R::AlreadyVoted
        | R::AccountTaken { .. }
        | R::NothingPending
        | R::AlreadyEnded(_)
        | R::Lapsed
        | R::NotActive
        | R::CheckInInstead
        | R::SessionsLive(_)
        | R::ExtensionPending
        | R::NothingDue
        | R::SessionClosed
        | R::SessionElsewhere
        | R::StillWaiting { .. }
        | R::NotYetOpen { .. }
        | R::TooManySessions { .. } => StatusCode::CONFLICT,

        R::NoRecording | R::StoreLost | R::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The next step, where the sentence itself does not name it.
fn hint(refusal: &Refusal) -> Option<String> {
    use Refusal as R;
    let hint = match refusal {
        R::NoSuchTarget(_) => "GET /api/v1/targets lists what you may ask for".to_owned(),
        R::NoSuchAccount { target, .. } => {
            format!("GET /api/v1/targets/{target} lists its accounts")
        }
        R::MayNotAsk(_) | R::CheckoutOff(_) => "ask an admin".to_owned(),
        R::ReasonMissing => "say in reason what you need the access for".to_owned(),
        R::TicketMissing => "name in ticket the ticket that justifies the access".to_owned(),
        R::AlreadyEnded(_) | R::Lapsed => "ask again: POST /api/v1/checkouts".to_owned(),
        R::ExtensionTooLong { .. } => "check in and ask again for more".to_owned(),
        R::StepUp { .. } => "POST /api/v1/me/prove with a code, and ask again".to_owned(),
        R::NotAllowed(_) => "an admin can give you the role, or make a wider token".to_owned(),
        _ => return None,
    };
    Some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(problem: Problem) -> (StatusCode, serde_json::Value) {
        let response = problem.into_response();
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 65_536)
            .await
            .unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_its_own_words_with_a_next_step() {
        let (status, body) = read(Refusal::TicketMissing.into()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["status"], 422);
        assert_eq!(body["code"], "ticket-missing");
        assert_eq!(body["detail"], "a ticket number is required");
        assert!(body["hint"].as_str().unwrap().contains("ticket"));
    }

    #[tokio::test]
    async fn a_fault_keeps_its_causes_to_itself() {
        let cause = std::io::Error::other("password=hunter2 at 10.0.0.7");
        let (status, body) = read(Problem::fault("reading users", &cause)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body.to_string().contains("hunter2"));
        assert!(!body.to_string().contains("10.0.0.7"));
    }

    #[tokio::test]
    async fn an_invalid_field_is_named() {
        let (_, body) = read(Problem::invalid("duration", "write 30m")).await;
        assert_eq!(body["fields"][0]["field"], "duration");
        assert_eq!(body["fields"][0]["detail"], "write 30m");
    }
}
