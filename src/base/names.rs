//! Names of buckets and objects as S3 has them; anything that holds one has been checked.

use std::fmt;
use std::sync::Arc;

use super::limits::MAX_KEY_BYTES;

/// A bucket's name: 3 to 63 of `a-z 0-9 . -`, as AWS "Bucket naming rules" has it for new buckets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

impl BucketName {
    /// `None` when the name breaks S3's rules.
    pub fn parse(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-' || *b == b'.';
        let ends = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let sound = (3..=63).contains(&bytes.len())
            && bytes.iter().all(allowed)
            && ends(bytes.first())
            && ends(bytes.last())
            && !name.contains("..")
            && !is_ipv4_shaped(name);
        sound.then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_ipv4_shaped(name: &str) -> bool {
    name.split('.').count() == 4 && name.split('.').all(|label| label.parse::<u8>().is_ok())
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object's key: the percent-decoded name, 1 to 1024 bytes of UTF-8, anything else goes
/// (`..`, `//`, a leading or trailing `/`, control characters).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// `None` when it is empty or longer than 1024 bytes.
    pub fn parse(key: &str) -> Option<Self> {
        (1..=MAX_KEY_BYTES).contains(&key.len()).then(|| Self(key.into()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its bytes, as the name binding hashes them.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
