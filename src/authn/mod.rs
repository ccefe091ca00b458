//! Who sent this request: a [`SigV4`](crate::sigv4) claim, an access key, and the proof that they belong together.
//!
//! Only [`Authenticator::authenticate`] makes an [`Authenticated`]; whoever holds one knows that the signature was
//! verified, whatever the payload mode and wherever the credential stood.

mod authenticator;
mod keys;
mod signing_keys;
#[cfg(test)]
mod tests;

pub use authenticator::{Authenticated, Authenticator, AuthnFault};
pub use keys::{AccessKey, AccessKeyStatus, AccessKeys, AccessKeysUnavailable, Principal, PrincipalKind};

pub use crate::sigv4::{CredentialLocation, PayloadBinding, RegionPolicy};
