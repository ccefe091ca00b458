//! Who may speak: S3's answer to every way of saying it wrong (catalogue 2.1 to 2.3 and 2.5 to 2.7), each over the wire.

use crate::harness::{Auth, Credentials, Payload, Request, Server, bytes};

const PRESIGNED: Auth = Auth::Presigned { expires_seconds: 60 };

fn server() -> Server {
    let server = Server::with_bucket("auth");
    server.put("/auth/k", b"secret");
    server
}

/// `change` makes the root's credentials wrong.
fn changed(server: &Server, change: impl FnOnce(&mut Credentials)) -> Credentials {
    let mut credentials = server.root().clone();
    change(&mut credentials);
    credentials
}

#[test]
fn anonymous_is_refused() {
    let server = server();
    for request in [Request::get("/auth/k"), Request::get("/auth"), Request::get("/"), Request::put("/auth/new", "x")] {
        let reply = server.send(&request.auth(Auth::Anonymous));
        reply.assert_error(403, "AccessDenied");
        assert!(!reply.text().contains("CanonicalRequest"), "nothing is echoed to strangers");
    }
    server.assert_absent("/auth/new");
}

#[test]
fn wrong_secret_and_unknown_key() {
    let server = server();
    for auth in [Auth::Header, PRESIGNED] {
        let request = Request::get("/auth/k").auth(auth);
        let refused = server.send_as(&server.root().with_secret("wrong"), &request);
        refused.assert_error(403, "SignatureDoesNotMatch");
        for element in ["AWSAccessKeyId", "StringToSign", "SignatureProvided", "CanonicalRequest"] {
            assert!(refused.xml(element).is_some(), "{element} helps to find the mistake");
        }
        let unknown = changed(&server, |c| c.access_key = "AKNOSUCHKEY000000000".to_owned());
        server.send_as(&unknown, &request).assert_error(403, "InvalidAccessKeyId");
    }
}

#[test]
fn scope_of_another_service() {
    let server = server();
    let other = changed(&server, |c| c.service = "ec2".to_owned());
    server.send_as(&other, &Request::get("/auth/k")).assert_error(400, "AuthorizationHeaderMalformed");
    let presigned = Request::get("/auth/k").auth(PRESIGNED);
    server.send_as(&other, &presigned).assert_error(400, "AuthorizationQueryParametersError");
}

/// Clients say `auto`, `garage`, `eu-west-1`: by default any region will do.
#[test]
fn any_region_by_default() {
    let server = server();
    for region in ["eu-west-1", "auto", "garage"] {
        let there = changed(&server, |c| c.region = region.to_owned());
        server.send_as(&there, &Request::get("/auth/k")).assert_status(200);
    }
}

#[test]
fn clock_beyond_fifteen_minutes() {
    let server = server();
    for error in [-16 * 60, 16 * 60] {
        let skewed = changed(&server, |c| c.clock_error = error);
        let refused = server.send_as(&skewed, &Request::get("/auth/k"));
        refused.assert_error(403, "RequestTimeTooSkewed");
        assert_eq!(refused.xml("MaxAllowedSkewMilliseconds").as_deref(), Some("900000"));
    }
    for error in [-14 * 60, 14 * 60] {
        let skewed = changed(&server, |c| c.clock_error = error);
        server.send_as(&skewed, &Request::get("/auth/k")).assert_status(200);
    }
}

/// A presigned URL lives as long as it says: the skew of header signatures does not cut it short.
#[test]
fn presigned_lives_as_long_as_it_says() {
    let server = server();
    let an_hour_ago = changed(&server, |c| c.clock_error = -3600);
    let two_hours = Request::get("/auth/k").auth(Auth::Presigned { expires_seconds: 7200 });
    server.send_as(&an_hour_ago, &two_hours).assert_status(200);
    let half_an_hour = Request::get("/auth/k").auth(Auth::Presigned { expires_seconds: 1800 });
    let expired = server.send_as(&an_hour_ago, &half_an_hour);
    assert!(expired.assert_error(403, "AccessDenied").text().contains("expired"));
    let from_tomorrow = changed(&server, |c| c.clock_error = 86_400);
    server.send_as(&from_tomorrow, &two_hours).assert_error(403, "AccessDenied");
    let a_week_and_a_second = Request::get("/auth/k").auth(Auth::Presigned { expires_seconds: 604_801 });
    server.send(&a_week_and_a_second).assert_error(400, "AuthorizationQueryParametersError");
}

