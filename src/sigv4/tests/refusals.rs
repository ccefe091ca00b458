//! Heads that must be refused, one test per trap.

use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;

use crate::base::Timestamp;
use crate::sigv4::CredentialLocation::{Header, Query};
use crate::sigv4::testing::{Client, EMPTY_SHA256, NOW, SECRET, verify_at, verify_in};
use crate::sigv4::{CredentialFault, CredentialLocation, ExpiresFault, RegionPolicy, SigV4Fault};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const HOUR: Duration = Duration::from_secs(3600);

fn get(location: CredentialLocation) -> Parts {
    Client::default().request(location, "GET", "/b/k", &[], UNSIGNED)
}

fn with_header(mut parts: Parts, name: &'static str, value: &'static str) -> Parts {
    parts.headers.append(name, HeaderValue::from_static(value));
    parts
}

fn with_uri(mut parts: Parts, from: &str, to: &str) -> Parts {
    let before = parts.uri.to_string();
    assert!(before.contains(from), "{before} has no {from}");
    parts.uri = before.replacen(from, to, 1).parse().expect("a URI");
    parts
}

fn before(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_unix_millis(at.unix_millis() - i64::try_from(by.as_millis()).expect("small"))
}

/// Without it a captured request is good for ever.
#[test]
fn header_request_is_good_for_fifteen_minutes_either_way() {
    let skew = Duration::from_secs(900);
    for sound in [NOW, NOW.plus(skew), before(NOW, skew)] {
        assert!(verify_at(&get(Header), SECRET, sound).is_ok());
    }
    let more = skew + Duration::from_millis(1);
    for stale in [NOW.plus(more), before(NOW, more)] {
        let found = verify_at(&get(Header), SECRET, stale);
        assert!(matches!(found, Err(SigV4Fault::RequestTimeTooSkewed { request_time, server_time })
                if request_time.timestamp() == NOW && server_time == stale));
    }
}

/// Others refused presigned URLs after 15 minutes, whatever they said.
#[test]
fn presigned_lives_as_long_as_it_says() {
    let client = Client { expires: HOUR * 2, ..Client::default() };
    let parts = client.request(Query, "GET", "/b/k", &[], UNSIGNED);
    assert!(verify_at(&parts, SECRET, NOW.plus(HOUR * 2)).is_ok());
    let after = NOW.plus(HOUR * 2 + Duration::from_millis(1));
    let found = verify_at(&parts, SECRET, after);
    assert!(matches!(found, Err(SigV4Fault::Expired { expires_seconds: 7200, expired_at, server_time })
        if expired_at == NOW.plus(HOUR * 2) && server_time == after));
}

#[test]
fn presigned_from_the_future_is_not_valid_yet() {
    assert!(verify_at(&get(Query), SECRET, before(NOW, Duration::from_secs(900))).is_ok());
    let found = verify_at(&get(Query), SECRET, before(NOW, Duration::from_secs(901)));
    assert!(matches!(found, Err(SigV4Fault::NotYetValid)));
}

#[test]
fn presigned_lives_seven_days_at_most() {
    let week = Duration::from_secs(604_800);
    let parts = |expires| Client { expires, ..Client::default() }.request(Query, "GET", "/b/k", &[], UNSIGNED);
    assert!(verify_at(&parts(week), SECRET, NOW.plus(week)).is_ok());
    let found = verify_at(&parts(week + Duration::from_secs(1)), SECRET, NOW);
    assert!(matches!(found, Err(SigV4Fault::Expires(ExpiresFault::TooLarge))));
}

#[test]
fn expires_that_is_no_number_of_seconds() {
    for (value, fault) in [
        ("x", ExpiresFault::NotANumber),
        ("", ExpiresFault::NotANumber),
        ("-", ExpiresFault::NotANumber),
        ("1.5", ExpiresFault::NotANumber),
        ("%2B1", ExpiresFault::NotANumber),
        ("-1", ExpiresFault::Negative),
        ("99999999999999999999999999", ExpiresFault::TooLarge),
    ] {
        let parts = with_uri(get(Query), "X-Amz-Expires=86400", &format!("X-Amz-Expires={value}"));
        let found = verify_at(&parts, SECRET, NOW);
        assert!(matches!(found, Err(SigV4Fault::Expires(found)) if found == fault), "{value}");
    }
}

