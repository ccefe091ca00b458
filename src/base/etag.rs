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
            Self::Md5(md5) => write_hex(f, md5.0),
            Self::Multipart(md5, parts) => {
                write_hex(f, md5.0)?;
                write!(f, "-{parts}")
            }
            Self::Opaque(random) => {
                write_hex(f, *random)?;
                f.write_str("-1")
            }
        }
    }
}

/// As `hex::encode`, which goes through an iterator of characters and onto the heap: a page of LIST has a thousand.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: [u8; 16]) -> fmt::Result {
    let mut digits = [0; 32];
    hex::encode_to_slice(bytes, &mut digits).map_err(|_| fmt::Error)?;
    f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
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