#[test]
fn presigned_wants_all_six_parameters() {
    let server = server();
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders"] {
        let mut prepared = Request::get("/auth/k").auth(PRESIGNED).prepare(server.root(), server.address());
        let (path, query) = prepared.target.split_once('?').expect("a query");
        let kept: Vec<&str> = query.split('&').filter(|p| !p.starts_with(&format!("X-Amz-{name}="))).collect();
        prepared.target = format!("{path}?{}", kept.join("&"));
        server.send_prepared(&prepared).assert_error(400, "AuthorizationQueryParametersError");
    }
}

#[test]
fn authorization_that_is_not_understood() {
    let server = server();
    let sigv4 = "AWS4-HMAC-SHA256 Credential=A/20250101/r/s3/aws4_request, SignedHeaders=host, Signature=";
    for (value, status, code) in [
        ("AWS AKID:c2lnbmF0dXJl", 400, "InvalidRequest"),
        ("Basic dXNlcjpwYXNz", 400, "InvalidRequest"),
        ("AWS4-HMAC-SHA256", 400, "InvalidArgument"),
        ("AWS4-HMAC-SHA256 Credential=A/20250101/r/s3/aws4_request", 400, "AuthorizationHeaderMalformed"),
        (
            "AWS4-ECDSA-P256-SHA256 Credential=A/20250101/s3/aws4_request, SignedHeaders=host, Signature=00",
            501,
            "NotImplemented",
        ),
        (sigv4, 400, "AuthorizationHeaderMalformed"),
    ] {
        let request = Request::get("/auth/k").auth(Auth::Anonymous).unsigned_header("authorization", value);
        let reply = server.send(&request);
        let found = (reply.status, reply.xml("Code").unwrap_or_default());
        assert_eq!(found, (status, code.to_owned()), "{value}: {}", reply.text());
    }
}

#[test]
fn signature_of_2006_is_refused_with_the_way_out() {
    let server = server();
    let old = Request::get("/auth/k").auth(Auth::Anonymous).query("AWSAccessKeyId", "A").query("Signature", "s");
    let refused = server.send(&old.query("Expires", "4000000000"));
    assert!(refused.assert_error(400, "InvalidRequest").text().contains("AWS4-HMAC-SHA256"));
}

/// A header and a query signature at once: CVE-2026-41145 took the credential of one and the proof of the other.
#[test]
fn two_signatures_are_one_too_many() {
    let server = server();
    let by_query = Request::put("/auth/new", "x").auth(PRESIGNED).prepare(server.root(), server.address());
    let mut by_header = Request::put("/auth/new", "x").prepare(&server.root().with_secret("wrong"), server.address());
    by_header.target = by_query.target;
    let reply = server.send_prepared(&by_header);
    assert!((400..500).contains(&reply.status), "{}", reply.status);
    server.assert_absent("/auth/new");
}

