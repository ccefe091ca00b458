//! Who are you, and may you: authentication faults and denials. All of them the client's, but for the look-up of a key.

use super::{Code, Failure, Side};
use crate::authn::AuthnFault;
use crate::authz::Denied;
use crate::s3::answer::BUCKET_REGION;
use crate::s3::date::iso8601;
use crate::sigv4::{CredentialFault, CredentialLocation, SigV4Fault, SignatureMismatch};

impl From<AuthnFault> for Failure {
    fn from(fault: AuthnFault) -> Self {
        match fault {
            AuthnFault::Claim(fault) => fault.into(),
            AuthnFault::InvalidAccessKeyId { access_key_id } => {
                Self::client(Code::InvalidAccessKeyId).and("AWSAccessKeyId", access_key_id)
            }
            AuthnFault::Anonymous => Self::client(Code::AccessDenied),
            AuthnFault::Unavailable(error) => Self::new(Code::ServiceUnavailable, Side::Store).because(&error),
        }
    }
}

impl From<Denied> for Failure {
    /// The client learns no more than that.
    fn from(denied: Denied) -> Self {
        Self::client(Code::AccessDenied).because(&denied)
    }
}

impl From<SigV4Fault> for Failure {
    fn from(fault: SigV4Fault) -> Self {
        let message = fault.to_string();
        let failure = place(&fault).because(&fault);
        failure.saying(message)
    }
}

fn place(fault: &SigV4Fault) -> Failure {
    match fault {
        SigV4Fault::UnparsableAuthorization | SigV4Fault::MultipleMechanisms => {
            Failure::client(Code::InvalidArgument).and("ArgumentName", "Authorization")
        }
        SigV4Fault::UnsupportedMechanism | SigV4Fault::ContentSha256Missing | SigV4Fault::TrailerUnsupported => {
            Failure::client(Code::InvalidRequest)
        }
        SigV4Fault::AsymmetricSignature => Failure::client(Code::NotImplemented),
        SigV4Fault::SessionToken => Failure::client(Code::InvalidToken),
        SigV4Fault::MissingComponent(_) | SigV4Fault::MalformedComponent(_) => {
            Failure::client(Code::AuthorizationHeaderMalformed)
        }
        SigV4Fault::Credential { location, fault } => credential(*location, fault),
        SigV4Fault::MissingQueryParameters
        | SigV4Fault::MalformedQueryParameter(_)
        | SigV4Fault::UnsupportedQueryAlgorithm
        | SigV4Fault::Expires(_) => Failure::client(Code::AuthorizationQueryParametersError),
        SigV4Fault::MissingDate | SigV4Fault::NotYetValid => Failure::client(Code::AccessDenied),
        SigV4Fault::RequestTimeTooSkewed { request_time, server_time } => Failure::client(Code::RequestTimeTooSkewed)
            .and("RequestTime", request_time.as_str())
            .and("ServerTime", iso8601(*server_time))
            .and("MaxAllowedSkewMilliseconds", "900000"),
        SigV4Fault::Expired { expires_seconds, expired_at, server_time } => Failure::client(Code::AccessDenied)
            .and("X-Amz-Expires", expires_seconds.to_string())
            .and("Expires", iso8601(*expired_at))
            .and("ServerTime", iso8601(*server_time)),
        SigV4Fault::HeadersNotSigned(names) => {
            Failure::client(Code::AccessDenied).and("HeadersNotSigned", names.join(", "))
        }
        SigV4Fault::SignedHeaderAbsent(_) => Failure::client(Code::SignatureDoesNotMatch),
        SigV4Fault::SignatureMismatch(mismatch) => signature_mismatch(mismatch),
        SigV4Fault::ContentSha256Invalid | SigV4Fault::FramingWithoutStreamingToken => {
            Failure::client(Code::InvalidArgument).and("ArgumentName", "x-amz-content-sha256")
        }
        SigV4Fault::DecodedLengthMissing => Failure::client(Code::MissingContentLength),
        SigV4Fault::DecodedLengthInvalid => {
            Failure::client(Code::InvalidArgument).and("ArgumentName", "x-amz-decoded-content-length")
        }
    }
}

fn credential(location: CredentialLocation, fault: &CredentialFault) -> Failure {
    let failure = Failure::client(match location {
        CredentialLocation::Header => Code::AuthorizationHeaderMalformed,
        CredentialLocation::Query => Code::AuthorizationQueryParametersError,
    });
    match fault {
        // SDKs read the region from here and sign again; without it region discovery breaks.
        CredentialFault::Region { expected, given: _ } => {
            failure.and("Region", expected).header(BUCKET_REGION, expected)
        }
        CredentialFault::Shape
        | CredentialFault::Date(_)
        | CredentialFault::Service(_)
        | CredentialFault::Terminal(_)
        | CredentialFault::DateMismatch { .. } => failure,
    }
}

/// What the client signed and what we signed. It is only made for an access key that exists, so nobody anonymous gets
/// its headers echoed.
fn signature_mismatch(mismatch: &SignatureMismatch) -> Failure {
    Failure::client(Code::SignatureDoesNotMatch)
        .and("AWSAccessKeyId", &mismatch.access_key_id)
        .and("StringToSign", &mismatch.string_to_sign)
        .and("SignatureProvided", &mismatch.signature_provided)
        .and("StringToSignBytes", spaced_hex(&mismatch.string_to_sign))
        .and("CanonicalRequest", &mismatch.canonical_request)
        .and("CanonicalRequestBytes", spaced_hex(&mismatch.canonical_request))
}

/// `41 57 53`, as S3 shows bytes.
fn spaced_hex(text: &str) -> String {
    let hex: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    hex.join(" ")
}
