//! The client's list of parts, matched with the attempts that were uploaded.

use crate::base::limits::{MAX_OBJECT_BYTES, MAX_PART_NUMBER, MIN_PART_BYTES};
use crate::store::{PartPlace, PartRow};
use crate::upstream::StoredPart;

use super::super::Objects;
use super::super::error::ObjectError;
use super::attempts::{Attempts, numbered};
use super::complete::{CompleteUpload, CompletedPart};
use super::rows::{OpenUpload, PartDigests};

/// A listed part, matched with what was uploaded.
pub(super) struct Chosen {
    /// Its place is never [`PartPlace::Sent`].
    pub(super) row: PartRow,
    pub(super) digests: PartDigests,
}

impl Objects {
    /// Matches the client's list, ascending, with the attempts that are the parts.
    pub(super) async fn choose(
        &self,
        complete: &CompleteUpload<'_>,
        upload: &OpenUpload,
    ) -> Result<Vec<Chosen>, ObjectError> {
        let listed = &complete.parts;
        if listed.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(ObjectError::InvalidPartOrder);
        }
        let highest = listed.last().map_or(0, |part| part.number.get());
        let rows = self.inner.store.parts(&upload.row.upload_id, 0, u32::from(MAX_PART_NUMBER)).await?;
        // Asked for at most once, and only where rows alone do not tell.
        let mut at_upstream: Option<Vec<StoredPart>> = None;
        let mut chosen = Vec::with_capacity(listed.len());
        for (at, part) in listed.iter().enumerate() {
            // Rows come by number; looking through all of them for each of 10,000 parts would take seconds.
            let from = rows.partition_point(|row| row.number < part.number);
            let to = from + rows[from..].partition_point(|row| row.number == part.number);
            let attempts = Attempts(&rows[from..to]);
            let matching = matching(attempts, part, upload)?;
            if at_upstream.is_none() && !matching.is_empty() && (matching.len() > 1 || attempts.has_unanswered()) {
                let reference = upload.at_upstream(complete.bucket);
                at_upstream = Some(self.upstream_parts(complete.bucket, &reference, 0, highest).await?);
            }
            let found = pick(attempts, matching, at_upstream.as_deref(), part.number.get());
            let found = found.ok_or(ObjectError::InvalidPart { number: part.number })?;
            if part.digests.iter().any(|digest| found.digests.of(digest.algorithm()).is_some_and(|own| own != *digest))
            {
                return Err(ObjectError::InvalidPart { number: part.number });
            }
            let is_last = at + 1 == listed.len();
            if !is_last && found.row.plaintext_bytes < MIN_PART_BYTES {
                let plaintext_bytes = found.row.plaintext_bytes;
                return Err(ObjectError::PartTooSmall { number: part.number, plaintext_bytes });
            }
            chosen.push(found);
        }
        Ok(chosen)
    }
}

/// The attempts that the client can mean: they have the listed ETag.
fn matching(attempts: Attempts<'_>, part: &CompletedPart, upload: &OpenUpload) -> Result<Vec<Chosen>, ObjectError> {
    let Some(etag) = part.etag else { return Ok(Vec::new()) };
    let mut matching = Vec::new();
    for row in attempts.0 {
        let digests = upload.digests(row)?;
        if digests.etag == etag {
            matching.push(Chosen { row: row.clone(), digests });
        }
    }
    Ok(matching)
}

/// Of the attempts with the listed ETag: the one that the upstream holds, else the one that was answered last. Where
/// that one is not the part, the upstream refuses to complete.
fn pick(
    attempts: Attempts<'_>,
    mut matching: Vec<Chosen>,
    at_upstream: Option<&[StoredPart]>,
    number: u16,
) -> Option<Chosen> {
    let last = attempts.last_answered();
    if let Some(part) = at_upstream.and_then(|parts| numbered(parts, number))
        && let Some(held) = attempts.held_at_upstream(part)
        && (held.place == PartPlace::Sent || last.is_none_or(|last| may_be_the_part(held, last)))
        && let Some(at) = matching.iter().position(|chosen| chosen.row.salt == held.salt)
    {
        let mut chosen = matching.swap_remove(at);
        chosen.row.place = PartPlace::Upstream(part.etag.0.to_string());
        return Some(chosen);
    }
    let eligible = |chosen: &Chosen| {
        chosen.row.place != PartPlace::Sent && last.is_some_and(|last| may_be_the_part(&chosen.row, last))
    };
    matching.into_iter().filter(eligible).max_by_key(|chosen| chosen.row.finished_seq)
}

/// Whether an attempt can still be the part, when `last` was answered last: nothing stands against a held-back one that
/// was, and of several at the upstream only the upstream knows the last.
fn may_be_the_part(row: &PartRow, last: &PartRow) -> bool {
    match (&row.place, &last.place) {
        (PartPlace::Upstream(_), PartPlace::Upstream(_)) => true,
        (PartPlace::Held(_), PartPlace::Held(_)) => row.finished_seq == last.finished_seq,
        _ => false,
    }
}

/// The length of the object that the parts make, within S3's limit.
pub(super) fn object_bytes(parts: impl Iterator<Item = u64>) -> Result<u64, ObjectError> {
    let sum = parts.fold(0_u64, u64::saturating_add);
    if sum > MAX_OBJECT_BYTES { Err(ObjectError::TooLarge { plaintext_bytes: sum }) } else { Ok(sum) }
}

#[cfg(test)]
mod tests {
    use super::object_bytes;
    use crate::base::limits::{MAX_OBJECT_BYTES, MAX_STORED_PUT_BYTES};
    use crate::objects::ObjectError;

    #[test]
    fn parts_above_the_largest_object_are_refused() {
        assert_eq!(object_bytes([MAX_OBJECT_BYTES - 1, 1].into_iter()).expect("the largest"), MAX_OBJECT_BYTES);
        let all = std::iter::repeat_n(MAX_STORED_PUT_BYTES, 10_000);
        assert!(matches!(object_bytes(all), Err(ObjectError::TooLarge { .. })));
        assert!(matches!(object_bytes([u64::MAX, u64::MAX].into_iter()), Err(ObjectError::TooLarge { .. })));
    }
}
