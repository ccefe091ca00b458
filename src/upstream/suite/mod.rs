//! What every upstream must do: one function per promise, run against each implementation by [`upstream_suite`].
//! A case gets a [`Fixture`] with an empty bucket of its own and may make others.

pub(crate) mod bucket;
pub(crate) mod condition;
pub(crate) mod list;
pub(crate) mod multipart;
pub(crate) mod object;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use crate::base::{BucketName, ObjectKey};
use crate::upstream::{
    BodyAborted, BodyReader, BodySource, KeyKind, ObjectRef, PutBody, StoredFacts, StoredRange, Tags, UploadRef,
    Upstream, UpstreamError, UpstreamEtag, WriteCondition,
};

/// Makes a `#[tokio::test]` of every case; `$fresh` is an async function that returns a [`Fixture`]. With a reason to
/// `ignore` them, they run on demand.
macro_rules! upstream_suite {
    ($fresh:path $(, ignore = $reason:literal)?) => {
        $crate::upstream::suite::upstream_suite!(@all $fresh, [$($reason)?];
            bucket: { life_cycle, uploads_count_as_content, missing_bucket_is_told_everywhere }
            object: {
                put_get_round_trip, ranges, suffix_of_an_empty_object, read_is_pinned_by_if_match, overwrite_replaces,
                delete_is_idempotent, delete_objects_answers_each, special_keys, tags_live_with_the_object,
                refused_bodies_publish_nothing, get_survives_overwrite_and_delete, etag_changes_with_every_write,
            }
            condition: {
                put_conditions, delete_conditions, complete_conditions, racing_creates_have_one_winner,
                racing_replacements_have_one_winner, failed_condition_is_told_before_the_body,
            }
            multipart: {
                parts_in_any_order, range_reads_span_parts, resent_part_replaces, subset_completes, complete_twice,
                bad_part_lists_are_refused, part_10001_is_taken, abort_forgets, late_part_is_refused,
                refused_part_bodies_keep_the_earlier_part, part_copy, lists_are_paged, tags_of_the_upload,
                one_small_part, get_survives_delete_of_many_parts,
            }
            list: { pages_match_the_model, common_prefix_is_passed_as_a_whole, nothing_to_list }
        );
    };
    (@all $fresh:path, $ignore:tt; $($module:ident: { $($case:ident),* $(,)? })*) => {
        $(mod $module {
            $($crate::upstream::suite::upstream_suite!(@case $fresh, $ignore, $module, $case);)*
        })*
    };
    (@case $fresh:path, [$($reason:literal)?], $module:ident, $case:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[ignore = $reason])?
        async fn $case() {
            $crate::upstream::suite::$module::$case(&$fresh().await).await;
        }
    };
}
pub(crate) use upstream_suite;

/// An upstream under test.
pub(crate) struct Fixture {
    /// The upstream.
    pub(crate) upstream: Arc<dyn Upstream>,
    /// An empty bucket that nobody else uses.
    pub(crate) bucket: BucketName,
    /// What it does otherwise than S3.
    pub(crate) quirks: &'static [Quirk],
    /// Kept while the test runs: a directory, a process.
    pub(crate) _keep: Box<dyn Any + Send + Sync>,
}

/// A difference from S3 that an implementation is known to have, with what it takes to live with it. Where a quirk is
/// named, the suite asserts the difference; everywhere else it asserts S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quirk {
    /// A body that fits one buffer is read before the first byte of its request is sent, so that it can be sent again.
    /// What must be refused without reading a body can only be shown with a long one. (The S3 upstream, by design.)
    SmallBodiesAreReadFirst,
    /// There is no part 10,001, as in S3 itself. (`local` has one.)
    PartsEndAt10000,
    /// A bucket with uploads in flight can be deleted, and takes them with it.
    UploadsDoNotKeepTheirBucket,
    /// `If-Match` of a DELETE is not looked at: the object is gone.
    ConditionsOnDeleteAreIgnored,
    /// Aborting an upload that is not there succeeds.
    AbortingNothingSucceeds,
    /// Keys are paths: what no file can be called is refused, a slash at the start is dropped (so that `/a` is `a`),
    /// beside `a` there can be `a/b` but it is not listed, and no upload can be begun for a key that ends in a slash.
    KeysArePaths,
    /// Tags have letters without accents only.
    TagsAreAscii,
}

impl Fixture {
    pub(crate) fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// Whether a key cannot be used as it is.
    pub(crate) fn mistakes(&self, key: &str) -> bool {
        self.has(Quirk::KeysArePaths)
            && [KeyKind::DotSegment, KeyKind::EmptySegment, KeyKind::LongSegment].iter().any(|kind| kind.has(key))
    }

