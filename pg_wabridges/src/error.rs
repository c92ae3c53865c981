//! Defines every error that the compiled code raises: a stable SQLSTATE, a constant MESSAGE, a variable DETAIL and a HINT with
//! the next step.

use std::error::Error as _;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, check_for_interrupts, pg_sys};
use wabridges::Error;

/// An error or warning before it is raised.
pub struct Raise {
    code: PgSqlErrorCode,
    message: &'static str,
    detail: Option<String>,
    hint: Option<String>,
}

impl Raise {
    /// An error with a SQLSTATE and a message.
    pub fn new(code: PgSqlErrorCode, message: &'static str) -> Self {
        Self { code, message, detail: None, hint: None }
    }

    /// 55000: the settings or the state of the bridge do not allow the call.
    pub fn not_configured(message: &'static str, detail: String) -> Self {
        Self::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message).with_detail(detail)
    }

    /// 22023: an argument has an invalid value.
    pub fn bad_argument(message: &'static str, detail: String) -> Self {
        Self::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message).with_detail(detail)
    }

    /// 22004: an argument is null that may not be null.
    pub fn null_argument(message: &'static str) -> Self {
        Self::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, message)
    }

    /// 58000: an internal error of the extension. XX000 is left to PostgreSQL's own internal errors and to panics.
    pub fn unexpected(message: &'static str, detail: impl ToString) -> Self {
        Self::new(PgSqlErrorCode::ERRCODE_SYSTEM_ERROR, message).with_detail(detail.to_string())
    }

    /// Sets the DETAIL.
    pub fn with_detail(self, detail: String) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// Names what the call was about in the DETAIL, unless it names it.
    pub fn about(self, subject: &str) -> Self {
        let detail = match self.detail {
            Some(detail) if detail.contains(subject) => detail,
            Some(detail) => format!("{subject}: {detail}"),
            None => subject.to_owned(),
        };
        Self { detail: Some(detail), ..self }
    }

    /// Sets the HINT.
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The message and the detail as one text.
    pub fn told(&self) -> String {
        let detail = self.detail.iter().map(String::as_str);
        std::iter::once(self.message).chain(detail).collect::<Vec<_>>().join(": ")
    }

    /// The HINT.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Raises it at this level. With ERROR the function does not return.
    pub fn report(self, level: PgLogLevel) {
        let mut report = ErrorReport::new(self.code, self.message, "pg_wabridges");
        if let Some(detail) = self.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = self.hint {
            report = report.set_hint(hint);
        }
        match level {
            PgLogLevel::ERROR | PgLogLevel::FATAL | PgLogLevel::PANIC => report.report(level),
            _ => without_interrupts(|| report.report(level)),
        }
        check_for_interrupts!();
    }
}

/// Runs `report` before a pending cancel takes effect. PostgreSQL processes interrupts at the end of a warning, in a call that
/// pgrx does not guard: a cancel would jump over the callers' values, which would never be dropped.
fn without_interrupts(report: impl FnOnce()) {
    // SAFETY: counts in a variable of this process. If `report` raises, PostgreSQL sets the counter to 0.
    unsafe { pg_sys::InterruptHoldoffCount += 1 };
    report();
    // SAFETY: as above.
    unsafe { pg_sys::InterruptHoldoffCount -= 1 };
}

/// Unwraps a result, or raises its error in PostgreSQL.
pub trait OrRaise<T> {
    /// The value, or an ERROR that ends the statement.
    fn or_raise(self) -> T;
}

impl<T> OrRaise<T> for Result<T, Raise> {
    fn or_raise(self) -> T {
        match self {
            Ok(value) => value,
            Err(raise) => {
                raise.report(PgLogLevel::ERROR);
                unreachable!("an ERROR does not return")
            }
        }
    }
}

impl From<pgrx::spi::Error> for Raise {
    fn from(error: pgrx::spi::Error) -> Self {
        Self::unexpected("a statement of pg_wabridges gave an unexpected result", error)
            .with_hint("If the SQL objects are older than the library: ALTER EXTENSION pg_wabridges UPDATE;")
    }
}

impl From<Error> for Raise {
    fn from(error: Error) -> Self {
        let raise = Self::new(code(&error), message(&error)).with_detail(chain(&error));
        match hint(&error) {
            Some(hint) => raise.with_hint(hint),
            None => raise,
        }
    }
}

fn code(error: &Error) -> PgSqlErrorCode {
    match error {
        Error::Connect { .. } => PgSqlErrorCode::ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
        Error::Timeout { .. } | Error::Broken { .. } | Error::Ambiguous { .. } => {
            PgSqlErrorCode::ERRCODE_CONNECTION_FAILURE
        }
        Error::Auth { .. } => PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
        Error::RateLimited { .. } => PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        Error::TooLarge { .. } => PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        Error::BadAnswer { .. } | Error::Server { .. } | Error::Refused { .. } => {
            PgSqlErrorCode::ERRCODE_SYSTEM_ERROR
        }
        Error::NotFound { .. } => PgSqlErrorCode::ERRCODE_NO_DATA_FOUND,
        Error::Config { .. } => PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
    }
}

fn message(error: &Error) -> &'static str {
    match error {
        Error::Connect { .. } => "cannot connect to the provider",
        Error::Timeout { .. } => "the provider did not answer in time",
        Error::Broken { .. } => "the connection to the provider broke",
        Error::Ambiguous { .. } => "it is not known whether the provider carried out the call",
        Error::Auth { .. } => "the provider refused the API key",
        Error::RateLimited { .. } => "the provider's rate limit is used up",
        Error::TooLarge { .. } => "the provider's answer is too large",
        Error::BadAnswer { .. } => "the provider's answer cannot be read",
        Error::Refused { .. } => "the provider refused the request",
        Error::Server { .. } => "the provider failed",
        Error::NotFound { .. } => "the provider does not know this bridge",
        Error::Config { .. } => "the call cannot be made with these values",
    }
}

fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::Connect { .. } => {
            "Check wab.api_url, the network and wab.ca_file. Nothing was sent.".to_owned()
        }
        Error::Timeout { .. } | Error::Broken { .. } | Error::Server { .. } => {
            "Nothing was changed; try again. wab.request_timeout sets how long to wait.".to_owned()
        }
        Error::Ambiguous { .. } => {
            "Before you repeat the call: SELECT * FROM wab_refresh(); then query wab_fleet.".to_owned()
        }
        Error::Auth { .. } => "Check the key in the file that wab.api_key_file names.".to_owned(),
        Error::RateLimited { retry_after } => format!("Try again in {} s.", retry_after.as_secs_f64().ceil()),
        Error::TooLarge { .. } => {
            "If the fleet really is that large, raise wab.max_response_size.".to_owned()
        }
        Error::BadAnswer { .. } => {
            "Nothing was stored. Check that wab.api_url is the provider's address.".to_owned()
        }
        Error::NotFound { .. } => {
            "Check whether it is still listed: SELECT * FROM wab_refresh(); then query wab_fleet.".to_owned()
        }
        Error::Refused { .. } => {
            "The provider did nothing; its message is in DETAIL. Repeat the call once the reason is gone."
                .to_owned()
        }
        Error::Config { .. } => return None,
    })
}

/// The texts of the error and its sources, separated by colons, without repetition.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
