//! A copy without data through here: the body is part-copied at the upstream, and a new footer goes up as the last part.
//! It binds the same DEK, wrapped anew by the destination's current bucket key, to the destination's name.
//!
//! The body's bytes are not looked at. That is as safe as leaving them where they are: they are verified when they are
//! read, under salts and lengths that the source's verified footer gave. What the upstream says of the parts is checked
//! before they are published, because the copy may replace its own source.

use std::num::NonZeroU64;
use std::ops::Range;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::base::limits::{MAX_PART_NUMBER, MAX_STORED_PUT_BYTES};
use crate::base::{FooterId, random};
use crate::envelope::manifest::MAX_MANIFEST_BYTES;
use crate::envelope::{Manifest, ObjectName, seal_footer};
use crate::upstream::{
    ObjectRef, PutBody, StoredFacts, StoredPart, StoredRange, Tags, UpstreamError, UpstreamEtag, WriteCondition,
};

use super::super::Objects;
use super::super::condition::{GuardedWrite, upstream_error};
use super::super::error::ObjectError;
use super::super::put::Written;
use super::super::remember::WrittenFooter;
use super::super::upload::JoinedTail;
use super::upload::CopyUpload;
use super::{CopyTo, StoredSource, body_range};

/// Stored bytes that one UploadPartCopy takes, as far as there are part numbers: the answer to one of 5 GiB may take
/// longer than a connection is left idle.
const PIECE_BYTES: u64 = 512 << 20;
/// UploadPartCopys of one copy at a time: at S3 each has a pace of its own, far below what the store can do.
const PIECES_AT_ONCE: usize = 4;
/// A copy that takes longer is given up: below the age at which another proxy's sweep takes its upload for left over (a
/// day), with hours to spare for clocks that differ.
const MAX_COPY_TIME: Duration = Duration::from_secs(18 * 60 * 60);

