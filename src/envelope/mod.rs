//! The object format, version 1, as pure functions: no I/O, no clock, no randomness but what is passed in.
//!
//! The map, from the ground up:
//! - [`cobblestone`]: the one construction, Cobblestone-256, on [`aead`]; [`layout`]: its arithmetic of lengths.
//! - [`keys`]: what is derived from a DEK; [`context`]: what Vault and the keyring bind keys to; [`wrap`]: the DEK, wrapped.
//! - [`name`]: the name that an object is bound to.
//! - [`part`]: sealing a body, [`open`]: opening it or a range of it. Both stream and never hold a body.
//! - [`manifest`], [`trailer`], [`footer`]: what stands behind the body and says how to read it.
//! - [`record`]: small sealed rows of the database.
//!
//! Whoever writes: [`BodyKeys::derive`], [`PartSealer`], [`seal_footer`].
//! Whoever reads: [`Trailer::parse`], unwrap, [`Trailer::verify`], [`Footer::range`], [`RangeOpener`].
#![doc = include_str!("FORMAT.md")]

mod aead;
pub mod cobblestone;
pub mod context;
pub mod error;
pub mod footer;
pub mod keys;
pub mod layout;
pub mod manifest;
mod manifest_wire;
pub mod name;
pub mod open;
pub mod part;
pub mod record;
pub mod trailer;
pub mod wrap;

pub use cobblestone::Salt;
pub use error::{FormatError, ManifestFault, SealError};
pub use footer::{Footer, PartSpan, RangePlan, seal_footer, sealed_footer_len};
pub use keys::{BodyKeys, Dek, index_key};
pub use manifest::{ContentHeader, Manifest, ManifestPart, ManifestShape};
pub use name::ObjectName;
pub use open::{RangeOpener, Verified};
pub use part::{PartSealer, Progress, SealedPart};
pub use record::{RecordKey, open_record, seal_record};
pub use trailer::{TRAILER_BYTES, Trailer};
pub use wrap::{Scheme, WrapBinding, WrappedDek, unwrap_dek, wrap_binding, wrap_dek};

/// The format version that this module writes, and the only one that it reads.
pub const FORMAT_VERSION: u8 = 1;

#[cfg(test)]
mod tests;
