//! The name that an object is bound to: bucket id and key, hashed.

use aws_lc_rs::digest;

use crate::base::BucketId;

/// N of FORMAT.md, "Names": SHA-256 over the bucket's id and the key's bytes. The id has a fixed width and stands first,
/// so no key can be taken for a piece of a bucket's name (`data` + `base/x`, `database` + `/x`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName([u8; 32]);

impl ObjectName {
    /// The name of `key` (percent-decoded bytes) in the bucket with this id.
    pub fn new(bucket: &BucketId, key: &[u8]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"crypt-keeper.v1 name\0");
        hash.update(bucket.as_bytes());
        hash.update(key);
        Self(super::context::digest32(hash))
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::ObjectName;
    use crate::base::BucketId;

    /// FORMAT.md: "An object MUST NOT open under another key or bucket."
    #[test]
    fn bucket_and_key_do_not_run_together() {
        let (data, database) = (BucketId::from_bytes([1; 16]), BucketId::from_bytes([2; 16]));
        assert_ne!(ObjectName::new(&data, b"base/x"), ObjectName::new(&database, b"/x"));
        assert_ne!(ObjectName::new(&data, b"a"), ObjectName::new(&data, b"a/"));
        assert_ne!(ObjectName::new(&data, b"a/../b"), ObjectName::new(&data, b"b"));
    }
}
