//! Multipart uploads, and parts made of bytes that the upstream holds.

use std::ops::Range;

use crate::base::limits::{MAX_PART_NUMBER, MIN_PART_BYTES};
use crate::upstream::{StoredPart, StoredRange, UploadRef, UpstreamError, UpstreamEtag, WriteCondition};

use super::workspace::{Checked, Lack, Source, Workspace, answered, lacks, other_etag};

/// Behind the first part; with it the object is long enough for a part to be copied out of it (S3 copies ranges of
/// objects above 5 MiB only).
const TAIL: &[u8] = &[b't'; 1000];
/// Where the copied range starts: no multiple of anything.
const COPY_FROM: u64 = 5;
/// A read this long across a seam shows bytes of both sides.
const SEAM_LEN: usize = 64;
const SEAM_BYTES: u64 = SEAM_LEN as u64;
const SOURCE: &str = "uploads/source";

/// A prime number of bytes without a period, so that a wrong offset shows.
pub(super) fn pattern() -> Vec<u8> {
    (0_u32..4093).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A part of 5 MiB and one with the highest number become one object. Yields its ETag.
pub(super) async fn multipart(w: &Workspace<'_>) -> Result<UpstreamEtag, Lack> {
    let pattern = pattern();
    let upload = w.begin(SOURCE).await?;
    let len = MIN_PART_BYTES + COPY_FROM;
    let large = w.part_from(&upload, 1, len, &mut Source::repeated(&pattern, len)).await?;
    let stored = finish(w, SOURCE, &upload, large).await?;
    seam(w, SOURCE, &pattern, 0..len).await?;
    Ok(stored)
}

/// UploadPartCopy of a range, only while its source has the ETag that we know.
pub(super) async fn part_copy(w: &Workspace<'_>, source_etag: &UpstreamEtag) -> Checked {
    let name = "uploads/copy";
    let source = w.object(SOURCE)?;
    let range = StoredRange::Slice { offset: COPY_FROM, len: MIN_PART_BYTES };
    let upload = w.begin(name).await?;
    let other = other_etag();
    match answered(w.upstream.upload_part_copy(&upload, 1, &source, range, Some(&other))).await {
        Err(UpstreamError::PreconditionFailed) => {}
        Ok(_) => return Err(lacks("copies whatever x-amz-copy-source-if-match says")),
        Err(error) => return Err(error.into()),
    }
    let part = answered(w.upstream.upload_part_copy(&upload, 1, &source, range, Some(source_etag))).await?;
    if part.stored_bytes != MIN_PART_BYTES {
        return Err(lacks("the copied part has another length than its range"));
    }
    finish(w, name, &upload, part).await?;
    seam(w, name, &pattern(), COPY_FROM..COPY_FROM + MIN_PART_BYTES).await
}

async fn finish(w: &Workspace<'_>, name: &str, upload: &UploadRef, large: StoredPart) -> Result<UpstreamEtag, Lack> {
    let tail = w.part(upload, MAX_PART_NUMBER, TAIL).await?;
    w.complete(upload, &[(1, large.etag), (MAX_PART_NUMBER, tail.etag)], WriteCondition::None).await?;
    let head = w.head(name).await?;
    match head.stored_bytes == large.stored_bytes + TAIL.len() as u64 {
        true => Ok(head.etag),
        false => Err(lacks("the completed object has another length than its parts")),
    }
}

/// The start, and around the end of the first part, which is this range of the repeated pattern.
async fn seam(w: &Workspace<'_>, name: &str, pattern: &[u8], large: Range<u64>) -> Checked {
    let slice = |offset, len| w.get_part(name, StoredRange::Slice { offset, len }, None);
    let start = slice(0, SEAM_BYTES).await?;
    let seam = slice(large.end - large.start - SEAM_BYTES, 2 * SEAM_BYTES).await?;
    let first = repeated(pattern, large.start);
    let last = repeated(pattern, large.end - SEAM_BYTES);
    match start.bytes == first && seam.bytes == [&last, &TAIL[..last.len()]].concat() {
        true => Ok(()),
        false => Err(lacks("the completed object has other bytes than its parts")),
    }
}

/// What stands at an offset of the repeated pattern.
fn repeated(pattern: &[u8], offset: u64) -> Vec<u8> {
    let from = usize::try_from(offset % pattern.len() as u64).unwrap_or(0);
    pattern.iter().copied().cycle().skip(from).take(SEAM_LEN).collect()
}
