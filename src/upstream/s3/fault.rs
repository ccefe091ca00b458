//! What the service refuses, told as whose fault it is. Its own texts go nowhere: they name its keys and its hosts,
//! and with a wrong signature the whole of what we signed. Of an error only its code is kept.

use std::time::Duration;

use crate::upstream::UpstreamError;

use super::http::WireFault;
use super::xml::{XmlFault, walk};

/// The longest code that is logged: S3's longest has 41 letters.
const MAX_CODE_CHARS: usize = 64;

/// What a request was about: an answer to HEAD has a status and no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Bucket,
    Object,
    /// The end of an object: that it is gone already must be said by the service, in its code.
    Removal,
    Upload,
}

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status; 200 where the error came after it.
    pub(super) status: u16,
    /// The code, letters and digits only; empty where there was none.
    pub(super) code: String,
    /// The part that is meant, where the service says it.
    pub(super) part: Option<u16>,
    /// Where the bucket is, when it is elsewhere.
    pub(super) region: Option<String>,
    /// How long the service wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    /// From the head and the body of an answer. A body that is no error document says nothing.
    pub(super) fn read(status: u16, bucket_region: Option<&str>, body: &[u8]) -> Self {
        let region = bucket_region.map(plain);
        let mut refusal = Self { status, code: String::new(), part: None, region, retry_after: None };
        let read = walk(body, |ended| match (ended.parent, ended.name) {
            ("Error", "Code") => refusal.code = plain(ended.text),
            ("Error", "PartNumber") => refusal.part = ended.text.trim().parse().ok(),
            ("Error", "Region") => refusal.region = Some(plain(ended.text)),
            _ => {}
        });
        if read.as_deref() != Ok("Error") {
            refusal.code.clear();
        }
        refusal
    }

    /// One of the errors in a DeleteResult.
    pub(super) fn of_key(code: &str) -> Self {
        Self { status: 200, code: plain(code), part: None, region: None, retry_after: None }
    }

    /// Whether the service is only busy, so that the same request may do later.
    pub(super) fn is_busy(&self) -> bool {
        self.status == 503 || self.is_declined()
    }

    /// Whether the service says that it was too busy to begin. A bare 503 may be that of a gateway in between, which lost
    /// a service that has carried the request out.
    pub(super) fn is_declined(&self) -> bool {
        self.status == 429
            || matches!(self.code.as_str(), "SlowDown" | "ServiceUnavailable" | "XMinioServerNotInitialized")
    }

    /// Whether something went wrong at the service that need not go wrong again.
    pub(super) fn is_transient(&self) -> bool {
        self.is_busy()
            || matches!(self.status, 500 | 502 | 504)
            || matches!(self.code.as_str(), "InternalError" | "RequestTimeout" | "InternalServerError")
    }

    /// The error that it is.
    pub(super) fn error(&self, about: About) -> UpstreamError {
        match self.code.as_str() {
            "NoSuchBucket" => UpstreamError::NoSuchBucket,
            "NoSuchKey" | "NoSuchVersion" | "NoSuchTagSet" => UpstreamError::NoSuchKey,
            "NoSuchUpload" => UpstreamError::NoSuchUpload,
            "BucketAlreadyOwnedByYou" | "BucketAlreadyExists" => UpstreamError::BucketExists,
            "BucketNotEmpty" => UpstreamError::BucketNotEmpty,
            "PreconditionFailed" => UpstreamError::PreconditionFailed,
            "ConditionalRequestConflict" | "OperationAborted" => UpstreamError::Conflict,
            "InvalidRange" => UpstreamError::InvalidRange,
            "InvalidPart" | "InvalidPartOrder" => UpstreamError::InvalidPart { number: self.part.unwrap_or(0) },
            "EntityTooSmall" => UpstreamError::PartTooSmall { number: self.part.unwrap_or(0) },
            "EntityTooLarge" => UpstreamError::TooLarge,
            // MinIO: no file can be called that.
            "XMinioInvalidObjectName" | "XMinioInvalidResourceName" | "KeyTooLongError" => {
                UpstreamError::Unsupported("it does not take this key")
            }
            "InvalidTag" => UpstreamError::Unsupported("it does not take these tags"),
            "NotImplemented" => UpstreamError::Unsupported("it answers NotImplemented"),
            "InsufficientStorage" | "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" => {
                UpstreamError::Full
            }
            "RequestTimeTooSkewed" => self.unavailable("its clock and ours differ too much"),
            _ => self.by_status(about),
        }
    }

    fn by_status(&self, about: About) -> UpstreamError {
        match self.status {
            300..=399 => UpstreamError::Broken(format!(
                "it redirects, which is never followed: endpoint, region or addressing are not the bucket's ({}{}{})",
                self.named(),
                if self.region.is_some() { "; the bucket's region is " } else { "" },
                self.region.as_deref().unwrap_or(""),
            )),
            401 | 403 => self.unavailable("it refuses our credentials, or what they may do"),
            404 => match about {
                About::Bucket => UpstreamError::NoSuchBucket,
                About::Object => UpstreamError::NoSuchKey,
                About::Removal => UpstreamError::Broken(format!("it answers {}", self.named())),
                About::Upload => UpstreamError::NoSuchUpload,
            },
            // S3's answer to GET and HEAD of a delete marker by its version.
            405 if about == About::Object => UpstreamError::NoSuchKey,
            409 => UpstreamError::Conflict,
            412 => UpstreamError::PreconditionFailed,
            413 => UpstreamError::TooLarge,
            416 => UpstreamError::InvalidRange,
            501 => UpstreamError::Unsupported("it answers 501"),
            507 => UpstreamError::Full,
            _ if self.is_transient() => self.unavailable("it has trouble of its own"),
            _ => UpstreamError::Broken(format!("it answers {}", self.named())),
        }
    }

    fn unavailable(&self, what: &str) -> UpstreamError {
        UpstreamError::Unavailable(format!("{what} ({})", self.named()))
    }

    fn named(&self) -> String {
        if self.code.is_empty() { self.status.to_string() } else { format!("{} {}", self.status, self.code) }
    }
}

