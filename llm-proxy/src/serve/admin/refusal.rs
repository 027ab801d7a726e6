//! Why a call was not done, in OpenAI's shape: `{error: {message, type, param, code}}`.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use llm_core::dialect::{BadRequest, DialectId};
use llm_core::error::{Error, Kind, Refusal as Limit};
use llm_core::store::StoreError;
use llm_store::{directory, wallets};
use serde::Serialize;

use super::super::app;
use super::super::call::refused;
use super::{Body, told};

/// Characters that are repeated of a name which nobody has here.
const NAME_CHARS_MAX: usize = 128;

/// What every call here answers with.
pub(crate) type Answered = Result<Response<Body>, Refusal>;

/// Why not.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    param: Option<String>,
    /// Whether it is worth asking again, and when: what official clients read.
    hints: Option<Box<HeaderMap>>,
    /// The limit that said no.
    limit: Option<Box<Limit>>,
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
        Self { status, code, message: message.into(), param: None, hints: None, limit: None }
    }

    /// The call itself is wrong, in that field or parameter.
    pub(crate) fn wrong(param: &str, message: impl Into<String>) -> Self {
        let wrong = Self::new(StatusCode::BAD_REQUEST, "invalid_request", message);
        Self { param: Some(param.to_owned()), ..wrong }
    }

    /// There is no such thing, or it is somebody else's.
    pub(crate) fn absent(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(NAME_CHARS_MAX).collect();
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} {id:?}"))
    }

    /// Nothing outlasts this process.
    pub(crate) fn no_store() -> Self {
        let text = "this proxy keeps nothing (store.url is memory:)";
        Self::new(StatusCode::NOT_IMPLEMENTED, "no_store", text)
    }

    /// The word for why.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// What it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What people read.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The field or parameter that is wrong.
    pub(crate) fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// The limit that said no.
    pub(crate) fn limit(&self) -> Option<&Limit> {
        self.limit.as_deref()
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let Self { status, code, message, param, hints: _, limit: _ } = self;
        let r#type = kind(*status);
        let error = Why { message, r#type, param: param.as_deref(), code };
        self.hinted(told(*status, &Refused { error }))
    }

    /// An answer that says it, with what clients are told besides.
    pub(crate) fn hinted(&self, mut response: Response<Body>) -> Response<Body> {
        if let Some(hints) = &self.hints {
            response.headers_mut().extend((**hints).clone());
        }
        response
    }
}

/// The type of error that a status stands for.
fn kind(status: StatusCode) -> &'static str {
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
            NotDone::Refused(Refused::Short { .. }) => {
                Self::new(StatusCode::PAYMENT_REQUIRED, "insufficient_credits", text)
            }
            NotDone::NotRedeemed(_) => app::Refused::NotRedeemed.because(text),
            NotDone::NoCode => app::Refused::NoSuchCode.because(text),
            NotDone::Refused(_) | NotDone::Name | NotDone::NotSet(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_request", text)
            }
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
        let hints = llm_dialects::caller(DialectId::OpenaiChat).map(|dialect| {
            let mut said = refused(dialect, &error).into_parts().0.headers;
            said.remove(CONTENT_TYPE);
            Box::new(said)
        });
        let refusal = Self::new(status, code, error.message());
        let limit = error.refusal().cloned().map(Box::new);
        Self { param: error.param().map(str::to_owned), hints, limit, ..refusal }
    }
}

/// What a dialect says of a body that is read.
impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        Error::from(bad).into()
    }
}
