//! A signed head. A fuzzer cannot sign, so the target does: what the server says it would have signed is signed, and
//! everything behind the signature comes into reach.

use crypt_keeper::base::Timestamp;
use crypt_keeper::s3::{Addressing, parse};
use crypt_keeper::sigv4::{AuthKind, PayloadBinding, RegionPolicy, SigV4Fault, SignatureMismatch, SigningKey};
use http::request::Parts;

use super::Outcome;
use super::request::head as read;

/// 2013-05-24T00:00:00Z, when AWS's examples are sent.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_369_353_600);
/// The secret of AWS's examples.
pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Any head: no panic; a signature holds for its own request only.
pub(super) fn head(input: &[u8]) -> Outcome {
    let Some(parts) = read(input) else { return Outcome::Refused };
    match verify(&parts) {
        Ok(_) => {}
        Err(SigV4Fault::SignatureMismatch(shown)) => match sign(input, &shown) {
            Some(_) => {}
            None => return Outcome::Refused,
        },
        Err(_) => return Outcome::Refused,
    }
    // The same path and query as authn saw them must be what the operation works on, or be refused.
    let _ = parse(&parts.method, &parts.uri, &parts.headers, &Addressing::default());
    Outcome::Accepted
}

/// The head with the signature that it should have had, verified; `None` where that cannot be put in its place.
pub(super) fn sign(input: &[u8], shown: &SignatureMismatch) -> Option<PayloadBinding> {
    let parts = read(input)?;
    let (AuthKind::Header(claim) | AuthKind::Presigned(claim)) = AuthKind::of(&parts).ok()? else { return None };
    let admitted = claim.admit(NOW, &RegionPolicy::Any).ok()?;
    let key = SigningKey::derive(SECRET, admitted.credential().scope());
    let right = key.sign(&shown.string_to_sign).to_hex();
    assert_ne!(right, shown.signature_provided, "a right signature was refused");

    // It must stand in the head once: as a part of anything that is signed it would change what is signed.
    let text = std::str::from_utf8(input).ok()?;
    if text.matches(&shown.signature_provided).count() != 1 {
        return None;
    }
    let signed = text.replace(&shown.signature_provided, &right);
    let parts = read(signed.as_bytes())?;
    let binding = verify(&parts);
    let binding = binding.unwrap_or_else(|fault| panic!("rightly signed and refused: {fault:?}\n{signed}"));

    // With one signed bit changed it must not pass: the method is always signed.
    let mut other = parts;
    other.method = if other.method == http::Method::GET { http::Method::PUT } else { http::Method::GET };
    assert!(verify(&other).is_err(), "the method is not signed");
    Some(binding)
}

/// Verifies a head as the server does.
pub(super) fn verify(parts: &Parts) -> Result<PayloadBinding, SigV4Fault> {
    let (AuthKind::Header(claim) | AuthKind::Presigned(claim)) = AuthKind::of(parts)? else {
        return Err(SigV4Fault::UnsupportedMechanism);
    };
    let admitted = claim.admit(NOW, &RegionPolicy::Any)?;
    admitted.verify(&SigningKey::derive(SECRET, admitted.credential().scope()))
}
