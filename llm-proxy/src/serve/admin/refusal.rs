//! Why a call was not done, in OpenAI's shape: `{error: {message, type, param, code}}`.

use http::{Response, StatusCode};
use llm_core::error::{Error, Kind};
use llm_core::store::StoreError;
use llm_store::{directory, wallets};
use serde::Serialize;

use super::{Body, told};

/// What every call here answers with.
pub(crate) type Answered = Result<Response<Body>, Refusal>;

/// Why not.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    param: Option<String>,
    kind: Option<Kind>,
}

#[derive(Serialize)]
struct Refused<'a> {
    error: Why<'a>,
}

#[derive(Serialize)]
struct Why<'a> {
    message: &'a str,
    /// The word by which clients of OpenAI tell errors apart.
    r#type: &'static str,
    param: Option<&'a str>,
    code: &'a str,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None, kind: None }
    }

    /// The call itself is wrong, in that field or parameter.
    pub(crate) fn wrong(param: &str, message: impl Into<String>) -> Self {
        let wrong = Self::new(StatusCode::BAD_REQUEST, "invalid_request", message);
        Self { param: Some(param.to_owned()), ..wrong }
    }

    /// Nothing outlasts this process.
    pub(crate) fn no_store() -> Self {
        let text = "this proxy keeps nothing (store.url is memory:)";
        Self::new(StatusCode::NOT_IMPLEMENTED, "no_store", text)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What the gateway calls it, where it was the gateway who refused.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// The field or parameter that is wrong.
    pub(crate) fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// The word for why.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let Self { status, code, message, param, kind: _ } = self;
        let r#type = r#type(*status);
        let error = Why { message, r#type, param: param.as_deref(), code };
        told(*status, &Refused { error })
    }
}

/// The type of error that a status stands for.
fn r#type(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
        status if status.is_client_error() => "invalid_request_error",
        StatusCode::NOT_IMPLEMENTED => "invalid_request_error",
        _ => "api_error",
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
            NotDone::Refused(_)
            | NotDone::NotRedeemed(_)
            | NotDone::NoCode
            | NotDone::Name
            | NotDone::NotSet(_) => Self::new(StatusCode::BAD_REQUEST, "invalid_request", text),
        }
    }
}

/// What the gateway says: of a body that is read, of a key that is shown, of a call.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        let status = StatusCode::from_u16(kind.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = match kind {
            Kind::Unauthenticated => "invalid_api_key",
            other => other.name(),
        };
        let refusal = Self::new(status, code, error.message());
        Self { param: error.param().map(str::to_owned), kind: Some(kind), ..refusal }
    }
}
