//! What is left over: answers of Complete that nobody asks for any more, uploads that were given up halfway,
//! held-back parts of uploads that are gone. Called by jobs/, beside live traffic.

use std::collections::HashSet;
use std::time::Duration;

use crate::base::{ObjectKey, Timestamp};
use crate::store::{BucketRow, CopyUploadRow, UploadId, UploadMarker, UploadRow, UploadState};
use crate::upstream::{ListRequest, ObjectRef, UploadRef, UpstreamError, UpstreamUploadId, WriteCondition};

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::ObjectError;
use super::super::upstreams::Place;

/// How long the answer of a Complete is kept for clients that ask again; S3 promises none, SDKs retry for minutes.
const KEEP_RESULTS: Duration = Duration::from_secs(24 * 60 * 60);
/// How old a temporary object or an unknown upload must be: younger ones may be on their way to their row.
pub(in super::super) const SETTLED: Duration = Duration::from_secs(24 * 60 * 60);
/// Rows handled at a time.
const BATCH: u32 = 500;

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads that were over.
    pub uploads: u64,
    /// Uploads whose end nobody had noted down.
    pub vanished: u64,
    /// Uploads of copies that broke off.
    pub copies: u64,
    /// Held-back parts that no row named.
    pub held_parts: u64,
    /// Uploads at the upstream that no row named.
    pub upstream_uploads: u64,
}

impl Objects {
    /// At start, when nobody works on a Complete: those that broke off may be asked again, and take parts again.
    pub async fn reopen_uploads(&self) -> Result<u64, ObjectError> {
        Ok(self.inner.store.reopen_all_uploads().await?)
    }

    /// Before anybody is served, where this process is the only one: what no row names was cut off, however young it is.
    /// An upload left at the upstream would keep its bucket from being removed, and no client can see it.
    pub async fn sweep_cut_off(&self) -> Result<Swept, ObjectError> {
        let whenever = Timestamp::from_unix_millis(i64::MAX);
        let copies = self.sweep_copies(whenever).await;
        let held_parts = self.sweep_held(whenever).await;
        let upstream_uploads = self.sweep_unknown(whenever).await;
        // One that failed keeps no other from its turn.
        Ok(Swept { copies: copies?, held_parts: held_parts?, upstream_uploads: upstream_uploads?, ..Swept::default() })
    }

    /// One sweep.
    pub async fn sweep(&self) -> Result<Swept, ObjectError> {
        let now = self.inner.clock.now();
        let settled = before(now, SETTLED);
        let uploads = self.sweep_finished(before(now, KEEP_RESULTS)).await;
        let vanished = self.sweep_vanished(settled).await;
        let copies = self.sweep_copies(settled).await;
        let held_parts = self.sweep_held(settled).await;
        let upstream_uploads = self.sweep_unknown(settled).await;
        Ok(Swept {
            uploads: uploads?,
            vanished: vanished?,
            copies: copies?,
            held_parts: held_parts?,
            upstream_uploads: upstream_uploads?,
        })
    }

    async fn sweep_finished(&self, before: Timestamp) -> Result<u64, ObjectError> {
        let mut sum = Sum::default();
        let mut last: Option<UploadRow> = None;
        loop {
            let batch = self.inner.store.uploads_finished_before(before, last.as_ref(), BATCH).await?;
            let Some(end) = batch.last() else { return sum.outcome() };
            last = Some(end.clone());
            for upload in &batch {
                sum.add(self.forget_finished(upload).await.map(|()| 1));
            }
        }
    }

    /// In flight by their rows, and unknown to the upstream: a Complete that was killed after its last step there, and
    /// whose client never asked again. Noted down now, they are swept like all others.
    async fn sweep_vanished(&self, before: Timestamp) -> Result<u64, ObjectError> {
        let mut sum = Sum::default();
        let mut last: Option<UploadRow> = None;
        loop {
            let batch = self.inner.store.uploads_begun_before(before, last.as_ref(), BATCH).await?;
            let Some(end) = batch.last() else { return sum.outcome() };
            last = Some(end.clone());
            for upload in batch {
                sum.add(self.note_end(upload).await.map(u64::from));
            }
        }
    }

