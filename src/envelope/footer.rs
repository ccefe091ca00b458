//! The footer: M || T. Sealing one publishes an object; a [`Footer`] value is the verified facts of one that was read.

use std::ops::Range;
use std::sync::Arc;

use super::cobblestone::{self, Salt};
use super::error::SealError;
use super::keys::BodyKeys;
use super::layout::{self, segment_offset, segment_plaintext_bytes, segments, stored_part_bytes};
use super::manifest::{Manifest, ManifestPart};
use super::name::ObjectName;
use super::open::{RangeOpener, Run};
use super::trailer::{self, TrailerFields};
use super::wrap::WrappedDek;
use crate::base::{BodyId, FooterId};

/// Where a part stands, in plaintext and in the stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSpan {
    /// The client's part number; 0 for a single PUT.
    pub number: u16,
    /// Where its plaintext starts in the object.
    pub plain_start: u64,
    /// Its plaintext length in bytes.
    pub plain_bytes: u64,
    /// Where it starts in the stored object.
    pub stored_start: u64,
    /// Its stored length in bytes.
    pub stored_bytes: u64,
    pub(super) salt: Salt,
}

impl PartSpan {
    /// Where its plaintext ends.
    pub const fn plain_end(&self) -> u64 {
        self.plain_start + self.plain_bytes
    }

    /// Where its stored bytes end.
    pub const fn stored_end(&self) -> u64 {
        self.stored_start + self.stored_bytes
    }
}

/// The spans of a part table; `None` when lengths overflow.
pub(super) fn spans(parts: &[ManifestPart]) -> Option<Arc<[PartSpan]>> {
    let (mut plain_start, mut stored_start) = (0_u64, 0_u64);
    let mut spans = Vec::with_capacity(parts.len());
    for part in parts {
        let stored_bytes = stored_part_bytes(part.plaintext_bytes)?;
        let (number, salt, plain_bytes) = (part.number, part.salt, part.plaintext_bytes);
        spans.push(PartSpan { number, plain_start, plain_bytes, stored_start, stored_bytes, salt });
        plain_start = plain_start.checked_add(plain_bytes)?;
        stored_start = stored_start.checked_add(stored_bytes)?;
    }
    Some(spans.into())
}

/// Seals M || T for a body whose parts have been written. `salt` is fresh randomness.
pub fn seal_footer(
    keys: &BodyKeys,
    name: &ObjectName,
    wrapped: &WrappedDek,
    footer_id: FooterId,
    manifest: &Manifest,
    salt: Salt,
) -> Result<Vec<u8>, SealError> {
    let plain = zeroize::Zeroizing::new(manifest.encode()?);
    let spans = spans(&manifest.parts).ok_or(SealError::TooLong)?;
    let parts_bytes = spans.last().map_or(0, PartSpan::stored_end);
    let context = trailer::manifest_context(&footer_id);
    let mut footer =
        cobblestone::seal_whole(&keys.manifest, &salt, &context, &plain).map_err(|_| SealError::TooLong)?;
    let manifest_bytes = u32::try_from(footer.len()).map_err(|_| SealError::TooLong)?;
    let fields =
        TrailerFields { wrapped, manifest_bytes, parts_bytes, plaintext_bytes: manifest.plaintext_bytes, footer_id };
    let sealed = trailer::seal(keys, name, &fields, &footer);
    footer.extend_from_slice(&sealed);
    Ok(footer)
}

/// Length of [`seal_footer`]'s result, known as soon as the manifest's length is; `None` when that is absurd.
pub fn sealed_footer_len(manifest_bytes: usize) -> Option<u64> {
    layout::footer_bytes(manifest_bytes as u64)
}

/// Verified facts of a stored object; made by [`super::Trailer::verify`] only.
#[derive(Clone)]
pub struct Footer {
    body_id: BodyId,
    footer_id: FooterId,
    wrapped: WrappedDek,
    manifest: Arc<Manifest>,
    spans: Arc<[PartSpan]>,
    stored_bytes: u64,
}