/// CVE-2026-54330: a presigned PUT signs only the host; an unsigned x-amz-copy-source turned it into a read of
/// anything the signer may read.
#[test]
fn unsigned_amz_header_is_refused() {
    let server = server();
    for (name, value) in [
        ("x-amz-copy-source", "/auth/k"),
        ("x-amz-meta-a", "b"),
        ("x-amz-acl", "private"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-storage-class", "STANDARD"),
    ] {
        for auth in [Auth::Header, PRESIGNED] {
            let request = Request::put("/auth/new", "x").auth(auth).payload(Payload::Unsigned);
            let refused = server.send(&request.unsigned_header(name, value));
            refused.assert_error(403, "AccessDenied");
            assert_eq!(refused.xml("HeadersNotSigned").as_deref(), Some(name));
        }
    }
    server.assert_absent("/auth/new");
}

/// The exception: restic and async-aws do not sign x-amz-content-sha256, and it is bound as the payload hash anyway.
#[test]
fn content_sha256_need_not_be_a_signed_header() {
    let server = server();
    let put = Request::put("/auth/new", "x").auth(PRESIGNED).payload(Payload::Unsigned);
    server.send(&put.unsigned_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")).assert_status(200);
}

#[test]
fn signed_header_that_was_changed_on_the_way() {
    let server = server();
    let mut prepared =
        Request::put("/auth/new", "x").header("x-amz-meta-a", "b").prepare(server.root(), server.address());
    for (name, value) in &mut prepared.headers {
        if name == "x-amz-meta-a" {
            *value = "c".to_owned();
        }
    }
    server.send_prepared(&prepared).assert_error(403, "SignatureDoesNotMatch");
    prepared.headers.retain(|(name, _)| name != "x-amz-meta-a");
    server.send_prepared(&prepared).assert_error(403, "SignatureDoesNotMatch");
    server.assert_absent("/auth/new");
}

#[test]
fn signature_is_bound_to_method_path_query_and_host() {
    let server = server();
    server.put("/auth/other", b"other");
    let prepared =
        || Request::get("/auth/k").query("response-content-type", "a/b").prepare(server.root(), server.address());
    let mut method = prepared();
    method.method = "DELETE".to_owned();
    let mut path = prepared();
    path.target = path.target.replace("/auth/k", "/auth/other");
    let mut query = prepared();
    query.target = query.target.replace("a%2Fb", "text%2Fhtml");
    let mut host = prepared();
    host.headers[0].1 = "elsewhere.example".to_owned();
    for altered in [method, path, query, host] {
        server.send_prepared(&altered).assert_error(403, "SignatureDoesNotMatch");
    }
    server.assert_holds("/auth/k", b"secret");
}

#[test]
fn payload_token_is_checked() {
    let server = server();
    for (token, status, code) in [
        ("", 400, "InvalidArgument"),
        ("abc", 400, "InvalidArgument"),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", 501, "NotImplemented"),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", 501, "NotImplemented"),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 411, "MissingContentLength"),
    ] {
        let put = Request::put("/auth/new", "x").payload_token(token);
        let reply = server.send(&put);
        let found = (reply.status, reply.xml("Code").unwrap_or_default());
        assert_eq!(found, (status, code.to_owned()), "{token}: {}", reply.text());
    }
    let mut missing = Request::put("/auth/new", "x").prepare(server.root(), server.address());
    missing.headers.retain(|(name, _)| name != "x-amz-content-sha256");
    let reply = server.send_prepared(&missing);
    assert!(matches!(reply.status, 400 | 403), "{}", reply.text());
    server.assert_absent("/auth/new");
}