#[test]
fn wrong_region_names_the_expected_one() {
    let regions = RegionPolicy::Only { canonical: "eu-central-1".into(), aliases: vec!["auto".into()] };
    for location in [Header, Query] {
        let request = |region| Client { region, ..Client::default() }.request(location, "GET", "/b/k", &[], UNSIGNED);
        for sound in ["eu-central-1", "auto"] {
            assert!(verify_in(&request(sound), SECRET, NOW, &regions).is_ok());
        }
        let expected = CredentialFault::Region { expected: "eu-central-1".into(), given: "us-east-1".into() };
        assert!(matches!(verify_in(&request("us-east-1"), SECRET, NOW, &regions),
            Err(SigV4Fault::Credential { location: at, fault }) if at == location && fault == expected));
    }
}

#[test]
fn credential_of_another_day_is_refused() {
    let parts = with_uri(get(Query), "X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130523T235959Z");
    let found = verify_at(&parts, SECRET, NOW);
    let expected = CredentialFault::DateMismatch { credential: "20130524".into(), request: "20130523".into() };
    assert!(matches!(found, Err(SigV4Fault::Credential { location: Query, fault }) if fault == expected));

    let mut parts = get(Header);
    parts.headers.insert("x-amz-date", HeaderValue::from_static("20130523T235959Z"));
    let found = verify_at(&parts, SECRET, NOW);
    assert!(matches!(found, Err(SigV4Fault::Credential { location: Header, .. })));
}

#[test]
fn no_date_or_no_sound_one() {
    let mut parts = get(Header);
    parts.headers.remove("x-amz-date");
    assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::MissingDate)));
    parts.headers.insert("x-amz-date", HeaderValue::from_static("yesterday"));
    assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::MissingDate)));
}

/// CVE-2026-54330: a presigned PUT became a copy of whatever its signer could read.
#[test]
fn unsigned_x_amz_header_is_refused_wherever_the_credential_is() {
    for location in [Header, Query] {
        for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-tagging", "x-amz-meta-a", "x-amz-storage-class"] {
            let found = verify_at(&with_header(get(location), name, "v"), SECRET, NOW);
            assert!(matches!(found, Err(SigV4Fault::HeadersNotSigned(names)) if names == [name]), "{name}");
        }
        assert!(verify_at(&with_header(get(location), "x-amzn-trace-id", "v"), SECRET, NOW).is_ok());
        assert!(verify_at(&with_header(get(location), "content-type", "v"), SECRET, NOW).is_ok());
    }
}

/// The same for a second value of a header that is signed.
#[test]
fn value_added_to_a_signed_header_is_refused() {
    for location in [Header, Query] {
        let parts = Client::default().request(location, "PUT", "/b/k", &[("x-amz-meta-a", "1")], UNSIGNED);
        let found = verify_at(&with_header(parts, "x-amz-meta-a", "2"), SECRET, NOW);
        assert!(matches!(found, Err(SigV4Fault::SignatureMismatch(_))));
    }
}

#[test]
fn another_method_is_refused() {
    for location in [Header, Query] {
        let mut parts = get(location);
        parts.method = http::Method::DELETE;
        assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::SignatureMismatch(_))));
    }
}

#[test]
fn parameter_added_to_a_presigned_url_is_refused() {
    for added in ["&versionId=1", "&response-content-type=text/html", "&x-amz-acl=public-read", "&x-amz-signature=s"] {
        let mut parts = get(Query);
        parts.uri = format!("{}{added}", parts.uri).parse().expect("a URI");
        assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::SignatureMismatch(_))), "{added}");
    }
}

