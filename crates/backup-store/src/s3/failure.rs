//! What became of one request, and whether it makes sense to make it again.

use crate::{Error, Key, RemoteProblem};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::error::Error as StdError;
use std::time::Duration;

/// How long a text of the other side's may be when it is told on, in characters.
const MAX_DETAIL: usize = 300;

/// Why one request failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) problem: RemoteProblem,
    /// What the other side said; no secret is ever in it.
    pub(super) detail: String,
    /// The status of the answer, where there was one.
    pub(super) status: Option<u16>,
    /// The store's own code, where it told one.
    pub(super) code: Option<String>,
    /// Whether the same request may succeed later.
    pub(super) again: Again,
    /// Whether it may have been done all the same.
    pub(super) maybe_done: bool,
}

/// Whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    Yes,
    /// The store has too much to do; it may have said for how long.
    Slower(Option<Duration>),
}

impl Failure {
    pub(super) fn new(problem: RemoteProblem, detail: impl Into<String>, again: Again) -> Self {
        Self { problem, detail: detail.into(), status: None, code: None, again, maybe_done: false }
    }

    /// An answer that ended early, or stalled.
    pub(super) fn broken(problem: RemoteProblem, detail: impl Into<String>) -> Self {
        Self { maybe_done: true, ..Self::new(problem, detail, Again::Yes) }
    }

    /// No answer within the limit.
    pub(super) fn no_answer(limit: Duration) -> Self {
        Self::broken(RemoteProblem::TimedOut, format!("waited {} s for the answer", limit.as_secs()))
    }

    /// One object's error in the answer to a request for many.
    pub(super) fn of_code(code: &str, message: &str) -> Self {
        let again = match code {
            "SlowDown" => Again::Slower(None),
            "InternalError" | "ServiceUnavailable" | "OperationAborted" | "RequestTimeout" => Again::Yes,
            _ => Again::Never,
        };
        let problem = match (code, again) {
            ("AccessDenied", _) => RemoteProblem::Denied,
            (_, Again::Slower(_)) => RemoteProblem::Throttled,
            (_, Again::Yes) => RemoteProblem::Failed,
            _ => RemoteProblem::Refused,
        };
        Self {
            code: Some(code.to_owned()),
            ..Self::new(problem, shortened(&format!("{code}: {message}")), again)
        }
    }

    /// An answer that no repetition makes better.
    pub(super) fn nonsense(detail: impl Into<String>) -> Self {
        Self::new(RemoteProblem::Answer, detail, Again::Never)
    }

    pub(super) fn is(&self, status: u16) -> bool {
        self.status == Some(status)
    }

    pub(super) fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// Whether the store says that there is no such object or version. A bucket that is not there is no such thing, and
    /// neither is a 404 of something in between: that has no code of S3, or the one that the SDK makes up.
    pub(super) fn is_absent(&self) -> bool {
        self.has_code(&["NoSuchKey", "NoSuchVersion"])
    }

    /// The same for what is read: a version that the store would never have made is refused in various words, and a delete
    /// marker cannot be read.
    pub(super) fn is_not_found(&self, version_named: bool) -> bool {
        self.is_absent() || (version_named && (self.is(405) || self.has_code(&["InvalidArgument"])))
    }

    /// Whether the store knows the request not at all.
    pub(super) fn is_unknown_request(&self) -> bool {
        matches!(self.status, Some(405 | 501)) || self.has_code(&["NotImplemented", "MethodNotAllowed"])
    }

    /// Whether a header of the request may be what the store does not know.
    pub(super) fn is_unknown_header(&self) -> bool {
        matches!(self.status, Some(400 | 501))
            && self.has_code(&["NotImplemented", "InvalidArgument", "InvalidRequest", "UnsupportedArgument"])
    }

    pub(super) fn into_error(self, operation: &'static str, target: impl Into<String>) -> Error {
        Error::Remote { operation, target: target.into(), problem: self.problem, detail: self.detail }
    }

