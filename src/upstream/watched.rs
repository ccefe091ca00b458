//! An upstream that says which operations it was asked for, and fails on demand; everything real happens below it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

use crate::base::{BucketName, ObjectKey};
use crate::upstream::{
    Capabilities, DeleteReply, GetReply, ListPage, ListRequest, ListedUpload, MIN_BUFFER_BYTES, ObjectRef, PutBody,
    StoredFacts, StoredPart, StoredRange, Tags, UploadRef, Upstream, UpstreamError, UpstreamEtag, WriteCondition,
};

/// Watches the upstream below it.
pub(crate) struct Watched {
    below: Arc<dyn Upstream>,
    seen: Mutex<Vec<&'static str>>,
    lose_answer_of: Mutex<Option<&'static str>>,
    pause: Mutex<Option<(&'static str, Arc<Pause>)>>,
    gate: Mutex<Option<(&'static str, Arc<Gate>)>>,
    broken: Mutex<Option<ObjectKey>>,
    capabilities: Mutex<Option<Capabilities>>,
    copies_whole: AtomicBool,
    swallow: AtomicBool,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    makes_buckets_twice: AtomicBool,
    misdates_writes: AtomicBool,
}

/// Where an operation stands still once it was carried out.
#[derive(Default)]
pub(crate) struct Pause {
    pub(crate) reached: Notify,
    pub(crate) go_on: Notify,
}

/// Where every operation of a kind stands still once it was carried out.
pub(crate) struct Gate {
    /// A permit for each that has come.
    pub(crate) reached: Semaphore,
    /// A permit for each that may go on.
    pub(crate) open: Semaphore,
}

impl Watched {
    pub(crate) fn new(below: Arc<dyn Upstream>) -> Self {
        Self {
            below,
            seen: Mutex::default(),
            lose_answer_of: Mutex::default(),
            pause: Mutex::default(),
            gate: Mutex::default(),
            broken: Mutex::default(),
            capabilities: Mutex::default(),
            copies_whole: AtomicBool::new(false),
            swallow: AtomicBool::new(false),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
            makes_buckets_twice: AtomicBool::new(false),
            misdates_writes: AtomicBool::new(false),
        }
    }

    /// The operations since the last call.
    pub(crate) fn take_seen(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Body bytes that went up and that answers brought down, since the last call.
    pub(crate) fn take_bytes(&self) -> (u64, u64) {
        (self.bytes_up.swap(0, Ordering::Relaxed), self.bytes_down.swap(0, Ordering::Relaxed))
    }

    /// From now on it can do only this.
    pub(crate) fn limit_to(&self, capabilities: Capabilities) {
        *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner) = Some(capabilities);
    }

    /// From now on a part copy takes the whole source, whatever range is asked for.
    pub(crate) fn copy_whole_objects(&self) {
        self.copies_whole.store(true, Ordering::Relaxed);
    }

    /// The next part is read to its end and not stored.
    pub(crate) fn swallow_next_part(&self) {
        self.swallow.store(true, Ordering::Relaxed);
    }

    /// The next such operation is carried out, and its answer lost.
    pub(crate) fn lose_answer_of(&self, operation: &'static str) {
        *self.lose_answer_of.lock().unwrap_or_else(PoisonError::into_inner) = Some(operation);
    }

    /// The next such operation is carried out, and answers when it is told to go on.
    pub(crate) fn pause_after(&self, operation: &'static str) -> Arc<Pause> {
        let pause = Arc::new(Pause::default());
        *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = Some((operation, Arc::clone(&pause)));
        pause
    }

    /// Every such operation is carried out, and answers when there is a permit for it.
    pub(crate) fn gate_after(&self, operation: &'static str) -> Arc<Gate> {
        let gate = Arc::new(Gate { reached: Semaphore::new(0), open: Semaphore::new(0) });
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = Some((operation, Arc::clone(&gate)));
        gate
    }

    /// From now on the answers to PUT name another date than the object's, as dates of answers may.
    pub(crate) fn misdate_writes(&self) {
        self.misdates_writes.store(true, Ordering::Relaxed);
    }

    /// From now on making a bucket that is there is a success.
    pub(crate) fn make_buckets_twice(&self) {
        self.makes_buckets_twice.store(true, Ordering::Relaxed);
    }

    /// From now on the bytes of this object cannot be read.
    pub(crate) fn break_gets_of(&self, key: &ObjectKey) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
    }

    async fn stand_still(&self, operation: &'static str) {
        let pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(named, _)| *named == operation);
        if let Some((_, pause)) = pause {
            pause.reached.notify_one();
            pause.go_on.notified().await;
        }
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, gate)) = gate.filter(|(named, _)| *named == operation) {
            gate.reached.add_permits(1);
            if let Ok(permit) = gate.open.acquire().await {
                permit.forget();
            }
        }
    }

    fn note(&self, operation: &'static str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }

    fn deliver<T>(&self, operation: &'static str, answer: Result<T, UpstreamError>) -> Result<T, UpstreamError> {
        let mut lost = self.lose_answer_of.lock().unwrap_or_else(PoisonError::into_inner);
        match lost.take_if(|named| *named == operation) {
            Some(_) => Err(UpstreamError::Unavailable("the answer was lost".into())),
            None => answer,
        }
    }
}