/// We issue none. In the query it is part of what is signed, so it cannot be added or dropped either.
#[test]
fn session_token_is_refused() {
    let token = [("x-amz-security-token", "token")];
    let parts = Client::default().request(Header, "GET", "/b/k", &token, UNSIGNED);
    assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::SessionToken)));
    let parts = Client::default().request(Query, "GET", "/b/k?X-Amz-Security-Token=token", &[], UNSIGNED);
    assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::SessionToken)));
    let parts = Client::default().request(Query, "GET", "/b/k?X-Amz-Security-Token=", &[], UNSIGNED);
    assert!(verify_at(&parts, SECRET, NOW).is_ok());
    let parts = with_uri(parts, "X-Amz-Security-Token=&", "");
    assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::SignatureMismatch(_))));
}

#[test]
fn header_request_needs_content_sha256() {
    let mut parts = get(Header);
    parts.headers.remove("x-amz-content-sha256");
    assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::ContentSha256Missing)));
    let parts = with_header(get(Header), "x-amz-content-sha256", UNSIGNED);
    assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::ContentSha256Invalid)));
}

/// The payload line of a header-signed request is the header and nothing else: it cannot be downgraded.
#[test]
fn signed_hash_cannot_be_swapped_for_unsigned_payload() {
    for (signed, sent) in [(EMPTY_SHA256, UNSIGNED), (UNSIGNED, EMPTY_SHA256)] {
        let parts = Client::default().request_pinned(Header, "PUT", "/b/k", &[], signed, sent);
        assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::SignatureMismatch(_))));
    }
}

/// A presigner may pin the body's hash in the signature; one that did not still gets the hash that was sent enforced.
#[test]
fn hash_with_a_presigned_url_is_enforced_pinned_or_not() {
    for signed in [EMPTY_SHA256, UNSIGNED] {
        let parts = Client::default().request_pinned(Query, "PUT", "/b/k", &[], signed, EMPTY_SHA256);
        let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
        assert!(matches!(binding, crate::sigv4::PayloadBinding::Sha256(hash) if hex::encode(hash) == EMPTY_SHA256));
    }
    let target = format!("/b/k?X-Amz-Content-Sha256={EMPTY_SHA256}");
    let mut parts = Client::default().request_pinned(Query, "PUT", &target, &[], UNSIGNED, EMPTY_SHA256);
    parts.headers.remove("x-amz-content-sha256");
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    assert!(matches!(binding, crate::sigv4::PayloadBinding::Sha256(_)));
}

/// Dropping the hash that was pinned does not make the body free.
#[test]
fn pinned_hash_cannot_be_dropped() {
    for sent in [None, Some(UNSIGNED)] {
        let mut parts = Client::default().request_pinned(Query, "PUT", "/b/k", &[], EMPTY_SHA256, UNSIGNED);
        if sent.is_none() {
            parts.headers.remove("x-amz-content-sha256");
        }
        assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::SignatureMismatch(_))));
    }
}

#[test]
fn hash_in_query_and_header_must_agree() {
    let target = format!("/b/k?x-amz-content-sha256={EMPTY_SHA256}");
    let parts = Client::default().request_pinned(Query, "PUT", &target, &[], UNSIGNED, EMPTY_SHA256);
    assert!(verify_at(&parts, SECRET, NOW).is_ok());
    let parts = Client::default().request_pinned(Query, "PUT", &target, &[], UNSIGNED, UNSIGNED);
    assert!(matches!(verify_at(&parts, SECRET, NOW), Err(SigV4Fault::ContentSha256Invalid)));
}

#[test]
fn presigned_signature_has_one_spelling() {
    let parts = get(Query);
    let signature = crate::sigv4::testing::signature_of(&parts);
    for wrong in [signature.to_uppercase(), signature[1..].to_owned(), format!("{signature}0"), String::new()] {
        let parts = with_uri(get(Query), &signature, &wrong);
        let found = verify_at(&parts, SECRET, NOW);
        assert!(matches!(found, Err(SigV4Fault::MalformedQueryParameter("X-Amz-Signature"))), "{wrong}");
    }
}

/// Everything that `Debug` of a fault could bring into a log.
#[test]
fn faults_do_not_log_signatures() {
    for location in [Header, Query] {
        let parts = get(location);
        let fault = verify_at(&parts, "another", NOW).expect_err("refused");
        assert!(!format!("{fault:?} {fault}").contains(&crate::sigv4::testing::signature_of(&parts)));
    }
}