    pub(super) fn unknown_outcome(self, key: &Key, store: &str) -> Error {
        Error::OutcomeUnknown {
            key: key.clone(),
            store: store.to_owned(),
            problem: self.problem,
            detail: self.detail,
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(service) => answered(service.raw(), service.err()),
            SdkError::ResponseError(response) => {
                let status = response.raw().status().as_u16();
                let mut failure = Self::broken(RemoteProblem::Answer, shortened(&told(&error)));
                failure.status = Some(status);
                failure
            }
            SdkError::TimeoutError(_) => Self::broken(RemoteProblem::TimedOut, shortened(&told(&error))),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => unsent(&error),
            _ => Self::broken(RemoteProblem::Unreachable, shortened(&told(&error))),
        }
    }
}

/// The store answered with an error.
fn answered<E: ProvideErrorMetadata>(response: &HttpResponse, error: &E) -> Failure {
    use RemoteProblem::{ClockSkew, Credentials, Denied, Failed, NoBucket, Refused, Throttled, WrongRegion};
    let status = response.status().as_u16();
    let code = error.meta().code().map(str::to_owned);
    #[expect(clippy::match_same_arms, reason = "the first that fits counts")]
    let (problem, retry) = match (code.as_deref().unwrap_or_default(), status) {
        (
            "SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests",
            _,
        )
        | (_, 429 | 503) => {
            let wait = response.headers().get("retry-after").and_then(|text| text.trim().parse().ok());
            (Throttled, Again::Slower(wait.map(Duration::from_secs)))
        }
        ("RequestTimeTooSkewed" | "RequestExpired", _) => (ClockSkew, Again::Never),
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "MissingAuthenticationToken",
            _,
        )
        | (_, 401) => (Credentials, Again::Never),
        ("NoSuchBucket", _) => (NoBucket, Again::Never),
        (
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
            _,
        )
        | (_, 301 | 307) => (WrongRegion, Again::Never),
        (
            "RequestTimeout"
            | "OperationAborted"
            | "ConditionalRequestConflict"
            | "BadDigest"
            | "XAmzContentChecksumMismatch"
            | "XAmzContentSHA256Mismatch"
            | "IncompleteBody",
            _,
        ) => (Failed, Again::Yes),
        (_, 403) => (Denied, Again::Never),
        // Also an error inside of an answer that began as a success.
        (_, 200..=299 | 500 | 502..) => (Failed, Again::Yes),
        _ => (Refused, Again::Never),
    };
    let mut detail = match (code.as_deref(), error.meta().message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => format!("status {status}"),
    };
    if let (WrongRegion, Some(region)) = (problem, response.headers().get("x-amz-bucket-region")) {
        detail = format!("it is in {region}");
    }
    // Also a 503 of something in between, but not one by which the store says that it did nothing.
    let is_refusal = status == 501 || code.as_deref() == Some("SlowDown");
    let maybe_done = matches!(status, 200..=299 | 408 | 500..) && !is_refusal;
    Failure { problem, detail: shortened(&detail), status: Some(status), code, again: retry, maybe_done }
}

/// There was no answer, or not even a request.
fn unsent<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> Failure {
    use aws_credential_types::provider::error::CredentialsError;
    let chain =
        || std::iter::successors(error.source(), |error: &&(dyn StdError + 'static)| (*error).source());
    let text = shortened(&told(error));
    if chain().any(|error| error.downcast_ref::<CredentialsError>().is_some()) {
        // What gives out credentials may be out of reach for a moment, but mostly there are none.
        return Failure::new(RemoteProblem::Credentials, text, Again::Never);
    }
    if let Some(distrust) = chain().find_map(distrust_in) {
        let failure = Failure::new(RemoteProblem::Tls, text, Again::Never);
        return Failure { maybe_done: distrust == Distrust::OnTheWay, ..failure };
    }
    match error {
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            Failure::broken(RemoteProblem::TimedOut, text)
        }
        SdkError::DispatchFailure(failure) if !failure.is_user() => {
            Failure::broken(RemoteProblem::Unreachable, text)
        }
        _ => Failure::new(RemoteProblem::Refused, text, Again::Never),
    }
}

/// When the other side of an encrypted connection lost our trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distrust {
    /// Before anything was asked of it.
    AtFirst,
    /// Perhaps when it had been asked already: what was asked may have been done.
    OnTheWay,
}

fn distrust(error: &rustls::Error) -> Option<Distrust> {
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::PeerIncompatible(_) => Some(Distrust::AtFirst),
        rustls::Error::PeerMisbehaved(_) | rustls::Error::InvalidMessage(_) => Some(Distrust::OnTheWay),
        _ => None,
    }
}

