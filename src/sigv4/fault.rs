//! What can be wrong with a request's authentication: one variant per answer that S3 gives, with the data it shows.
//! The S3 code named at each variant is what it is meant for; only `gateway/error.rs` maps it.

use std::fmt;

use crate::base::Timestamp;

use super::claim::CredentialLocation;
use super::date::AmzDate;

/// Why a request is not accepted. `Display` is S3's message, fit for the client; `Debug` is fit for the log.
#[derive(Debug, thiserror::Error)]
pub enum SigV4Fault {
    /// `Authorization` that is no scheme and parameters, or given twice: 400 InvalidArgument (ArgumentName Authorization).
    #[error("Unsupported Authorization Type")]
    UnparsableAuthorization,
    /// Credentials in more than one place: 400 InvalidArgument.
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or \
         the Authorization header should be specified"
    )]
    MultipleMechanisms,
    /// SigV2 or a foreign scheme: 400 InvalidRequest.
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    UnsupportedMechanism,
    /// SigV4a, or a payload signed by it: 501 NotImplemented.
    #[error("A header you provided implies functionality that is not implemented")]
    AsymmetricSignature,
    /// A session token: we issue none, so it is not ours. 400 InvalidToken.
    #[error("The provided token is malformed or otherwise invalid.")]
    SessionToken,

    /// One of Credential, SignedHeaders, Signature is absent: 400 AuthorizationHeaderMalformed.
    #[error("The authorization header is malformed; missing {0}.")]
    MissingComponent(&'static str),
    /// A part of `Authorization` that is not understood: 400 AuthorizationHeaderMalformed.
    #[error("The authorization header is malformed; the authorization component \"{0}\" is malformed.")]
    MalformedComponent(String),
    /// The credential is not for here: 400 AuthorizationHeaderMalformed in a header (with Region, for
    /// [`CredentialFault::Region`]), 400 AuthorizationQueryParametersError in a query.
    #[error("{}{fault}", match .location {
        CredentialLocation::Header => "The authorization header is malformed; ",
        CredentialLocation::Query => "Error parsing the X-Amz-Credential parameter; ",
    })]
    Credential {
        /// Where the credential stood: it decides the code.
        location: CredentialLocation,
        /// What is wrong with it.
        fault: CredentialFault,
    },

    /// Not all six query parameters: 400 AuthorizationQueryParametersError.
    #[error(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
         X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
    )]
    MissingQueryParameters,
    /// A query parameter that is repeated or no value of its kind: 400 AuthorizationQueryParametersError.
    #[error("Error parsing the {0} parameter; it is malformed.")]
    MalformedQueryParameter(&'static str),
    /// Another algorithm than HMAC: 400 AuthorizationQueryParametersError.
    #[error("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")]
    UnsupportedQueryAlgorithm,
    /// X-Amz-Expires: 400 AuthorizationQueryParametersError.
    #[error("{0}")]
    Expires(ExpiresFault),

    /// Neither `x-amz-date` nor `Date` is a date: 403 AccessDenied.
    #[error("AWS authentication requires a valid Date or x-amz-date header.")]
    MissingDate,
    /// More than [`super::MAX_CLOCK_SKEW`] away: 403 RequestTimeTooSkewed (RequestTime, ServerTime,
    /// MaxAllowedSkewMilliseconds).
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed {
        /// The request's own time.
        request_time: AmzDate,
        /// Ours.
        server_time: Timestamp,
    },
    /// A presigned URL past its time: 403 AccessDenied (X-Amz-Expires, Expires, ServerTime).
    #[error("Request has expired.")]
    Expired {
        /// X-Amz-Expires.
        expires_seconds: u64,
        /// The moment it expired.
        expired_at: Timestamp,
        /// Ours.
        server_time: Timestamp,
    },
    /// A presigned URL dated further in the future than clocks may differ: 403 AccessDenied.
    #[error("Request is not valid yet.")]
    NotYetValid,

    /// Headers that decide what happens, or `host`, are outside the signature: 403 AccessDenied (HeadersNotSigned).
    #[error("There were headers present in the request which were not signed")]
    HeadersNotSigned(Vec<String>),
    /// A signed header did not arrive: 403 SignatureDoesNotMatch, as S3 answers a presigned header that was not sent.
    #[error(
        "The request signature we calculated does not match the signature you provided. The signed header \"{0}\" is absent."
    )]
    SignedHeaderAbsent(String),
    /// 403 SignatureDoesNotMatch (AWSAccessKeyId, StringToSign, SignatureProvided, StringToSignBytes, CanonicalRequest,
    /// CanonicalRequestBytes).
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    SignatureMismatch(Box<SignatureMismatch>),

    /// A header-signed request without it: 400 InvalidRequest.
    #[error("Missing required header for this request: x-amz-content-sha256")]
    ContentSha256Missing,
    /// Neither 64 lower-case hex digits nor a known token, or two values that differ: 400 InvalidArgument.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
    )]
    ContentSha256Invalid,
    /// `Content-Encoding: aws-chunked` on a body that is not announced as framed: 400 InvalidArgument. Storing it would
    /// store the framing.
    #[error("Content-Encoding aws-chunked needs a STREAMING value of x-amz-content-sha256.")]
    FramingWithoutStreamingToken,
    /// A framed body of unknown length: 411 MissingContentLength.
    #[error("You must provide the Content-Length HTTP header.")]
    DecodedLengthMissing,
    /// `x-amz-decoded-content-length` that is no number: 400 InvalidArgument.
    #[error("x-amz-decoded-content-length must be a non-negative integer.")]
    DecodedLengthInvalid,
    /// `x-amz-trailer` that names several, no checksum, or stands where no trailer can come: 400 InvalidRequest.
    #[error("The value specified in the x-amz-trailer header is not supported")]
    TrailerUnsupported,
}

