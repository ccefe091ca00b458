//! What `aws-sigv4` signs, we accept; and nothing that was changed after signing.

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use crate::sigv4::CredentialLocation::{Header, Query};
use crate::sigv4::testing::{Client, EMPTY_SHA256, NOW, SECRET, verify_at};
use crate::sigv4::{CredentialLocation, SigV4Fault};

/// As SDKs encode a key in a path.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// As browsers and sloppy clients do: what RFC 3986 allows in a path stays as it is.
const LAX: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'#')
    .add(b'?')
    .add(b'{')
    .add(b'}')
    .add(b'%')
    .add(b'\\')
    .add(b'^')
    .add(b'|')
    .add(b'[')
    .add(b']');
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn location() -> impl Strategy<Value = CredentialLocation> {
    prop_oneof![proptest::prelude::Just(Header), proptest::prelude::Just(Query)]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "a/../b",
            "../x",
            "..",
            ".",
            "./x",
            "a//b",
            "//",
            "/lead",
            "trail/",
            "100%",
            "%2e%2e",
            "a+b",
            "a b",
            "?x=1",
            "a&b=c",
            "#frag",
            "\u{e9}t\u{e9}",
            "\u{1f600}",
            "\u{1}\n\r\t",
            "~tilde",
            "a:b@c",
            "(x)!*'",
            "",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,40}",
        "[a-z/.%+ ]{1,30}",
    ]
}

fn query() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    prop::collection::vec(("[a-zA-Z-]{1,8}|\\PC{1,4}", prop::option::of("\\PC{0,10}|[ +/%=&]{1,5}")), 0..6)
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("x-amz-meta-[a-z]{1,3}|range|if-match|content-type", "[ -~]{0,30}| *a  b   c *"), 0..6)
}

fn encoded(pairs: &[(String, Option<String>)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, IN_QUERY).to_string();
    let pair = |(name, value): &(String, Option<String>)| match value {
        None => encode(name),
        Some(value) => format!("{}={}", encode(name), encode(value)),
    };
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_the_oracle_signs_is_accepted(
        location in location(),
        method in prop::sample::select(vec!["GET", "PUT", "HEAD", "DELETE", "POST"]),
        key in key(),
        lax in any::<bool>(),
        query in query(),
        headers in headers(),
        payload in prop::sample::select(vec![EMPTY_SHA256, "UNSIGNED-PAYLOAD"]),
        region in prop::sample::select(vec!["us-east-1", "auto", "garage", "eu-central-1"]),
    ) {
        let path = format!("/bucket/{}", utf8_percent_encode(&key, if lax { LAX } else { STRICT }));
        let query = encoded(&query);
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let client = Client { region, ..Client::default() };
        let parts = client.request(location, method, &target, &headers, payload);
        let found = verify_at(&parts, SECRET, NOW);
        prop_assert!(found.is_ok(), "{target}: {:?}", found.err());
        let refused = matches!(verify_at(&parts, "another", NOW), Err(SigV4Fault::SignatureMismatch(_)));
        prop_assert!(refused);
    }

    #[test]
    fn another_key_or_parameter_than_the_signed_one_is_refused(
        location in location(),
        signed in "[a-z/.+]{1,6}",
        sent in "[a-z/.+]{1,6}",
    ) {
        let request = |key: &str| {
            let key = utf8_percent_encode(key, STRICT);
            let value = key.to_string().replace('/', "%2F");
            (format!("/bucket/{key}?versionId=1"), format!("/bucket/k?versionId={value}"))
        };
        let (signed_targets, sent_targets) = (request(&signed), request(&sent));
        for (from, to) in [(signed_targets.0, sent_targets.0), (signed_targets.1, sent_targets.1)] {
            let mut parts = Client::default().request(location, "GET", &from, &[], "UNSIGNED-PAYLOAD");
            parts.uri = parts.uri.to_string().replacen(&from, &to, 1).parse().expect("a URI");
            prop_assert_eq!(verify_at(&parts, SECRET, NOW).is_ok(), signed == sent);
        }
    }
}

/// s3s verified the raw path only as a fall-back, others not at all.
#[test]
fn path_is_accepted_as_sent_and_as_canonical() {
    for path in ["/b/a$b", "/b/a%24b", "/b/%61", "/b/a%2fb", "/b/a%2Fb", "/b/(x)", "/b/a+b"] {
        for location in [Header, Query] {
            let parts = Client::default().request(location, "GET", path, &[], "UNSIGNED-PAYLOAD");
            assert!(verify_at(&parts, SECRET, NOW).is_ok(), "{path}");
        }
    }
    // Signed as canonical, sent in another spelling of the same key.
    let mut parts = Client::default().request(Header, "GET", "/b/a%24b", &[], "UNSIGNED-PAYLOAD");
    parts.uri = "/b/a$b".parse().expect("a URI");
    assert!(verify_at(&parts, SECRET, NOW).is_ok());
}

/// Headers that proxies like to touch, and clients are free to sign.
#[test]
fn signed_accept_encoding_expect_and_content_length_are_verified() {
    let headers = [("accept-encoding", "identity"), ("expect", "100-continue"), ("content-length", "0")];
    let parts = Client::default().request(Header, "PUT", "/b/k", &headers, EMPTY_SHA256);
    assert!(verify_at(&parts, SECRET, NOW).is_ok());
    for (name, _) in headers {
        let mut changed = parts.clone();
        changed.headers.insert(name, HeaderValue::from_static("gzip"));
        assert!(matches!(verify_at(&changed, SECRET, NOW), Err(SigV4Fault::SignatureMismatch(_))), "{name}");
        changed.headers.remove(name);
        assert!(matches!(verify_at(&changed, SECRET, NOW), Err(SigV4Fault::SignedHeaderAbsent(_))), "{name}");
    }
}
