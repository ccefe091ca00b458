//! Limits of S3 that more than one module needs. A module's own limits stand in that module.

/// S3: parts are numbered 1 to 10,000 (AWS "Amazon S3 multipart upload limits").
pub const MAX_PART_NUMBER: u16 = 10_000;
/// S3: every part but the last has at least 5 MiB of plaintext.
pub const MIN_PART_BYTES: u64 = 5 << 20;
/// The store behind us takes at most 5 GiB in one PUT or part (AWS); ours are ciphertext and a little longer than the plaintext.
pub const MAX_STORED_PUT_BYTES: u64 = 5 << 30;
/// S3: an object has at most 50 TB (AWS, PutObject model of 2026).
pub const MAX_OBJECT_BYTES: u64 = 50_000_000_000_000;
/// S3: a key has at most 1024 bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;
/// S3: the names and values of user metadata together, in bytes.
pub const MAX_USER_METADATA_BYTES: usize = 2048;
/// S3: a listing returns at most this many entries.
pub const MAX_LIST_ENTRIES: u32 = 1000;
/// S3: DeleteObjects takes at most this many keys.
pub const MAX_DELETE_KEYS: usize = 1000;
/// The bucket of our own at every upstream (key mirror, held-back tails). Clients can neither name nor see it.
pub const INTERNAL_BUCKET: &str = "crypt-keeper-internal";