    /// Whether an upload was over without its row saying so.
    async fn note_end(&self, row: UploadRow) -> Result<bool, ObjectError> {
        if self.completing.contains(&row.upload_id) {
            return Ok(false);
        }
        let Some(bucket) = self.inner.store.bucket_by_id(row.bucket_id).await? else { return Ok(false) };
        let upload = self.open_upload_row(&bucket, row).await?;
        match self.upstream(&bucket)?.list_parts(&upload.at_upstream(&bucket), 0, 1).await {
            Err(UpstreamError::NoSuchUpload) => {}
            outcome => return outcome.map(|_| false).map_err(upstream_error),
        }
        let (id, now) = (&upload.row.upload_id, self.inner.clock.now());
        Ok(match self.published(&bucket, &upload).await? {
            // Who asks again all the same is told so, for as long as any other.
            Some(written) => self.inner.store.mark_completed(id, upload.seal_result(&written), now).await?,
            None => self.inner.store.mark_aborted(id, now).await?,
        })
    }

    async fn forget_finished(&self, upload: &UploadRow) -> Result<(), ObjectError> {
        // Without its bucket, what is left of it is found by name.
        if let Some(bucket) = self.inner.store.bucket_by_id(upload.bucket_id).await? {
            // An abort may have been cut off after its first step.
            let id = UpstreamUploadId(upload.upstream_upload_id.as_str().into());
            let at_upstream = UploadRef { bucket: bucket.name.clone(), key: upload.key.clone(), id };
            self.forget_at_upstream(&bucket, &at_upstream).await?;
            self.forget_held(&bucket, &upload.upload_id).await?;
        }
        self.inner.store.delete_upload(&upload.upload_id).await?;
        Ok(())
    }

    /// Ends an upload at the upstream, if it is there.
    pub(in super::super) async fn forget_at_upstream(
        &self,
        bucket: &BucketRow,
        upload: &UploadRef,
    ) -> Result<(), ObjectError> {
        match self.upstream(bucket)?.abort_multipart(upload).await {
            Ok(()) | Err(UpstreamError::NoSuchUpload | UpstreamError::NoSuchBucket) => Ok(()),
            Err(error) => Err(upstream_error(error)),
        }
    }

    /// Copies that were cut off with their process.
    async fn sweep_copies(&self, before: Timestamp) -> Result<u64, ObjectError> {
        let mut sum = Sum::default();
        let mut last: Option<CopyUploadRow> = None;
        loop {
            let batch = self.inner.store.copy_uploads_begun_before(before, last.as_ref(), BATCH).await?;
            let Some(end) = batch.last() else { return sum.outcome() };
            last = Some(end.clone());
            for row in batch {
                sum.add(self.sweep_copy(row).await.map(u64::from));
            }
        }
    }

    /// Whether it was left over.
    async fn sweep_copy(&self, row: CopyUploadRow) -> Result<bool, ObjectError> {
        let id = UpstreamUploadId(row.upstream_upload_id.as_str().into());
        if self.copies.contains(&id) {
            return Ok(false);
        }
        // A bucket that went takes the row along.
        let Some(bucket) = self.inner.store.bucket_by_id(row.bucket_id).await? else { return Ok(false) };
        let upload = UploadRef { bucket: bucket.name.clone(), key: row.key, id };
        self.abort_copy(&bucket, &upload).await?;
        Ok(true)
    }

    async fn sweep_held(&self, before: Timestamp) -> Result<u64, ObjectError> {
        let mut sum = Sum::default();
        for place in self.inner.upstreams.iter().filter(|place| place.is_open()) {
            sum.add(self.sweep_held_at(place, before).await);
        }
        sum.outcome()
    }

