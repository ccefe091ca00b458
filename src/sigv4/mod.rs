//! AWS Signature Version 4 as S3 speaks it: which authentication a request carries, canonical requests, verification,
//! aws-chunked framing. Pure: no clock, no randomness, no look-up of keys.
//!
//! A request goes through three types, so that no step can be left out:
//!
//! ```text
//! AuthKind::of(&parts)          decides once; everything later comes from the one Claim it made
//!   -> Claim::admit(now, ..)    skew, expiry, region: before anybody looks up a key
//!   -> Admitted::verify(key)    the signature, whatever the payload mode; yields the PayloadBinding
//!   -> PayloadBinding           what the body must prove; ChunkDecoder checks the framed ones
//! ```
//!
//! Sources: AWS "Signature Calculations for the Authorization Header" (single chunk, multiple chunks, trailing headers)
//! and "Authenticating Requests: Using Query Parameters".

mod auth_kind;
mod canonical;
mod chunk_line;
mod chunked;
mod claim;
mod date;
mod encoding;
mod fault;
mod payload;
mod query;
mod scope;
mod signed_headers;
mod signing;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trailer_block;

pub use auth_kind::AuthKind;
pub use canonical::CanonicalRequest;
pub use chunked::{ChunkDecoder, ChunkFault};
pub use claim::{Admitted, Claim, CredentialLocation, MAX_CLOCK_SKEW, MAX_PRESIGNED_LIFETIME, RegionPolicy};
pub use date::AmzDate;
pub use fault::{CredentialFault, ExpiresFault, SigV4Fault, SignatureMismatch};
pub use payload::{PayloadBinding, TrailerRule};
pub use scope::{Credential, CredentialScope};
pub use signing::{ChunkChain, Signature, SigningKey, StringToSign};
pub use trailer_block::Trailers;