/// What may be logged of a service's words.
fn plain(text: &str) -> String {
    text.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(MAX_CODE_CHARS).collect()
}

impl From<WireFault> for UpstreamError {
    fn from(fault: WireFault) -> Self {
        match fault {
            WireFault::Malformed(_) => Self::Broken(fault.to_string()),
            WireFault::Connect(_)
            | WireFault::ConnectTimeout(_)
            | WireFault::Io(_)
            | WireFault::Closed(_)
            | WireFault::Idle { .. } => Self::Unavailable(fault.to_string()),
        }
    }
}

impl From<XmlFault> for UpstreamError {
    fn from(fault: XmlFault) -> Self {
        Self::Broken(fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{About, Refusal};
    use crate::upstream::UpstreamError;

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal::read(status, None, body.as_bytes())
    }

    #[test]
    fn nothing_of_an_error_but_its_code_is_kept() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>secret AKIAUP</Message>\
                    <CanonicalRequest>secret</CanonicalRequest><HostId>secret</HostId></Error>";
        let error = refusal(403, body).error(About::Object);
        let UpstreamError::Unavailable(text) = error else { panic!("{error:?}") };
        assert!(text.contains("403 SignatureDoesNotMatch") && !text.contains("secret"), "{text}");
        let hostile = refusal(400, "<Error><Code>a\r\nb: \u{1b}[31mc</Code></Error>");
        assert_eq!(hostile.code, "ab31mc");
        assert_eq!(refusal(400, &format!("<Error><Code>{}</Code></Error>", "x".repeat(1000))).code.len(), 64);
    }

    #[test]
    fn a_redirect_is_broken_and_names_the_region() {
        let body = "<Error><Code>PermanentRedirect</Code><Endpoint>elsewhere.example</Endpoint><Region>eu-west-1</Region></Error>";
        for status in [301, 307] {
            let UpstreamError::Broken(text) = refusal(status, body).error(About::Bucket) else { panic!("not broken") };
            assert!(text.contains("eu-west-1") && !text.contains("elsewhere"), "{text}");
        }
    }

    #[test]
    fn a_status_without_a_code_is_told_by_what_it_was_about() {
        assert!(matches!(refusal(404, "").error(About::Bucket), UpstreamError::NoSuchBucket));
        assert!(matches!(refusal(404, "").error(About::Object), UpstreamError::NoSuchKey));
        assert!(matches!(refusal(404, "<html>").error(About::Upload), UpstreamError::NoSuchUpload));
        assert!(matches!(refusal(418, "").error(About::Object), UpstreamError::Broken(_)));
        assert!(matches!(refusal(503, "busy").error(About::Object), UpstreamError::Unavailable(_)));
        let part = "<Error><Code>InvalidPart</Code><PartNumber>7</PartNumber></Error>";
        assert!(matches!(refusal(400, part).error(About::Upload), UpstreamError::InvalidPart { number: 7 }));
    }
}