/// What is wrong with a credential `AKID/YYYYMMDD/region/s3/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// Not five parts.
    #[error("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")]
    Shape,
    /// The date is not `yyyyMMdd`.
    #[error("incorrect date format \"{0}\". This date in the credential must be in the format \"yyyyMMdd\".")]
    Date(String),
    /// Signed for another region: SDKs look for the expected one and retry with it.
    #[error("the region '{given}' is wrong; expecting '{expected}'")]
    Region {
        /// The one to use.
        expected: String,
        /// The one in the credential.
        given: String,
    },
    /// Signed for another service.
    #[error("incorrect service \"{0}\". This endpoint belongs to \"s3\".")]
    Service(String),
    /// The last part is another one.
    #[error("incorrect terminal \"{0}\". This endpoint uses \"aws4_request\".")]
    Terminal(String),
    /// The credential's day is not the request's.
    #[error("Invalid credential date \"{credential}\". This date is not the same as X-Amz-Date: \"{request}\".")]
    DateMismatch {
        /// The day in the credential.
        credential: String,
        /// The day of the request.
        request: String,
    },
}

/// What is wrong with X-Amz-Expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpiresFault {
    /// No number.
    #[error("X-Amz-Expires should be a number")]
    NotANumber,
    /// Below zero.
    #[error("X-Amz-Expires must be non-negative")]
    Negative,
    /// Above [`super::MAX_PRESIGNED_LIFETIME`].
    #[error(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
    )]
    TooLarge,
}

/// What a client needs to find its mistake. It echoes the client's own request; nothing of it goes into a log, because
/// a presigned signature is a credential for as long as it lives.
pub struct SignatureMismatch {
    /// Whose secret was used.
    pub access_key_id: String,
    /// The signature that came with the request, in hex.
    pub signature_provided: String,
    /// What we signed.
    pub string_to_sign: String,
    /// What its last line is the hash of.
    pub canonical_request: String,
}

impl fmt::Debug for SignatureMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignatureMismatch {{ access_key_id: {:?}, .. }}", self.access_key_id)
    }
}
