//! The entity tag that clients see: a digest of the plaintext, never of what is stored.

use std::fmt;

/// An MD5 digest. Plaintext digests are secrets: no Debug, and never in a log or upstream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Md5(pub [u8; 16]);

/// A client-visible ETag (FORMAT.md, manifest field "ETag").
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ETag {
    /// MD5 of the plaintext: single PUT, POST, copy.
    Md5(Md5),
    /// MD5 of the parts' concatenated MD5s, and the number of parts in 1..=10000.
    Multipart(Md5, u16),
    /// 16 random bytes, shown with the suffix `-1`; for buckets that ask for no MD5.
    Opaque([u8; 16]),
}

/// Unquoted, as GetObjectAttributes shows it; headers and other XML put it in double quotes.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(md5) => f.write_str(&hex::encode(md5.0)),
            Self::Multipart(md5, parts) => write!(f, "{}-{parts}", hex::encode(md5.0)),
            Self::Opaque(random) => write!(f, "{}-1", hex::encode(random)),
        }
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ETag(..)")
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Md5(..)")
    }
}