#[async_trait]
impl Upstream for Watched {
    fn capabilities(&self) -> Capabilities {
        let limited = *self.capabilities.lock().unwrap_or_else(PoisonError::into_inner);
        limited.unwrap_or_else(|| self.below.capabilities())
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        match self.below.create_bucket(bucket).await {
            Err(UpstreamError::BucketExists) if self.makes_buckets_twice.load(Ordering::Relaxed) => Ok(()),
            answer => answer,
        }
    }

    async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        let answer = self.below.delete_bucket(bucket).await;
        self.stand_still("delete_bucket").await;
        answer
    }

    async fn head_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        self.note("head_bucket");
        self.deliver("head_bucket", self.below.head_bucket(bucket).await)
    }

    async fn put_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        body: PutBody<'_>,
        condition: WriteCondition,
        tags: &Tags,
    ) -> Result<StoredFacts, UpstreamError> {
        self.note("put_object");
        self.bytes_up.fetch_add(body.stored_bytes, Ordering::Relaxed);
        let mut answer = self.below.put_object(bucket, key, body, condition, tags).await;
        if let Ok(stored) = &mut answer
            && self.misdates_writes.load(Ordering::Relaxed)
        {
            stored.last_modified = stored.last_modified.plus(Duration::from_secs(1));
        }
        self.deliver("put_object", answer)
    }

    async fn get_object(
        &self,
        object: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<GetReply, UpstreamError> {
        self.note("get_object");
        if self.broken.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(&object.key) {
            return Err(UpstreamError::Broken("a blob is missing".into()));
        }
        let answer = self.below.get_object(object, range, if_match).await;
        self.bytes_down.fetch_add(answer.as_ref().map_or(0, |reply| reply.len), Ordering::Relaxed);
        self.stand_still("get_object").await;
        self.deliver("get_object", answer)
    }

    async fn head_object(&self, object: &ObjectRef) -> Result<StoredFacts, UpstreamError> {
        self.note("head_object");
        self.below.head_object(object).await
    }

    async fn delete_object(&self, object: &ObjectRef, condition: WriteCondition) -> Result<DeleteReply, UpstreamError> {
        self.note("delete_object");
        self.below.delete_object(object, condition).await
    }

    async fn delete_objects(
        &self,
        bucket: &BucketName,
        objects: &[ObjectRef],
    ) -> Result<Vec<Result<DeleteReply, UpstreamError>>, UpstreamError> {
        self.note("delete_objects");
        self.below.delete_objects(bucket, objects).await
    }

    async fn list_objects(&self, bucket: &BucketName, request: &ListRequest) -> Result<ListPage, UpstreamError> {
        self.note("list_objects");
        self.below.list_objects(bucket, request).await
    }

    async fn get_tags(&self, object: &ObjectRef) -> Result<Tags, UpstreamError> {
        self.below.get_tags(object).await
    }

    async fn put_tags(&self, object: &ObjectRef, tags: &Tags) -> Result<(), UpstreamError> {
        self.below.put_tags(object, tags).await
    }

    async fn create_multipart(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        tags: &Tags,
    ) -> Result<UploadRef, UpstreamError> {
        self.note("create_multipart");
        let answer = self.below.create_multipart(bucket, key, tags).await;
        self.stand_still("create_multipart").await;
        answer
    }

    async fn upload_part(
        &self,
        upload: &UploadRef,
        number: u16,
        body: PutBody<'_>,
    ) -> Result<StoredPart, UpstreamError> {
        self.note("upload_part");
        self.bytes_up.fetch_add(body.stored_bytes, Ordering::Relaxed);
        if self.swallow.swap(false, Ordering::Relaxed) {
            let mut buffer = vec![0; MIN_BUFFER_BYTES];
            while body.source.read(&mut buffer).await? > 0 {}
            return Err(UpstreamError::Unavailable("swallowed".into()));
        }
        let answer = self.below.upload_part(upload, number, body).await;
        self.stand_still("upload_part").await;
        self.deliver("upload_part", answer)
    }

    async fn upload_part_copy(
        &self,
        upload: &UploadRef,
        number: u16,
        source: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<StoredPart, UpstreamError> {
        self.note("upload_part_copy");
        let range = if self.copies_whole.load(Ordering::Relaxed) { StoredRange::Whole } else { range };
        let answer = self.below.upload_part_copy(upload, number, source, range, if_match).await;
        self.stand_still("upload_part_copy").await;
        self.deliver("upload_part_copy", answer)
    }

    async fn list_parts(&self, upload: &UploadRef, after: u16, max: u32) -> Result<Vec<StoredPart>, UpstreamError> {
        self.note("list_parts");
        self.below.list_parts(upload, after, max).await
    }

    async fn complete_multipart(
        &self,
        upload: &UploadRef,
        parts: &[(u16, UpstreamEtag)],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        self.note("complete_multipart");
        let answer = self.below.complete_multipart(upload, parts, condition).await;
        self.stand_still("complete_multipart").await;
        self.deliver("complete_multipart", answer)
    }

    async fn abort_multipart(&self, upload: &UploadRef) -> Result<(), UpstreamError> {
        let answer = self.below.abort_multipart(upload).await;
        self.deliver("abort_multipart", answer)
    }

    async fn list_uploads(
        &self,
        bucket: &BucketName,
        after: Option<(&str, &str)>,
        max: u32,
    ) -> Result<Vec<ListedUpload>, UpstreamError> {
        self.below.list_uploads(bucket, after, max).await
    }
}
