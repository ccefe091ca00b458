//! The S3 wire, without a socket: requests parsed once, at the door, into closed enums; answers written as XML and headers.
//!
//! [`parse`] says which operation a request is and on what; after authentication [`RequestView::new`] holds its headers
//! against the closed table, and the typed request of the operation ([`request`]) takes what it knows out of it.
//! Nothing here names an S3 error code: faults carry data, `gateway/error.rs` gives them their answer.

use http::{HeaderMap, Method, Uri};

pub mod answer;
pub mod checksum;
pub mod conditions;
pub mod content;
pub mod copy_source;
pub mod date;
pub mod fault;
pub mod headers;
pub mod listing;
pub mod operation;
pub mod query;
pub mod range;
pub mod request;
mod router;
#[cfg(test)]
mod sample;
pub mod tagging;
pub mod target;
pub mod xml;

pub use fault::S3Fault;
pub use headers::RequestView;
pub use operation::{Operation, Support};
pub use query::Query;
pub use target::{Addressing, BucketLabel, Target};

/// A request whose operation and target are known. Nothing in it has been authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Which operation.
    pub operation: Operation,
    /// On what.
    pub target: Target,
    /// Its query, decoded.
    pub query: Query,
}

/// Reads a request line with its headers. An operation that is recognised but not answered is parsed all the same:
/// it is refused after authentication, by [`Operation::support`].
pub fn parse(method: &Method, uri: &Uri, headers: &HeaderMap, addressing: &Addressing) -> Result<Parsed, S3Fault> {
    let target = Target::parse(uri, headers, addressing)?;
    let query = Query::parse(uri.query().unwrap_or(""))?;
    let operation = router::route_request(method, &target, &query, headers)?;
    Ok(Parsed { operation, target, query })
}

#[cfg(test)]
mod tests {
    use super::{Addressing, RequestView, parse};

    use http::{HeaderMap, HeaderValue, Method, Uri};
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

    use super::request::{
        CopyObjectRequest, GetObjectRequest, ListObjectsV2Request, PutObjectRequest, UploadPartRequest,
    };

    fn methods() -> impl Strategy<Value = Method> {
        prop_oneof![Just(Method::GET), Just(Method::PUT), Just(Method::POST), Just(Method::HEAD), Just(Method::DELETE)]
    }

    proptest! {
        #[test]
        fn no_request_panics(
            method in methods(),
            target in "/[a-zA-Z0-9%./?&=+_:-]{0,60}",
            host in proptest::collection::vec(any::<u8>(), 0..20),
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 6),
        ) {
            let Ok(uri) = target.parse::<Uri>() else { return Ok(()) };
            let mut headers = HeaderMap::new();
            let names = ["range", "if-match", "x-amz-copy-source", "x-amz-tagging", "x-amz-checksum-sha256", "x-amz-meta-a"];
            for (name, value) in names.into_iter().zip(values).chain([("host", host)]) {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.insert(name, value);
                }
            }
            let addressing = Addressing::new(["s3.test".to_owned()]);
            let Ok(parsed) = parse(&method, &uri, &headers, &addressing) else { return Ok(()) };
            if let Ok(view) = RequestView::new(&parsed, &headers) {
                let _ = GetObjectRequest::parse(&view);
                let _ = PutObjectRequest::parse(&view);
                let _ = CopyObjectRequest::parse(&view);
                let _ = UploadPartRequest::parse(&view);
                let _ = ListObjectsV2Request::parse(&view);
            }
        }
    }
}
