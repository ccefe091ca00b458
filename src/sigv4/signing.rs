//! Keys and signatures: the string to sign, the derived signing key, and the chain that chunk signatures form.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::date::AmzDate;
use super::scope::CredentialScope;

/// SHA-256 of nothing, in hex: a fixed line in the string to sign of every chunk.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A signature, decoded. Compared in constant time; never shown by Debug, since a presigned one is a credential.
#[derive(Clone, Copy)]
pub struct Signature([u8; 32]);

impl Signature {
    /// From exactly 64 lower-case hex digits: one signature has one spelling.
    pub fn parse(text: &[u8]) -> Option<Self> {
        lower_hex_32(text).map(Self)
    }

    /// Its 64 hex digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Compares in constant time.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// 32 bytes from exactly 64 lower-case hex digits.
pub(super) fn lower_hex_32(text: &[u8]) -> Option<[u8; 32]> {
    let lower = text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; 32];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// The key of one access key, day and region. The HMAC state is cleansed when the last handle goes.
#[derive(Clone)]
pub struct SigningKey(Arc<hmac::Key>);

impl SigningKey {
    /// `HMAC(HMAC(HMAC(HMAC("AWS4" + secret, day), region), "s3"), "aws4_request")`.
    pub fn derive(secret_access_key: &str, scope: &CredentialScope) -> Self {
        let start = Zeroizing::new([b"AWS4", secret_access_key.as_bytes()].concat());
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, &start);
        for step in [scope.day(), scope.region(), "s3", "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, step.as_bytes()).as_ref());
        }
        Self(Arc::new(key))
    }

    /// Signs the text of a string to sign.
    pub fn sign(&self, text: &str) -> Signature {
        let mut signature = [0; 32];
        signature.copy_from_slice(hmac::sign(&self.0, text.as_bytes()).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// What the signature of a request is over; Display is the exact text.
pub struct StringToSign<'a> {
    /// The request's time.
    pub signed_at: AmzDate,
    /// The credential's scope.
    pub scope: &'a CredentialScope,
    /// SHA-256 of the canonical request.
    pub canonical_request_sha256: [u8; 32],
}

impl fmt::Display for StringToSign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = hex::encode(self.canonical_request_sha256);
        write!(f, "AWS4-HMAC-SHA256\n{}\n{}\n{hash}", self.signed_at, self.scope)
    }
}

/// The chain of signatures through a framed body: each one is over the one before it, the first over the request's.
/// So a verified request is where it starts, and no chunk can be dropped, moved or taken from another upload.
#[derive(Clone, Debug)]
pub struct ChunkChain {
    key: SigningKey,
    signed_at: AmzDate,
    scope: CredentialScope,
    previous: Signature,
}

impl ChunkChain {
    /// A chain that starts at the verified signature of a request.
    pub(super) const fn new(key: SigningKey, signed_at: AmzDate, scope: CredentialScope, seed: Signature) -> Self {
        Self { key, signed_at, scope, previous: seed }
    }

    /// Whether `given` is the signature of the next chunk, whose payload has this SHA-256; if so, the chain moves on.
    #[must_use]
    pub(super) fn accept_chunk(&mut self, payload: &digest::Digest, given: &Signature) -> bool {
        let last_lines = format!("{EMPTY_SHA256}\n{}", hex::encode(payload));
        self.accept("AWS4-HMAC-SHA256-PAYLOAD", &last_lines, given)
    }

    /// The same for the trailer, whose text is `name:value\n`.
    #[must_use]
    pub(super) fn accept_trailer(&mut self, trailer: &str, given: &Signature) -> bool {
        let hash = hex::encode(digest::digest(&digest::SHA256, trailer.as_bytes()));
        self.accept("AWS4-HMAC-SHA256-TRAILER", &hash, given)
    }

    fn accept(&mut self, algorithm: &str, last_lines: &str, given: &Signature) -> bool {
        let previous = self.previous.to_hex();
        let text = format!("{algorithm}\n{}\n{}\n{previous}\n{last_lines}", self.signed_at, self.scope);
        let expected = self.key.sign(&text);
        self.previous = expected;
        expected.same_as(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signature that can be spelled in two ways can be replayed past a cache of seen ones, and hides sloppy parsing.
    #[test]
    fn signature_has_one_spelling() {
        let hex64 = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert_eq!(Signature::parse(hex64.as_bytes()).expect("sound").to_hex(), hex64);
        for wrong in [
            hex64.to_uppercase(),
            hex64[..63].to_owned(),
            format!("{hex64}0"),
            format!(" {}", &hex64[..63]),
            format!("{hex64} "),
            "g".repeat(64),
            String::new(),
        ] {
            assert!(Signature::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let signature = Signature([0xab; 32]);
        assert_eq!(format!("{signature:?}"), "Signature(..)");
        let scope = super::super::Credential::parse("A/20130524/r/s3/aws4_request").expect("sound");
        let key = SigningKey::derive("hunter2", scope.scope());
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }
}