/// Whether rustls distrusts the server. Its error travels inside of one [`std::io::Error`] or several, whose `source` passes
/// over what is in them.
fn distrust_in(error: &(dyn StdError + 'static)) -> Option<Distrust> {
    let mut inner = Some(error);
    while let Some(error) = inner {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return distrust(error);
        }
        let within = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inner = within.map(|inner| -> &(dyn StdError + 'static) { inner });
    }
    None
}

/// What an error and those behind it say, each once. Never their debug print: that has whole requests in it.
fn told(error: &dyn StdError) -> String {
    let mut text = String::new();
    for error in std::iter::successors(error.source(), |error: &&(dyn StdError + 'static)| (*error).source())
    {
        let said = error.to_string();
        if !said.is_empty() && !text.contains(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
    }
    if text.is_empty() { error.to_string() } else { text }
}

/// On one line, and not too long.
fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(MAX_DETAIL) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::put_object::PutObjectError;
    use aws_sdk_s3::primitives::SdkBody;

    fn answer(status: u16, code: &str, retry_after: Option<&'static str>) -> Failure {
        let mut meta = ErrorMetadata::builder();
        if !code.is_empty() {
            meta = meta.code(code);
        }
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        if let Some(seconds) = retry_after {
            response.headers_mut().insert("retry-after", seconds);
        }
        SdkError::service_error(PutObjectError::generic(meta.build()), response).into()
    }

    #[test]
    fn what_cannot_succeed_is_never_tried_again() {
        use RemoteProblem::{ClockSkew, Credentials, Denied, NoBucket, Refused, WrongRegion};
        for (status, code, problem) in [
            (403, "AccessDenied", Denied),
            (403, "", Denied),
            (403, "RequestTimeTooSkewed", ClockSkew),
            (403, "SignatureDoesNotMatch", Credentials),
            (403, "InvalidAccessKeyId", Credentials),
            (400, "ExpiredToken", Credentials),
            (404, "NoSuchBucket", NoBucket),
            (404, "NoSuchKey", Refused),
            (301, "PermanentRedirect", WrongRegion),
            (400, "InvalidArgument", Refused),
            (501, "NotImplemented", Refused),
        ] {
            let failure = answer(status, code, None);
            assert_eq!((failure.problem, failure.again), (problem, Again::Never), "{status} {code}");
            assert!(!failure.maybe_done, "{status} {code}");
        }
    }

    #[test]
    fn what_may_have_been_done_is_looked_at() {
        for (status, code, maybe_done) in [
            (500, "InternalError", true),
            (500, "", true),
            (502, "", true),
            (503, "", true),
            (503, "SlowDown", false),
            (200, "InternalError", true),
            (400, "RequestTimeout", false),
            (409, "ConditionalRequestConflict", false),
            (400, "BadDigest", false),
        ] {
            let failure = answer(status, code, None);
            assert_ne!(failure.again, Again::Never, "{status} {code}");
            assert_eq!(failure.maybe_done, maybe_done, "{status} {code}");
        }
        assert_eq!(answer(503, "SlowDown", Some("7")).again, Again::Slower(Some(Duration::from_secs(7))));
        assert_eq!(answer(503, "SlowDown", Some("soon")).again, Again::Slower(None));
    }

    #[test]
    fn no_bucket_is_not_no_object() {
        assert!(answer(404, "NoSuchKey", None).is_not_found(false));
        assert!(!answer(404, "NoSuchBucket", None).is_not_found(true));
        assert!(answer(404, "NoSuchVersion", None).is_absent());
        for foreign in ["", "NotFound", "NoSuchUpload"] {
            assert!(!answer(404, foreign, None).is_not_found(true), "'{foreign}' says nothing of an object");
        }
        assert!(answer(400, "InvalidArgument", None).is_not_found(true));
        assert!(!answer(400, "InvalidArgument", None).is_not_found(false));
        assert!(!answer(400, "ExpiredToken", None).is_not_found(true));
    }

    #[test]
    fn what_the_other_side_says_is_one_short_line() {
        let said = shortened(&format!("a\nb\u{1b}{}", "x".repeat(1000)));
        assert!(said.starts_with("a b x") && said.chars().count() == MAX_DETAIL + 1, "{said}");
    }
}
