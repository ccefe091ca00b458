//! An S3 service that costs nothing: objects in memory, a thread for each connection, no hashing, no authentication.
//!
//! Honest where a proxy probes what its upstream can do (conditions, ranges, bodies that break off, copies of parts). What
//! is stored under [`SWALLOWED`] keeps its length and loses its bytes.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use crate::tls::{Certificate, accepted};
use crate::wire::Wire;

mod answer;
mod list;
mod multipart;
mod object;
mod request;
mod state;

use self::answer::Answer;
use self::request::Request;
use self::state::{Body, State};

/// Keys whose bytes are thrown away.
pub(crate) const SWALLOWED: &str = "swallow/";

/// Serves for ever.
pub(crate) fn serve(listener: &TcpListener, certificate: Option<&Certificate>) -> io::Result<()> {
    let state = Arc::new(State::default());
    let tls = certificate.map(Certificate::server);
    loop {
        let (tcp, _) = listener.accept()?;
        let (state, tls) = (Arc::clone(&state), tls.clone());
        // A connection that ends badly is the proxy's to notice.
        thread::spawn(move || connection(accepted(tcp, tls.as_ref())?, &state));
    }
}

fn connection(mut wire: Wire, state: &State) -> io::Result<()> {
    while let Some(head) = wire.head()? {
        let request = Request::parse(head)?;
        let body = Body::receive(&mut wire, &request)?;
        let answer = dispatch(state, &request, body);
        answer.send(&mut wire, &request.method)?;
    }
    Ok(())
}

/// The body has come in whole: one that broke off has ended the connection, and changes nothing.
fn dispatch(state: &State, request: &Request, body: Body) -> Answer {
    let has = |name| request.query(name).is_some();
    match (request.method.as_str(), request.key.as_str()) {
        ("GET", "") if request.bucket.is_empty() => Answer::xml("ListAllMyBucketsResult", ""),
        ("GET", "") if has("versioning") => Answer::xml("VersioningConfiguration", ""),
        ("GET", "") if has("location") => Answer::xml("LocationConstraint", ""),
        ("GET", "") if has("uploads") => multipart::uploads(state, request),
        ("GET", "") => list::objects(state, request),
        ("PUT", "") => state.create_bucket(&request.bucket),
        ("HEAD", "") => state.head_bucket(&request.bucket),
        ("DELETE", "") => state.delete_bucket(&request.bucket),
        ("POST", "") if has("delete") => object::delete_many(state, request, &body),
        ("GET", _) if has("tagging") => object::get_tags(state, request),
        ("PUT", _) if has("tagging") => object::put_tags(state, request, &body),
        ("DELETE", _) if has("tagging") => object::put_tags(state, request, &Body::default()),
        ("POST", _) if has("uploads") => multipart::create(state, request),
        ("PUT", _) if has("uploadId") => multipart::upload_part(state, request, body),
        ("GET", _) if has("uploadId") => multipart::parts(state, request),
        ("POST", _) if has("uploadId") => multipart::complete(state, request, &body),
        ("DELETE", _) if has("uploadId") => multipart::abort(state, request),
        ("PUT", _) => object::put(state, request, body),
        ("GET" | "HEAD", _) => object::get(state, request),
        ("DELETE", _) => object::delete(state, request),
        _ => Answer::error(501, "NotImplemented"),
    }
}
