//! Where plaintext comes from: a client's body, or another object.

use async_trait::async_trait;
use bytes::Bytes;

use crate::hashing::{DigestSet, Digests};

/// Plaintext on its way into an object. The length is promised beforehand, beside the source.
#[async_trait]
pub trait PlainSource: Send {
    /// The digests that [`PlainSource::verify`] needs, made in the same pass as those that are stored.
    fn wants(&self) -> DigestSet;

    /// The next bytes, never empty; `None` at the end. An error ends the write and publishes nothing.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyRefused>;

    /// Called once, after the end, with digests of exactly the bytes that came: the sender's own proof of the
    /// body (payload hash, chunk signatures, trailer, Content-MD5) is checked here, before anything is published.
    fn verify(&mut self, digests: &Digests) -> Result<(), BodyRefused>;
}

/// The body is refused. The source keeps the reason for its owner; this layer only stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body was refused")]
pub struct BodyRefused;