impl Footer {
    pub(super) fn verified(
        body_id: BodyId,
        footer_id: FooterId,
        wrapped: WrappedDek,
        manifest: Manifest,
        spans: Arc<[PartSpan]>,
        stored_bytes: u64,
    ) -> Self {
        Self { body_id, footer_id, wrapped, manifest: Arc::new(manifest), spans, stored_bytes }
    }

    /// The body; copies of it share the id and the DEK.
    pub const fn body_id(&self) -> BodyId {
        self.body_id
    }

    /// The object version. A reader that expects another one MUST refuse.
    pub const fn footer_id(&self) -> FooterId {
        self.footer_id
    }

    /// The wrapped DEK, as stored.
    pub const fn wrapped_dek(&self) -> &WrappedDek {
        &self.wrapped
    }

    /// What the object is.
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Its parts, in order.
    pub fn parts(&self) -> &[PartSpan] {
        &self.spans
    }

    /// Length of the object in plaintext bytes.
    pub fn plaintext_bytes(&self) -> u64 {
        self.manifest.plaintext_bytes
    }

    /// Length of the stored object: its parts, M and T.
    pub const fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Where the body (all parts, without the footer) stands in the stored object: what a data-free copy copies.
    pub fn body_range(&self) -> Range<u64> {
        0..self.spans.last().map_or(0, PartSpan::stored_end)
    }

    /// How to read `plain`; `None` when it is not inside the object. The stored range is contiguous and is exactly the
    /// segments of the range, with the part headers between them; a range that starts at a part's beginning or ends at
    /// the object's end takes the header or the last, perhaps empty, segment along. So `range(0..plaintext_bytes)` reads
    /// and verifies every stored byte, of the empty object too.
    pub fn range(&self, keys: &BodyKeys, plain: Range<u64>) -> Option<RangePlan> {
        if plain.start > plain.end || plain.end > self.plaintext_bytes() {
            return None;
        }
        plan(&self.spans, keys, plain)
    }
}

/// What to fetch, and what opens it.
pub struct RangePlan {
    /// The bytes of the stored object to fetch; empty only for an empty range of a non-empty object.
    pub stored: Range<u64>,
    /// Takes exactly these bytes and gives exactly the range.
    pub opener: RangeOpener,
}

/// The plan for a range inside the object.
pub(super) fn plan(spans: &Arc<[PartSpan]>, keys: &BodyKeys, plain: Range<u64>) -> Option<RangePlan> {
    let total = spans.last()?.plain_end();
    if plain.is_empty() && total != 0 {
        return Some(RangePlan { stored: 0..0, opener: RangeOpener::new(keys, Arc::clone(spans), None, plain) });
    }
    let (first, last) = part_indices(spans, &plain, total);
    let (head, tail) = (spans.get(first)?, spans.get(last)?);
    let first_segment = (plain.start - head.plain_start) / cobblestone::SEGMENT_BYTES as u64;
    let last_segment = if plain.end == tail.plain_end() {
        segments(tail.plain_bytes) - 1
    } else {
        (plain.end - 1 - tail.plain_start) / cobblestone::SEGMENT_BYTES as u64
    };
    let start = if first_segment == 0 { 0 } else { segment_offset(first_segment) };
    let last_bytes = segment_plaintext_bytes(tail.plain_bytes, last_segment) + cobblestone::TAG_BYTES;
    let end = segment_offset(last_segment) + last_bytes as u64;
    let run = Run { first_part: first, first_segment, last_part: last, last_segment };
    Some(RangePlan {
        stored: head.stored_start + start..tail.stored_start + end,
        opener: RangeOpener::new(keys, Arc::clone(spans), Some(run), plain),
    })
}

/// First and last part to read. Empty parts at the object's ends belong to a range that reaches those ends.
fn part_indices(spans: &[PartSpan], plain: &Range<u64>, total: u64) -> (usize, usize) {
    let first = if plain.start == 0 { 0 } else { spans.partition_point(|span| span.plain_end() <= plain.start) };
    let last = if plain.end == total {
        spans.len() - 1
    } else {
        spans.partition_point(|span| span.plain_start < plain.end).saturating_sub(1)
    };
    (first, last)
}
