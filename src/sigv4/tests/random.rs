//! Whatever arrives, no parser panics, and nothing unsigned is accepted.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, prop_oneof, proptest};

use super::bodies::{Mode, decode, upload};
use crate::sigv4::CredentialLocation::{Header, Query};
use crate::sigv4::testing::{ACCESS_KEY_ID, Client, NOW, SECRET, verify_at};
use crate::sigv4::{AmzDate, AuthKind, Credential, Signature};

/// Names that the parsers look for, and others.
fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let names = prop::sample::select(vec![
        "authorization",
        "host",
        "date",
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-decoded-content-length",
        "x-amz-trailer",
        "x-amz-security-token",
        "content-encoding",
        "x-amz-meta-a",
    ]);
    let values = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "AWS4-HMAC-SHA256 (Credential|SignedHeaders|Signature)=[ -~]{0,30},?[ -~]{0,40}".prop_map(String::into_bytes),
        "(STREAMING-|UNSIGNED-|AWS)[A-Z0-9-]{0,40}".prop_map(String::into_bytes),
    ];
    (names, values)
}

fn target() -> impl Strategy<Value = String> {
    let pair = "(X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Content-Sha256)|[!-~&&[^#]]{0,5})=[!-~&&[^#]]{0,20}";
    ("[!-~&&[^?#]]{0,20}", prop::collection::vec(pair, 0..8))
        .prop_map(|(path, query)| format!("/{path}?{}", query.join("&")))
}

fn head(target: &str, headers: Vec<(&'static str, Vec<u8>)>) -> Option<Parts> {
    let mut parts = http::Request::builder().uri(target).body(()).ok()?.into_parts().0;
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            parts.headers.append(HeaderName::from_static(name), value);
        }
    }
    Some(parts)
}

/// What stands between the commas.
fn components(value: &[u8]) -> Vec<&[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|component| !component.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_heads_do_not_panic(target in target(), headers in prop::collection::vec(header(), 0..8)) {
        if let Some(parts) = head(&target, headers) {
            let accepted = match AuthKind::of(&parts) {
                Ok(AuthKind::Header(_) | AuthKind::Presigned(_)) => verify_at(&parts, SECRET, NOW).is_ok(),
                Ok(AuthKind::SigV2 | AuthKind::SigV4a | AuthKind::Anonymous) | Err(_) => false,
            };
            prop_assert!(!accepted);
        }
    }

    #[test]
    fn one_changed_byte_in_the_credential_is_refused(query in any::<bool>(), at in any::<usize>(), byte in 0x21_u8..0x7f) {
        let location = if query { Query } else { Header };
        let mut parts = Client::default().request(location, "GET", "/b/k", &[], "UNSIGNED-PAYLOAD");
        let text = match parts.headers.get("authorization") {
            Some(value) => value.as_bytes().to_vec(),
            None => parts.uri.to_string().into_bytes(),
        };
        let mut changed = text.clone();
        let at = at % changed.len();
        changed[at] = byte;
        if query {
            match String::from_utf8(changed).expect("ASCII").parse() {
                Ok(uri) => parts.uri = uri,
                Err(_) => return Ok(()),
            }
        } else {
            parts.headers.insert("authorization", HeaderValue::from_bytes(&changed).expect("visible"));
        }
        let authenticated = matches!(AuthKind::of(&parts), Ok(AuthKind::Header(_) | AuthKind::Presigned(_)));
        let decoded = |text: &[u8]| percent_decode(text).collect::<Vec<u8>>();
        let same = match parts.headers.get("authorization") {
            // Whose key it is decides the look-up; the signature is over the scope only. A comma in the place of the space
            // behind another one is another spelling of the same components: between the two is nothing.
            Some(value) => {
                components(value.as_bytes()) == components(&text)
                    || !value.to_str().expect("ASCII").contains(ACCESS_KEY_ID)
            }
            // Another spelling of the same bytes is the same URL: `%2F` and `%2f`.
            None => decoded(parts.uri.to_string().as_bytes()) == decoded(&text),
        };
        let accepted = authenticated && verify_at(&parts, SECRET, NOW).is_ok();
        prop_assert!(!accepted || same, "{}", parts.uri);
    }

    #[test]
    fn random_bodies_do_not_panic(
        mode in prop::sample::select(Mode::ALL.to_vec()),
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), "[0-9a-f;=\r\nx:-]{0,80}".prop_map(String::into_bytes)],
        cut in any::<usize>(),
    ) {
        let (parts, _) = upload(Header, mode, b"12345", 8192);
        let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
        let _ = decode(&binding, &body, &[cut]);
    }

    #[test]
    fn one_changed_byte_in_a_signed_body_is_refused(at in any::<usize>(), by in 1_u8..255) {
        let (parts, mut framed) = upload(Header, Mode::SignedChunksTrailer, b"12345", 8192);
        let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
        let at = at % framed.len();
        let before = framed[at];
        framed[at] ^= by;
        if let Ok((payload, trailers)) = decode(&binding, &framed, &[]) {
            // Names of trailers may come in any case, spaces around a value and a bare line feed mean nothing.
            prop_assert!(payload == b"12345" && trailers.checksum() == Some(super::bodies::CHECKSUM), "{before} at {at}");
        }
    }

    #[test]
    fn random_fields_do_not_panic(text in "\\PC{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..70)) {
        let _ = (AmzDate::parse(&text), AmzDate::from_http_date(&text), Credential::parse(&text), Signature::parse(&bytes));
    }

    #[test]
    fn fault_stays_after_random_frames(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6)) {
        let (parts, _) = upload(Header, Mode::SignedChunks, b"12345", 8192);
        let mut decoder = verify_at(&parts, SECRET, NOW).expect("accepted").decoder().expect("framed");
        let mut first = None;
        for frame in frames {
            let found = decoder.next_payload(&mut Bytes::from(frame)).err();
            if first.is_some() {
                prop_assert!(found == first);
            }
            first = first.or(found);
        }
    }
}
