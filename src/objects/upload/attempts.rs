//! Which attempt at a part number is the part. Every attempt has a row of its own, told apart by its salt: the row is
//! written before the attempt's last byte goes up, so there is none at the upstream that nobody here knows. Where rows
//! alone do not tell, the upstream's ListParts does.

use crate::store::{BucketRow, MAX_ATTEMPTS, PartPlace, PartRow};
use crate::upstream::{StoredPart, UploadRef};

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::ObjectError;

/// How many parts the upstream is asked for at a time.
const PARTS_PER_LIST: u32 = 1000;

/// The attempts at one number, in the order in which their rows were last written.
#[derive(Clone, Copy)]
pub(super) struct Attempts<'a>(pub(super) &'a [PartRow]);

impl<'a> Attempts<'a> {
    /// Whether one of them was cut off before the upstream's answer: it may be at the upstream or not.
    pub(super) fn has_unanswered(self) -> bool {
        self.0.iter().any(|row| row.place == PartPlace::Sent)
    }

    /// The last one that was answered.
    pub(super) fn last_answered(self) -> Option<&'a PartRow> {
        self.0.iter().filter(|row| row.place != PartPlace::Sent).max_by_key(|row| row.finished_seq)
    }

    /// The one that the upstream holds, given its part of this number: the one with its ETag; else the only one that was
    /// never answered and has its length. It is never guessed between two: a wrong salt would be an unreadable object.
    pub(super) fn held_at_upstream(self, part: &StoredPart) -> Option<&'a PartRow> {
        let is_it = |row: &&PartRow| matches!(&row.place, PartPlace::Upstream(etag) if **etag == *part.etag.0);
        if let Some(row) = self.0.iter().find(is_it) {
            return Some(row);
        }
        // Of a number with more attempts than are kept, the upstream may hold one whose row is gone.
        if self.0.len() >= MAX_ATTEMPTS as usize {
            return None;
        }
        let fits = |row: &&PartRow| row.place == PartPlace::Sent && row.stored_bytes == part.stored_bytes;
        let mut unanswered = self.0.iter().filter(fits);
        match (unanswered.next(), unanswered.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// What ListParts shows: the one that the upstream holds, or the one that was held back after it.
    pub(super) fn current(self, part: Option<&StoredPart>) -> Option<&'a PartRow> {
        let held = part.and_then(|part| self.held_at_upstream(part));
        match (held, self.last_answered()) {
            (Some(held), Some(last)) if matches!(last.place, PartPlace::Held(_)) => {
                Some(if last.finished_seq > held.finished_seq { last } else { held })
            }
            (Some(held), _) => Some(held),
            (None, last) => last,
        }
    }
}

/// The part of a number in a list that is in the order of numbers.
pub(super) fn numbered(parts: &[StoredPart], number: u16) -> Option<&StoredPart> {
    parts.binary_search_by_key(&number, |part| part.number).ok().and_then(|at| parts.get(at))
}

impl Objects {
    /// The parts of an upload that the upstream holds, by number, after `after` and at least up to `highest`.
    pub(in super::super) async fn upstream_parts(
        &self,
        bucket: &BucketRow,
        upload: &UploadRef,
        after: u16,
        highest: u16,
    ) -> Result<Vec<StoredPart>, ObjectError> {
        let mut all: Vec<StoredPart> = Vec::new();
        loop {
            let after = all.last().map_or(after, |part| part.number);
            if after >= highest {
                return Ok(all);
            }
            let page =
                self.upstream(bucket)?.list_parts(upload, after, PARTS_PER_LIST).await.map_err(upstream_error)?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Attempts;
    use crate::base::{PartNumber, Timestamp};
    use crate::store::{MAX_ATTEMPTS, PartPlace, PartRow};
    use crate::upstream::{StoredPart, UpstreamEtag};

    fn row(salt: u8, seq: u64, place: PartPlace) -> PartRow {
        PartRow {
            number: PartNumber::new(1).expect("a number"),
            salt: [salt; 24],
            plaintext_bytes: 10,
            sealed_digests: Vec::new(),
            place,
            stored_bytes: 100,
            finished_seq: seq,
            modified: Timestamp::from_unix_millis(0),
        }
    }

    fn part(etag: &str, stored_bytes: u64) -> StoredPart {
        let etag = UpstreamEtag(etag.into());
        StoredPart { number: 1, etag, stored_bytes, last_modified: Timestamp::from_unix_millis(0) }
    }

    fn salt(row: Option<&PartRow>) -> Option<u8> {
        row.map(|row| row.salt[0])
    }

    fn answered(etag: &str) -> PartPlace {
        PartPlace::Upstream(etag.to_owned())
    }

    #[test]
    fn the_etag_tells_which_of_those_answered_it_is() {
        let rows = [row(1, 1, answered("a")), row(2, 2, answered("b")), row(3, 3, PartPlace::Sent)];
        assert_eq!(salt(Attempts(&rows).held_at_upstream(&part("a", 100))), Some(1));
        assert_eq!(salt(Attempts(&rows).held_at_upstream(&part("b", 100))), Some(2));
    }

    #[test]
    fn an_unknown_etag_is_the_one_that_was_not_answered() {
        let rows = [row(1, 1, answered("a")), row(2, 2, PartPlace::Sent)];
        assert_eq!(salt(Attempts(&rows).held_at_upstream(&part("x", 100))), Some(2));
        assert_eq!(salt(Attempts(&rows).held_at_upstream(&part("x", 99))), None, "of another length");
        assert_eq!(
            salt(Attempts(&rows[..1]).held_at_upstream(&part("x", 100))),
            None,
            "and never one with another ETag"
        );
    }

    /// A wrong salt would publish an object that nobody can read.
    #[test]
    fn between_two_it_is_never_guessed() {
        let mut rows = vec![row(1, 1, PartPlace::Sent), row(2, 2, PartPlace::Sent)];
        assert_eq!(salt(Attempts(&rows).held_at_upstream(&part("x", 100))), None);
        rows[1].stored_bytes = 200;
        assert_eq!(salt(Attempts(&rows).held_at_upstream(&part("x", 100))), Some(1), "lengths tell them apart");
        // So many that rows of older ones are gone.
        let mut rows: Vec<_> =
            (0..MAX_ATTEMPTS as u64).map(|at| row(at as u8, at, answered(&at.to_string()))).collect();
        rows[5].place = PartPlace::Sent;
        assert_eq!(salt(Attempts(&rows).held_at_upstream(&part("x", 100))), None);
    }

    #[test]
    fn what_was_held_back_later_comes_before_what_the_upstream_holds() {
        let rows = [row(1, 1, answered("a")), row(2, 2, PartPlace::Held("tmp/x".into()))];
        assert_eq!(salt(Attempts(&rows).current(Some(&part("a", 100)))), Some(2));
        let rows = [row(2, 1, PartPlace::Held("tmp/x".into())), row(1, 2, answered("a"))];
        assert_eq!(salt(Attempts(&rows).current(Some(&part("a", 100)))), Some(1));
        let sent = [row(1, 1, PartPlace::Sent)];
        assert_eq!(salt(Attempts(&sent).current(None)), None, "it never arrived");
        assert_eq!(salt(Attempts(&sent).current(Some(&part("x", 100)))), Some(1));
    }
}