impl Objects {
    /// Copies `source` to `to`. `manifest` is the source's with the copy's headers.
    pub(super) async fn copy_server_side(
        &self,
        source: StoredSource,
        to: &CopyTo,
        manifest: Manifest,
        tags: &Tags,
    ) -> Result<Written, ObjectError> {
        self.check_tags(&to.bucket, tags)?;
        let dek = &source.dek;
        let name = ObjectName::new(&to.bucket.bucket_id, to.key.as_bytes());
        let wrapped = self.inner.keys.wrap_for(to.bucket.domain_id, &name, dek).await?;
        if manifest.encoded_len() > MAX_MANIFEST_BYTES {
            return Err(ObjectError::MetadataTooLarge);
        }
        let footer_id = FooterId::generate();
        let footer = seal_footer(dek.keys(), &name, &wrapped, footer_id, &manifest, random::bytes())?;
        let guard = source.onto.guard(to);
        let condition = self.condition(&to.bucket, &to.key, &guard, GuardedWrite::Complete).await?;

        let upload = CopyUpload::begin(self, to, tags).await?;
        let publishing = self.publish_copy(&upload, &source, to, &footer, condition);
        let stored = match tokio::time::timeout(MAX_COPY_TIME, publishing).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(CopyFault::Refused(error))) => {
                upload.abort().await;
                let error = self.refused_write(&to.bucket, &to.key, &guard, error).await;
                return Err(source.onto.settle(error));
            }
            Ok(Err(CopyFault::Failed(error))) => {
                upload.abort().await;
                return Err(error);
            }
            Err(_elapsed) => {
                upload.abort().await;
                return Err(UpstreamError::Unavailable("a copy took too long".into()).into());
            }
        };
        if let Err(error) = self.check_bucket(&to.bucket).await {
            self.take_back(&to.bucket, &to.key, &stored).await;
            return Err(error);
        }
        let footer = WrittenFooter { wrapped: &wrapped, footer_id, bytes: footer.into() };
        let facts = self.remember_written(&to.bucket, &to.key, manifest, &stored, footer).await;
        upload.completed().await;
        Ok(Written::of(&facts))
    }

    async fn publish_copy(
        &self,
        upload: &CopyUpload,
        source: &StoredSource,
        to: &CopyTo,
        footer: &[u8],
        condition: WriteCondition,
    ) -> Result<StoredFacts, CopyFault> {
        let upstream = self.upstream(&to.bucket)?;
        let reference = upload.at_upstream()?;
        let StoredSource { from, facts, stored, .. } = source;
        let body = body_range(&facts.manifest).ok_or(ObjectError::Row("a body's length"))?;
        let pieces = pieces(&body, upstream.capabilities().max_put_bytes);
        let pieces = pieces.ok_or(ObjectError::TooLarge { plaintext_bytes: facts.plaintext_bytes() })?;

        // The version, too: some stores ignore the condition, and none a version.
        let object =
            ObjectRef { bucket: from.bucket.name.clone(), key: from.key.clone(), version: stored.version.clone() };
        let object = &object;
        let copying = pieces.iter().zip(1_u16..).map(|(piece, number)| {
            let range = StoredRange::Slice { offset: piece.start, len: piece.end - piece.start };
            upstream.upload_part_copy(reference, number, object, range, Some(&stored.etag))
        });
        // Boxed futures, not yet begun.
        let copying: Vec<_> = copying.collect();
        let copied = stream::iter(copying).buffered(PIECES_AT_ONCE).try_collect().await;
        let mut parts: Vec<StoredPart> = copied.map_err(of_source)?;

        let footer_number = u16::try_from(parts.len() + 1).unwrap_or(MAX_PART_NUMBER);
        let mut tail = JoinedTail::footer(footer.to_vec());
        let tail = PutBody { stored_bytes: footer.len() as u64, source: &mut tail };
        parts.push(upstream.upload_part(reference, footer_number, tail).await.map_err(of_upload)?);

        let lengths = pieces.iter().map(|piece| piece.end - piece.start).chain([footer.len() as u64]);
        self.check_parts(upload, to, &parts, lengths).await?;
        let listed: Vec<(u16, UpstreamEtag)> = parts.into_iter().map(|part| (part.number, part.etag)).collect();
        match upstream.complete_multipart(reference, &listed, condition).await {
            Ok(stored) => Ok(stored),
            Err(error @ (UpstreamError::NoSuchUpload | UpstreamError::InvalidPart { .. })) => {
                Err(CopyFault::Failed(of_upload(error)))
            }
            Err(error) => Err(CopyFault::Refused(error)),
        }
    }

    /// The upstream holds what was asked for, in these lengths. (A store that ignores the range would copy all.)
    async fn check_parts(
        &self,
        upload: &CopyUpload,
        to: &CopyTo,
        parts: &[StoredPart],
        lengths: impl Iterator<Item = u64>,
    ) -> Result<(), ObjectError> {
        let highest = parts.last().map_or(0, |footer| footer.number);
        let held = self.upstream_parts(&to.bucket, upload.at_upstream()?, 0, highest).await?;
        let same = |(part, length): (&StoredPart, u64)| {
            let held = held.binary_search_by_key(&part.number, |held| held.number).ok().and_then(|at| held.get(at));
            held.is_some_and(|held| held.etag == part.etag && held.stored_bytes == length)
        };
        match held.len() == parts.len() && parts.iter().zip(lengths).all(same) {
            true => Ok(()),
            false => Err(UpstreamError::Broken("the parts of a copy are not what was copied".into()).into()),
        }
    }
}

/// Why a copy was not published.
enum CopyFault {
    /// The upstream refused to publish it, perhaps for its condition.
    Refused(UpstreamError),
    /// It did not come that far.
    Failed(ObjectError),
}

impl From<ObjectError> for CopyFault {
    fn from(error: ObjectError) -> Self {
        Self::Failed(error)
    }
}