/// An operation that takes no body of that kind must not take its framing either.
#[test]
fn streaming_where_no_body_streams() {
    let server = server();
    let delete = Request::delete("/auth/k").payload_token("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let reply = server.send(&delete.header("x-amz-decoded-content-length", "0"));
    reply.assert_error(400, "InvalidRequest");
    server.assert_holds("/auth/k", b"secret");
}

/// A presigned URL may pin the hash of the body; then it is enforced.
#[test]
fn presigned_hash_is_enforced() {
    let server = server();
    let mut prepared = Request::put("/auth/new", "as agreed").auth(PRESIGNED).prepare(server.root(), server.address());
    prepared.body = crate::harness::request::Body::Plain(b"something".to_vec());
    server.send_prepared(&prepared).assert_error(400, "XAmzContentSHA256Mismatch");
    server.assert_absent("/auth/new");
}

/// Terraform signs `accept-encoding`, Go `content-length`, curl `content-type` and `expect`.
#[test]
fn headers_that_clients_sign_although_proxies_touch_them() {
    let server = server();
    let put = Request::put("/auth/new", "12345")
        .header("accept-encoding", "identity")
        .header("amz-sdk-invocation-id", "a b   c")
        .header("content-length", "5")
        .header("content-type", "text/x")
        .header("x-amz-meta-spaces", "  two   inner  ");
    server.send(&put).assert_status(200);
    server.assert_holds("/auth/new", b"12345");
}

/// 403 and 412 are told before the body is asked for.
#[test]
fn refusal_comes_before_100_continue() {
    let server = server();
    let big = bytes(1, 100_000);
    let expecting = || Request::put("/auth/new", big.clone()).unsigned_header("expect", "100-continue");
    for (prepared, status) in [
        (expecting().prepare(&server.root().with_secret("wrong"), server.address()), 403),
        (expecting().header("if-match", "\"x\"").prepare(server.root(), server.address()), 404),
    ] {
        let wire = prepared.to_bytes();
        let head_only = &wire[..wire.len() - big.len()];
        let reply = crate::harness::reply::exchange(server.address(), head_only, false).expect("an answer");
        assert_eq!(reply.status, status, "{}", reply.text());
    }
    server.send(&expecting()).assert_status(200);
    server.assert_holds("/auth/new", &big);
}

/// Both lengths at once are how requests are smuggled past proxies: refused, and the connection ends. What a proxy that
/// believes the other one takes for the next request is never answered.
#[test]
fn two_framings_of_one_body_are_refused() {
    let server = server();
    let next = Request::get("/auth/k").prepare(server.root(), server.address()).to_bytes();
    let (length, chunked) = (("content-length", "15"), ("transfer-encoding", "chunked"));
    for [first, second] in [[length, chunked], [chunked, length]] {
        let put = Request::put("/auth/new", "5\r\nhello\r\n0\r\n\r\n").payload(Payload::Unsigned);
        let put = put.unsigned_header(first.0, first.1).unsigned_header(second.0, second.1);
        let put = put.unsigned_header("connection", "keep-alive").prepare(server.root(), server.address());
        let wire = [put.to_bytes(), next.clone()].concat();
        // It panics where more comes than one answer.
        let reply = crate::harness::reply::exchange(server.address(), &wire, false).expect("an answer");
        reply.assert_error(400, "InvalidRequest");
        server.assert_absent("/auth/new");
    }
}

/// S3's path is encoded once, keeps its dots and slashes, and `+` is a plus.
#[test]
fn paths_are_signed_as_they_are() {
    let server = server();
    for key in
        ["a/../b", "./x", "a//b", "//lead", "per%cent", "pl+us", "sp ace", "q?a=b", "é/日本", "tail/", "~-_.!*'()"]
    {
        let path = format!("/auth/{key}");
        server.put(&path, key.as_bytes());
        server.assert_holds(&path, key.as_bytes());
        let presigned = server.send(&Request::get(&path).auth(PRESIGNED));
        assert_eq!((presigned.status, presigned.text()), (200, key.to_owned()));
    }
    // Some clients leave characters as they are that others encode; both mean one key.
    let raw = Request::get("/").raw_path("/auth/~-_.!*'()");
    assert_eq!(server.send(&raw).text(), "~-_.!*'()");
}

#[test]
fn secret_stays_out_of_answers_and_log() {
    let server = server();
    let refused = server.send_as(&server.root().with_secret("conformance-wrong-secret"), &Request::get("/auth/k"));
    let presigned = Request::get("/auth/k").auth(PRESIGNED).prepare(server.root(), server.address());
    let signature = presigned.target.split("X-Amz-Signature=").nth(1).expect("a signature").to_owned();
    server.send_prepared(&presigned).assert_status(200);
    for text in [refused.text(), server.log()] {
        assert!(!text.contains(&server.root().secret_key), "the root secret");
        assert!(!text.contains("conformance-wrong-secret"), "a wrong secret");
        assert!(!text.contains(&signature), "a presigned signature, which is a credential");
    }
}
