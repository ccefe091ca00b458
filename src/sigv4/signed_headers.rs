//! The signed headers: which ones must be, and their canonical form.

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

use super::fault::SigV4Fault;

/// Headers of this prefix decide what a request does. The dash matters: `x-amzn-trace-id` is added by load balancers.
const DECISIVE_PREFIX: &str = "x-amz-";
/// Bound as the payload line of the canonical request already; minio-go and restic do not list it.
const BOUND_ELSEWHERE: &str = "x-amz-content-sha256";

/// The list `SignedHeaders` and the canonical header block that belongs to it.
pub(super) struct SignedHeaders {
    pub(super) list: String,
    pub(super) block: Vec<u8>,
}

/// Why a list of signed headers is not accepted.
pub(super) enum ListFault {
    /// An empty, repeated or upper-case name.
    Malformed,
    /// What S3 answers, independent of where the list stood.
    Fault(SigV4Fault),
}

impl SignedHeaders {
    /// Checks the list against the request and makes the block.
    pub(super) fn new(list: &str, parts: &Parts) -> Result<Self, ListFault> {
        let names: Vec<&str> = list.split(';').collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        let repeated = sorted.windows(2).any(|pair| pair[0] == pair[1]);
        if repeated || !names.iter().all(|name| is_header_name(name)) {
            return Err(ListFault::Malformed);
        }
        let unsigned = unsigned_decisive(&sorted, &parts.headers);
        if !unsigned.is_empty() {
            return Err(ListFault::Fault(SigV4Fault::HeadersNotSigned(unsigned)));
        }
        let mut block = Vec::with_capacity(256);
        for name in names {
            push_header(&mut block, name, parts)
                .ok_or_else(|| ListFault::Fault(SigV4Fault::SignedHeaderAbsent(name.to_owned())))?;
        }
        Ok(Self { list: list.to_owned(), block })
    }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b':')
}

/// `host`, and every `x-amz-*` that is present: an unsigned `x-amz-copy-source` beside a presigned PUT made it a copy of
/// anything its signer could read (CVE-2026-54330).
fn unsigned_decisive(sorted: &[&str], headers: &HeaderMap) -> Vec<String> {
    let signed = |name: &str| sorted.binary_search(&name).is_ok();
    let host = (!signed("host")).then(|| "host".to_owned());
    let decisive = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with(DECISIVE_PREFIX) && *name != BOUND_ELSEWHERE && !signed(name))
        .map(str::to_owned);
    host.into_iter().chain(decisive).collect()
}

/// `name:value\n`, repeated headers joined with a comma; `None` when the header is absent.
fn push_header(block: &mut Vec<u8>, name: &str, parts: &Parts) -> Option<()> {
    block.extend_from_slice(name.as_bytes());
    block.push(b':');
    let mut values = parts.headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        // HTTP/2 and absolute-form requests carry the host in the URI.
        let authority = parts.uri.authority().filter(|_| name == HOST.as_str())?;
        block.extend_from_slice(authority.as_str().as_bytes());
    }
    for (at, value) in values.enumerate() {
        if at > 0 {
            block.push(b',');
        }
        push_collapsed(block, value.as_bytes());
    }
    block.push(b'\n');
    Some(())
}

/// Trimmed, and runs of spaces as one. Bytes, not text: metadata may be raw UTF-8 or no UTF-8 at all.
fn push_collapsed(block: &mut Vec<u8>, value: &[u8]) {
    let value = value.trim_ascii();
    let mut after_space = false;
    for &byte in value {
        if byte != b' ' || !after_space {
            block.push(byte);
        }
        after_space = byte == b' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &[u8])]) -> Parts {
        let mut builder = http::Request::builder().uri("/b/k");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("a request").into_parts().0
    }

    fn block(list: &str, headers: &[(&str, &[u8])]) -> Result<String, String> {
        match SignedHeaders::new(list, &parts(headers)) {
            Ok(signed) => Ok(String::from_utf8_lossy(&signed.block).into_owned()),
            Err(ListFault::Malformed) => Err("malformed".into()),
            Err(ListFault::Fault(fault)) => Err(format!("{fault:?}")),
        }
    }

    #[test]
    fn values_are_trimmed_collapsed_and_joined() {
        let headers: &[(&str, &[u8])] = &[
            ("host", b"h:9000"),
            ("x-amz-meta-a", b"  one   two  "),
            ("x-amz-meta-b", b"1"),
            ("x-amz-meta-b", b" 2"),
            ("x-amz-meta-c", "\u{e9}t\u{e9}".as_bytes()),
            ("x-amz-meta-d", b""),
        ];
        let list = "host;x-amz-meta-a;x-amz-meta-b;x-amz-meta-c;x-amz-meta-d";
        let expected =
            "host:h:9000\nx-amz-meta-a:one two\nx-amz-meta-b:1,2\nx-amz-meta-c:\u{e9}t\u{e9}\nx-amz-meta-d:\n";
        assert_eq!(block(list, headers).as_deref(), Ok(expected));
    }

    #[test]
    fn value_that_is_no_utf8_does_not_panic() {
        let found = block("host;x-amz-meta-a", &[("host", b"h"), ("x-amz-meta-a", b"\xff\xfe")]);
        assert!(found.expect("accepted").contains("x-amz-meta-a:"));
    }

    #[test]
    fn host_must_be_signed() {
        let found = block("x-amz-date", &[("host", b"h"), ("x-amz-date", b"d")]);
        assert_eq!(found, Err("HeadersNotSigned([\"host\"])".into()));
    }

    /// CVE-2026-54330.
    #[test]
    fn unsigned_x_amz_header_is_refused() {
        let found = block("host", &[("host", b"h"), ("x-amz-copy-source", b"/victim/secret")]);
        assert_eq!(found, Err("HeadersNotSigned([\"x-amz-copy-source\"])".into()));
    }

    /// The over-corrections of that fix broke restic, minio-go and clients behind load balancers.
    #[test]
    fn content_sha256_content_type_and_trace_id_need_no_signature() {
        let headers: &[(&str, &[u8])] = &[
            ("host", b"h"),
            ("x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
            ("content-type", b"text/plain"),
            ("x-amzn-trace-id", b"Root=1"),
            ("user-agent", b"a"),
        ];
        assert_eq!(block("host", headers).as_deref(), Ok("host:h\n"));
    }

    #[test]
    fn listed_header_must_be_present() {
        let found = block("host;x-amz-acl", &[("host", b"h")]);
        assert_eq!(found, Err("SignedHeaderAbsent(\"x-amz-acl\")".into()));
    }

    #[test]
    fn empty_repeated_and_upper_case_names_are_refused() {
        for list in ["", "host;", ";host", "host;;range", "host;host", "Host", "host;ra nge", "host;a:b"] {
            assert_eq!(block(list, &[("host", b"h"), ("range", b"x")]), Err("malformed".into()), "{list}");
        }
    }

    #[test]
    fn host_may_stand_in_the_uri() {
        let (parts, ()) = http::Request::get("http://h:1/k").body(()).expect("a request").into_parts();
        let signed = SignedHeaders::new("host", &parts).ok().expect("accepted");
        assert_eq!(signed.block, b"host:h:1\n");
    }
}