/// An UploadPartCopy that failed: the source is another one now, or gone, or shorter.
fn of_source(error: UpstreamError) -> ObjectError {
    match error {
        UpstreamError::PreconditionFailed | UpstreamError::NoSuchKey | UpstreamError::InvalidRange => {
            ObjectError::SourceChanged
        }
        error => of_upload(error),
    }
}

/// No client knows the upload of a copy, so none is told of it.
fn of_upload(error: UpstreamError) -> ObjectError {
    match error {
        UpstreamError::NoSuchUpload | UpstreamError::InvalidPart { .. } => {
            UpstreamError::Unavailable("the upload of a copy, or a part of it, is gone".into()).into()
        }
        error => upstream_error(error),
    }
}

/// The ranges that a body is copied in: alike, so that none is below the upstream's minimum when the body is not (behind
/// the last one there is the footer's part). `None` when it does not fit into the part numbers below the footer's.
fn pieces(body: &Range<u64>, max_put_bytes: u64) -> Option<Vec<Range<u64>>> {
    let len = body.end.checked_sub(body.start)?;
    let most = u64::from(MAX_PART_NUMBER - 1);
    let limit = max_put_bytes.min(MAX_STORED_PUT_BYTES);
    let wanted = NonZeroU64::new(PIECE_BYTES.max(len.div_ceil(most)).min(limit))?;
    let count = len.div_ceil(wanted.get()).max(1);
    if count > most {
        return None;
    }
    let each = len.div_ceil(count);
    let starts = (0..count).map(|at| body.start + at * each);
    Some(starts.map(|start| start..body.end.min(start + each)).collect())
}

#[cfg(test)]
mod tests {
    use super::{MAX_COPY_TIME, PIECE_BYTES, pieces};
    use crate::base::limits::{MAX_OBJECT_BYTES, MAX_STORED_PUT_BYTES, MIN_PART_BYTES};
    use crate::objects::upload::SETTLED;

    const GIB: u64 = 1 << 30;

    #[test]
    fn pieces_are_whole_and_within_the_limits_of_parts() {
        let lengths = [
            MIN_PART_BYTES,
            PIECE_BYTES,
            PIECE_BYTES + 1,
            5 * GIB - 1,
            5 * GIB,
            5 * GIB + 1,
            5 * GIB + MIN_PART_BYTES - 1,
            6 * GIB,
            PIECE_BYTES * 9_999 + 1,
            // The largest object that there can be, sealed.
            MAX_OBJECT_BYTES + MAX_OBJECT_BYTES / 1000,
        ];
        for len in lengths {
            let pieces = pieces(&(0..len), MAX_STORED_PUT_BYTES).expect("fits");
            assert!(pieces.len() <= 9_999, "{len}: a number is left for the footer");
            let mut at = 0;
            for piece in &pieces {
                assert_eq!(piece.start, at, "{len}");
                assert!((MIN_PART_BYTES..=MAX_STORED_PUT_BYTES).contains(&(piece.end - piece.start)), "{len}");
                at = piece.end;
            }
            assert_eq!(at, len);
        }
    }

    #[test]
    fn pieces_respect_an_upstream_that_takes_less() {
        let pieces = pieces(&(0..GIB), 100 << 20).expect("fits");
        assert_eq!(pieces.len(), 11);
        assert!(pieces.iter().all(|piece| piece.end - piece.start <= 100 << 20));
        assert_eq!(super::pieces(&(0..u64::MAX), MAX_STORED_PUT_BYTES), None);
        assert_eq!(super::pieces(&(0..GIB), 0), None);
    }

    /// Another proxy's sweep must not take a copy in progress for left over.
    #[test]
    fn a_copy_ends_before_a_sweep_would_take_it() {
        assert!(MAX_COPY_TIME.as_secs() * 4 <= SETTLED.as_secs() * 3);
    }
}
