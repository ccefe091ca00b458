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
