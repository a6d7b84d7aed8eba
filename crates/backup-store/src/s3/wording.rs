//! Answers about locks in other words than S3's: versitygw 1.8 gives them another root element, which the SDK does not take.
//! Its HEAD is no way out: that knows the lock of the current version only.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::{
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// An answer as the SDK understands it, else what `read` finds in it.
#[expect(clippy::result_large_err, reason = "the SDK's own error, handed on")]
pub(super) fn understood<T, E>(
    answer: Result<Option<T>, SdkError<E, HttpResponse>>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, SdkError<E, HttpResponse>> {
    let raw = match &answer {
        Err(SdkError::ResponseError(response)) => response.raw(),
        Err(SdkError::ServiceError(service)) => service.raw(),
        _ => return answer,
    };
    let body = raw.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
    match body.filter(|_| raw.status().is_success()).and_then(read) {
        Some(found) => Ok(Some(found)),
        None => answer,
    }
}

pub(super) fn retention(xml: &str) -> Option<ObjectLockRetention> {
    let mode = ObjectLockRetentionMode::from(element(xml, "Mode")?);
    let until = DateTime::from_str(element(xml, "RetainUntilDate")?, Format::DateTimeWithOffset).ok()?;
    Some(ObjectLockRetention::builder().mode(mode).retain_until_date(until).build())
}

pub(super) fn hold(xml: &str) -> Option<ObjectLockLegalHold> {
    let status = ObjectLockLegalHoldStatus::from(element(xml, "Status")?);
    Some(ObjectLockLegalHold::builder().status(status).build())
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_roots_are_understood_and_halves_are_not() {
        let xml = "<X><Mode>COMPLIANCE</Mode><RetainUntilDate>2100-01-01T00:00:00Z</RetainUntilDate></X>";
        let found = retention(xml).unwrap();
        assert_eq!(found.mode(), Some(&ObjectLockRetentionMode::Compliance));
        assert_eq!(found.retain_until_date().unwrap().secs(), 4_102_444_800);
        assert_eq!(
            hold("<Y><Status>ON</Status></Y>").unwrap().status(),
            Some(&ObjectLockLegalHoldStatus::On)
        );
        for half in ["", "<X/>", &xml[..20], &xml[..60], "<X><Mode>COMPLIANCE</Mode></X>"] {
            assert_eq!(retention(half), None, "{half}");
        }
        assert_eq!(hold("<Y><Status>ON</Y>"), None);
    }
}