    async fn sweep_held_at(&self, place: &Place, before: Timestamp) -> Result<u64, ObjectError> {
        let mut request = ListRequest { prefix: "tmp/".into(), max_entries: BATCH, ..ListRequest::default() };
        let mut swept = 0;
        loop {
            let page = place.upstream.list_objects(&place.internal_bucket, &request).await;
            let page = page.map_err(upstream_error)?;
            for object in page.objects.iter().filter(|object| object.facts.last_modified < before) {
                if !self.is_needed(&object.key).await? {
                    drop_object(place, &object.key).await?;
                    swept += 1;
                }
            }
            match page.next_after {
                Some(after) => request.after = Some(after),
                None => return Ok(swept),
            }
        }
    }

    /// Whatever the clocks say: nothing of an upload in flight is swept, nor what a row names.
    async fn is_needed(&self, key: &ObjectKey) -> Result<bool, ObjectError> {
        let upload = key.as_str().strip_prefix("tmp/").and_then(|rest| UploadId::parse(rest.split('/').next()?));
        if let Some(id) = upload
            && let Some(row) = self.inner.store.upload(&id).await?
            && matches!(row.state, UploadState::Open | UploadState::Completing)
        {
            return Ok(true);
        }
        Ok(self.inner.store.is_held(key.as_str()).await?)
    }

    /// Create makes the upload at the upstream first and its row after; a crash in between leaves one that nobody names.
    /// In a bucket that the upstream had before, one that nobody names may well be somebody else's.
    async fn sweep_unknown(&self, before: Timestamp) -> Result<u64, ObjectError> {
        let mut sum = Sum::default();
        for bucket in self.buckets().await?.into_iter().filter(|bucket| !bucket.adopted) {
            sum.add(self.sweep_unknown_of(&bucket, before).await);
        }
        sum.outcome()
    }

    async fn sweep_unknown_of(&self, bucket: &BucketRow, before: Timestamp) -> Result<u64, ObjectError> {
        let upstream = self.upstream(bucket)?;
        let known = self.known_uploads(bucket).await?;
        let mut swept = 0;
        let mut last: Option<UploadRef> = None;
        loop {
            let after = last.as_ref().map(|upload| (upload.key.as_str(), &*upload.id.0));
            let listed = upstream.list_uploads(&bucket.name, after, BATCH).await.map_err(upstream_error)?;
            let Some(end) = listed.last() else { return Ok(swept) };
            last = Some(end.upload.clone());
            for upload in listed {
                let id = &upload.upload.id;
                if upload.initiated < before && !known.contains(&*id.0) && !self.copies.contains(id) {
                    self.forget_upstream_upload(bucket, &upload.upload).await;
                    swept += 1;
                }
            }
        }
    }

    async fn known_uploads(&self, bucket: &BucketRow) -> Result<HashSet<String>, ObjectError> {
        let mut known = HashSet::new();
        let mut last: Option<UploadRow> = None;
        loop {
            let after = last
                .as_ref()
                .map(|row| UploadMarker { key: row.key.as_str(), upload_id: Some(row.upload_id.as_str()) });
            let page = self.inner.store.uploads(bucket.bucket_id, "", after, BATCH).await?;
            if page.is_empty() {
                return Ok(known);
            }
            known.extend(page.iter().map(|row| row.upstream_upload_id.clone()));
            last = page.into_iter().last();
        }
    }
}

/// What several places or buckets come to: none waits for another one, and a failure is told at the end.
#[derive(Default)]
struct Sum {
    swept: u64,
    failed: Option<ObjectError>,
}

impl Sum {
    fn add(&mut self, outcome: Result<u64, ObjectError>) {
        match outcome {
            Ok(swept) => self.swept += swept,
            Err(error) => self.failed = Some(error),
        }
    }

    fn outcome(self) -> Result<u64, ObjectError> {
        self.failed.map_or(Ok(self.swept), Err)
    }
}

async fn drop_object(place: &Place, key: &ObjectKey) -> Result<(), ObjectError> {
    let object = ObjectRef::current(&place.internal_bucket, key);
    place.upstream.delete_object(&object, WriteCondition::None).await.map_err(upstream_error)?;
    Ok(())
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_millis(now.unix_millis().saturating_sub(millis))
}