    /// Those of `keys` that can all be there at once.
    pub(crate) fn usable<'a>(&self, keys: &[&'a str]) -> Vec<&'a str> {
        let hides =
            |key: &str| keys.iter().any(|other| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('/')));
        let usable = |key: &&str| !(self.mistakes(key) || self.has(Quirk::KeysArePaths) && hides(key));
        keys.iter().copied().filter(usable).collect()
    }

    /// A length at which a body is not read before its request is heard.
    pub(crate) fn unread_bytes(&self) -> u64 {
        if self.has(Quirk::SmallBodiesAreReadFirst) { 16 << 20 } else { 1 }
    }

    pub(crate) fn object(&self, key: &str) -> ObjectRef {
        ObjectRef::current(&self.bucket, &self::key(key))
    }

    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> StoredFacts {
        self.try_put(key, bytes, WriteCondition::None).await.expect("a PUT")
    }

    pub(crate) async fn try_put(
        &self,
        key: &str,
        bytes: &[u8],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        let mut source = Bytes::new(bytes);
        let body = PutBody { stored_bytes: bytes.len() as u64, source: &mut source };
        self.upstream.put_object(&self.bucket, &self::key(key), body, condition, &Tags::new()).await
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Vec<u8>, UpstreamError> {
        let reply = self.upstream.get_object(&self.object(key), StoredRange::Whole, None).await?;
        read_all(reply.body).await
    }

    /// Bytes of a range, checked against what the reply promises.
    pub(crate) async fn get_range(&self, key: &str, range: StoredRange) -> Result<(u64, Vec<u8>), UpstreamError> {
        let reply = self.upstream.get_object(&self.object(key), range, None).await?;
        let bytes = read_all(reply.body).await?;
        assert_eq!(bytes.len() as u64, reply.len, "{range:?}");
        Ok((reply.offset, bytes))
    }

    pub(crate) async fn head(&self, key: &str) -> Result<StoredFacts, UpstreamError> {
        self.upstream.head_object(&self.object(key)).await
    }

    pub(crate) async fn begin(&self, key: &str) -> UploadRef {
        self.upstream.create_multipart(&self.bucket, &self::key(key), &Tags::new()).await.expect("an upload")
    }

    pub(crate) async fn part(&self, upload: &UploadRef, number: u16, bytes: &[u8]) -> UpstreamEtag {
        self.try_part(upload, number, bytes).await.expect("a part")
    }

    pub(crate) async fn try_part(
        &self,
        upload: &UploadRef,
        number: u16,
        bytes: &[u8],
    ) -> Result<UpstreamEtag, UpstreamError> {
        let mut source = Bytes::new(bytes);
        let body = PutBody { stored_bytes: bytes.len() as u64, source: &mut source };
        let part = self.upstream.upload_part(upload, number, body).await?;
        assert_eq!((part.number, part.stored_bytes), (number, bytes.len() as u64));
        Ok(part.etag)
    }

    pub(crate) async fn complete(
        &self,
        upload: &UploadRef,
        parts: &[(u16, UpstreamEtag)],
    ) -> Result<StoredFacts, UpstreamError> {
        self.upstream.complete_multipart(upload, parts, WriteCondition::None).await
    }
}

/// A key that is legal by construction.
pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).expect("a legal key")
}

/// Bytes that differ by `seed` and have no period that a wrong offset could hide behind.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A body in memory, handed out in pieces of odd sizes.
pub(crate) struct Bytes<'a> {
    left: &'a [u8],
    after: AfterBytes,
}

/// How a body ends.
#[derive(Clone, Copy)]
pub(crate) enum AfterBytes {
    End,
    Refusal,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, after: AfterBytes::End }
    }

    pub(crate) fn then_refused(bytes: &'a [u8]) -> Self {
        Self { left: bytes, after: AfterBytes::Refusal }
    }
}

#[async_trait]
impl BodySource for Bytes<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        assert!(into.len() >= crate::upstream::MIN_BUFFER_BYTES, "a buffer of {} bytes", into.len());
        if self.left.is_empty() {
            return match self.after {
                AfterBytes::End => Ok(0),
                AfterBytes::Refusal => Err(BodyAborted),
            };
        }
        // 65,521 is prime: reads never line up with the upstream's buffers.
        let len = self.left.len().min(into.len()).min(65_521);
        let (now, later) = self.left.split_at(len);
        into[..len].copy_from_slice(now);
        self.left = later;
        tokio::task::yield_now().await;
        Ok(len)
    }
}

/// A body whose source must not be asked.
pub(crate) struct Untouched;

#[async_trait]
impl BodySource for Untouched {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, BodyAborted> {
        panic!("the body was read although the request had to be refused before it")
    }
}

/// Reads to the end, and once more: the end stays the end.
pub(crate) async fn read_all(mut body: Box<dyn BodyReader>) -> Result<Vec<u8>, UpstreamError> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 80 << 10];
    loop {
        match body.read(&mut buffer).await? {
            0 => break,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    assert_eq!(body.read(&mut buffer).await?, 0, "an end is for good");
    Ok(bytes)
}

/// Asserts an error by pattern, and shows what came instead.
macro_rules! assert_refused {
    ($result:expr, $pattern:pat) => {
        match $result {
            Err($pattern) => {}
            Err(other) => panic!("refused as {other:?} instead of {}", stringify!($pattern)),
            Ok(_) => panic!("accepted instead of {}", stringify!($pattern)),
        }
    };
}
pub(crate) use assert_refused;
