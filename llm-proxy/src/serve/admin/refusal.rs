//! Why an operator's call was not done, in one shape: `{error: {code, message, param?}}`.

use http::{Response, StatusCode};
use llm_core::error::{Error, Kind};
use llm_core::store::StoreError;
use llm_store::{directory, wallets};
use serde::Serialize;

use super::{Body, told};

/// What every call here answers with.
pub(super) type Answered = Result<Response<Body>, Refusal>;

/// Why not.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    param: Option<String>,
}

#[derive(Serialize)]
struct Refused<'a> {
    error: Why<'a>,
}

#[derive(Serialize)]
struct Why<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None }
    }

    /// The call itself is wrong, in that field or parameter.
    pub(super) fn wrong(param: &str, message: impl Into<String>) -> Self {
        let wrong = Self::new(StatusCode::BAD_REQUEST, "invalid_request", message);
        Self { param: Some(param.to_owned()), ..wrong }
    }

    /// Nothing outlasts this process.
    pub(super) fn no_store() -> Self {
        let text = "this proxy keeps nothing (store.url is memory:)";
        Self::new(StatusCode::NOT_IMPLEMENTED, "no_store", text)
    }

    pub(super) fn response(&self) -> Response<Body> {
        let Self { status, code, message, param } = self;
        let error = Why { code, message, param: param.as_deref() };
        told(*status, &Refused { error })
    }
}

impl From<StoreError> for Refusal {
    fn from(why: StoreError) -> Self {
        let text = why.to_string();
        match why {
            StoreError::Unavailable(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", text)
            }
            StoreError::Full(_) => Self::new(StatusCode::BAD_REQUEST, "too_much", text),
            StoreError::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", text),
            StoreError::Corrupt(_) | StoreError::Violation(_) => {
                tracing::error!(error = %text, "the store is not as it should be");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store_corrupt", text)
            }
        }
    }
}

impl From<directory::NotDone> for Refusal {
    fn from(why: directory::NotDone) -> Self {
        use directory::NotDone;
        let text = why.to_string();
        match why {
            NotDone::Store(why) => why.into(),
            NotDone::Unknown { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", text),
            NotDone::Taken { .. } | NotDone::InUse(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", text)
            }
            NotDone::Denied => Self::new(StatusCode::FORBIDDEN, "forbidden", text),
            NotDone::NotRotated(_) | NotDone::NotUsable(_) => {
                Self::new(StatusCode::CONFLICT, "not_usable", text)
            }
            NotDone::Owner | NotDone::Text(_) | NotDone::NotIssued(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_request", text)
            }
            NotDone::Sealed(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "seal", text),
        }
    }
}

impl From<wallets::NotDone> for Refusal {
    fn from(why: wallets::NotDone) -> Self {
        use llm_core::wallet::Refused;
        use wallets::NotDone;
        let text = why.to_string();
        match why {
            NotDone::Store(why) => why.into(),
            NotDone::Refused(Refused::OtherTerms) => {
                Self::new(StatusCode::CONFLICT, "conflict", text)
            }
            NotDone::Refused(Refused::Short { .. }) => {
                Self::new(StatusCode::PAYMENT_REQUIRED, "insufficient_credits", text)
            }
            NotDone::Refused(_)
            | NotDone::NotRedeemed(_)
            | NotDone::NoCode
            | NotDone::Name
            | NotDone::NotSet(_) => Self::new(StatusCode::BAD_REQUEST, "invalid_request", text),
        }
    }
}

/// What reading a body says.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (status, code) = match error.kind() {
            Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Kind::DeadlinePassed => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            // Reading knows no other reason than a body that breaks off.
            _ => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        Self::new(status, code, error.to_string())
    }
}
