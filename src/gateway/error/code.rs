//! The table of S3 error codes: name, status, message. Nothing else in the program knows them.

use http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $message:literal;)*) => {
        /// An S3 error code that we answer with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// As in `<Code>`.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The status of the answer that carries it.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The text where the failure has none of its own.
            pub(crate) const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }

            /// All of them, for the table's test.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

codes! {
    AccessDenied = "AccessDenied", FORBIDDEN, "Access Denied";
    /// A preflight on a bucket without CORS.
    AccessForbidden = "AccessForbidden", FORBIDDEN, "CORSResponse: CORS is not enabled for this bucket.";
    AuthorizationHeaderMalformed = "AuthorizationHeaderMalformed", BAD_REQUEST,
        "The authorization header that you provided is not valid.";
    AuthorizationQueryParametersError = "AuthorizationQueryParametersError", BAD_REQUEST,
        "The authorization query parameters that you provided are not valid.";
    BadDigest = "BadDigest", BAD_REQUEST,
        "The Content-MD5 or checksum value that you specified did not match what the server received.";
    BadRequest = "BadRequest", BAD_REQUEST, "Bad Request";
    BucketAlreadyExists = "BucketAlreadyExists", CONFLICT,
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
         Please select a different name and try again.";
    BucketAlreadyOwnedByYou = "BucketAlreadyOwnedByYou", CONFLICT,
        "Your previous request to create the named bucket succeeded and you already own it.";
    BucketNotEmpty = "BucketNotEmpty", CONFLICT, "The bucket you tried to delete is not empty.";
    ConditionalRequestConflict = "ConditionalRequestConflict", CONFLICT,
        "A conflicting operation occurred during this operation. Please try again.";
    EntityTooLarge = "EntityTooLarge", BAD_REQUEST, "Your proposed upload exceeds the maximum allowed object size.";
    EntityTooSmall = "EntityTooSmall", BAD_REQUEST,
        "Your proposed upload is smaller than the minimum allowed object size.";
    IllegalLocationConstraint = "IllegalLocationConstraintException", BAD_REQUEST,
        "The specified location-constraint is incompatible for the region specific endpoint this request was sent to.";
    IncompleteBody = "IncompleteBody", BAD_REQUEST,
        "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    /// Ours: no room behind the proxy. 507 is what S3-compatible stores answer.
    InsufficientStorage = "InsufficientStorage", INSUFFICIENT_STORAGE,
        "There is no room left to store this. Reads and deletes go on.";
    InternalError = "InternalError", INTERNAL_SERVER_ERROR, "We encountered an internal error. Please try again.";
    InvalidAccessKeyId = "InvalidAccessKeyId", FORBIDDEN,
        "The AWS Access Key Id you provided does not exist in our records.";
    InvalidArgument = "InvalidArgument", BAD_REQUEST, "Invalid Argument";
    InvalidBucketName = "InvalidBucketName", BAD_REQUEST, "The specified bucket is not valid.";
    InvalidBucketOwner = "InvalidBucketOwnerAWSAccountID", BAD_REQUEST,
        "The value of the expected bucket owner parameter must be an AWS account ID.";
    InvalidChunkSize = "InvalidChunkSizeError", BAD_REQUEST,
        "Only the last chunk is allowed to have a size less than 8192 bytes";
    InvalidDigest = "InvalidDigest", BAD_REQUEST, "The Content-MD5 you specified is not valid.";
    InvalidEncryptionAlgorithm = "InvalidEncryptionAlgorithmError", BAD_REQUEST,
        "The encryption request that you specified is not valid. The valid value is AES256.";
    InvalidLocationConstraint = "InvalidLocationConstraint", BAD_REQUEST,
        "The specified location-constraint is not valid";
    InvalidPart = "InvalidPart", BAD_REQUEST,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified \
         entity tag may not match the part's entity tag.";
    InvalidPartNumber = "InvalidPartNumber", RANGE_NOT_SATISFIABLE, "The requested partnumber is not satisfiable";
    InvalidPartOrder = "InvalidPartOrder", BAD_REQUEST,
        "The list of parts was not in ascending order. Parts must be ordered by part number.";
    InvalidRange = "InvalidRange", RANGE_NOT_SATISFIABLE, "The requested range is not satisfiable";
    InvalidRequest = "InvalidRequest", BAD_REQUEST, "Invalid Request";
    InvalidStorageClass = "InvalidStorageClass", BAD_REQUEST, "The storage class you specified is not valid";
    InvalidTag = "InvalidTag", BAD_REQUEST, "The tag provided was not a valid tag.";
    InvalidToken = "InvalidToken", BAD_REQUEST, "The provided token is malformed or otherwise invalid.";
    InvalidUri = "InvalidURI", BAD_REQUEST, "Couldn't parse the specified URI.";
    KeyTooLong = "KeyTooLongError", BAD_REQUEST, "Your key is too long";
    MalformedTrailer = "MalformedTrailerError", BAD_REQUEST,
        "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    MalformedXml = "MalformedXML", BAD_REQUEST,
        "The XML you provided was not well-formed or did not validate against our published schema";
    MaxMessageLengthExceeded = "MaxMessageLengthExceeded", BAD_REQUEST, "Your request was too big.";
    MetadataTooLarge = "MetadataTooLarge", BAD_REQUEST,
        "Your metadata headers exceed the maximum allowed metadata size";
    MethodNotAllowed = "MethodNotAllowed", METHOD_NOT_ALLOWED,
        "The specified method is not allowed against this resource.";
    MissingContentLength = "MissingContentLength", LENGTH_REQUIRED, "You must provide the Content-Length HTTP header.";
    NoSuchBucket = "NoSuchBucket", NOT_FOUND, "The specified bucket does not exist";
    NoSuchKey = "NoSuchKey", NOT_FOUND, "The specified key does not exist.";
    NoSuchUpload = "NoSuchUpload", NOT_FOUND,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
         completed.";
    NotImplemented = "NotImplemented", NOT_IMPLEMENTED,
        "A header or parameter you provided implies functionality that is not implemented";
    /// Ours: the stored bytes were not made by this proxy. 422, since SDKs repeat a 500 and repeating changes nothing.
    ObjectNotSealed = "ObjectNotSealed", UNPROCESSABLE_ENTITY,
        "The stored object was not written through this service and is not served.";
    PreconditionFailed = "PreconditionFailed", PRECONDITION_FAILED,
        "At least one of the pre-conditions you specified did not hold";
    RequestHeaderSectionTooLarge = "RequestHeaderSectionTooLarge", BAD_REQUEST,
        "Your request header and query parameters exceed the maximum allowed size.";
    RequestTimeTooSkewed = "RequestTimeTooSkewed", FORBIDDEN,
        "The difference between the request time and the server's time is too large.";
    RequestTimeout = "RequestTimeout", BAD_REQUEST,
        "Your socket connection to the server was not read from or written to within the timeout period.";
    ServiceUnavailable = "ServiceUnavailable", SERVICE_UNAVAILABLE, "Service is unable to handle request.";
    SignatureDoesNotMatch = "SignatureDoesNotMatch", FORBIDDEN,
        "The request signature we calculated does not match the signature you provided. Check your key and signing \
         method.";
    SlowDown = "SlowDown", SERVICE_UNAVAILABLE, "Please reduce your request rate.";
    ContentSha256Mismatch = "XAmzContentSHA256Mismatch", BAD_REQUEST,
        "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn names_are_distinct_and_statuses_are_failures() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert!(!code.message().is_empty());
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(Code::ALL[..at].iter().all(|other| other.name() != code.name()), "{} twice", code.name());
        }
    }
}
