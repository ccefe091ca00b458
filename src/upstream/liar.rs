//! A double for tests: a sound upstream that breaks one promise of S3, as services that exist do.

use std::sync::Arc;

use async_trait::async_trait;

use crate::base::{BucketName, ObjectKey};

use super::{
    BodyAborted, BodyReader, BodySource, Capabilities, DeleteReply, GetReply, ListPage, ListRequest, ListedObject,
    ListedUpload, ObjectRef, PutBody, StoredFacts, StoredPart, StoredRange, Tags, UploadRef, Upstream, UpstreamError,
    UpstreamEtag, WriteCondition,
};

/// Which promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Conditions on writes and deletes are not looked at.
    IgnoresConditions,
    /// Answers 412, and writes all the same.
    RefusesAndOverwrites,
    /// A body that breaks off is published as far as it came.
    PublishesShortBodies,
    /// The same, and success is answered.
    AcceptsShortBodies,
    /// A suffix range is answered with the whole object.
    SuffixAsWhole,
    /// If-Match on GET is not looked at.
    IgnoresIfMatch,
    /// The condition on the source of a part copy is not looked at.
    IgnoresCopyCondition,
    /// Every object has the same ETag.
    ConstantEtag,
    /// LIST has other ETags than the rest.
    OtherEtagInList,
    /// `a//b` is `a/b`.
    SwallowsSlashes,
    /// Keys with `//` are refused.
    RefusesSlashes,
    /// `/a` is `a`.
    DropsLeadingSlash,
    /// Beside `a`, `a/b` is kept but not listed.
    HidesBelowObjects,
    /// Capitals are small letters.
    FoldsCase,
    /// A page of a listing starts one key too late.
    SkipsKeys,
    /// Tags are taken and forgotten.
    ForgetsTags,
    /// UploadPartCopy is not implemented.
    NoPartCopy,
    /// Every request fails as if nobody was there.
    Absent,
    /// Takes [`HALF_WAY_BYTES`] of a body and then no more.
    StopsReading,
    /// Sends [`HALF_WAY_BYTES`] of a body, and breaks it off.
    DiesHalfWay,
}

/// Where a body that is not carried to its end stops.
pub(crate) const HALF_WAY_BYTES: usize = 400 << 10;

/// The double. It claims to be able to do whatever the upstream below it can, unless told otherwise.
pub(crate) struct Liar {
    below: Arc<dyn Upstream>,
    lie: Lie,
    claims: Capabilities,
}

impl Liar {
    pub(crate) fn new(below: Arc<dyn Upstream>, lie: Lie) -> Self {
        let claims = below.capabilities();
        Self { below, lie, claims }
    }

    /// As if a probe had found this out.
    pub(crate) fn claiming(self, claims: Capabilities) -> Self {
        Self { claims, ..self }
    }

    fn key(&self, key: &ObjectKey) -> Result<ObjectKey, UpstreamError> {
        let folded = match self.lie {
            Lie::Absent => return Err(UpstreamError::Unavailable("connection refused".into())),
            Lie::RefusesSlashes if key.as_str().contains("//") => {
                return Err(UpstreamError::Unsupported("this kind of key"));
            }
            Lie::SwallowsSlashes => {
                let mut folded = key.as_str().to_owned();
                while folded.contains("//") {
                    folded = folded.replace("//", "/");
                }
                folded
            }
            Lie::DropsLeadingSlash => key.as_str().trim_start_matches('/').to_owned(),
            Lie::FoldsCase => key.as_str().to_ascii_lowercase(),
            _ => return Ok(key.clone()),
        };
        ObjectKey::parse(&folded).ok_or(UpstreamError::NoSuchKey)
    }

    fn object(&self, object: &ObjectRef) -> Result<ObjectRef, UpstreamError> {
        Ok(ObjectRef { key: self.key(&object.key)?, ..object.clone() })
    }

    fn facts(&self, mut facts: StoredFacts) -> StoredFacts {
        if self.lie == Lie::ConstantEtag {
            facts.etag = UpstreamEtag("d41d8cd98f00b204e9800998ecf8427e".into());
        }
        facts
    }

    /// What a condition becomes on its way.
    fn condition(&self, condition: WriteCondition) -> WriteCondition {
        match self.lie {
            Lie::IgnoresConditions | Lie::RefusesAndOverwrites => WriteCondition::None,
            // Only the double knows the ETags that it made up.
            Lie::ConstantEtag => match condition {
                WriteCondition::Matches(_) => WriteCondition::None,
                condition => condition,
            },
            _ => condition,
        }
    }

    /// Whether a condition would have held, where that is still to be answered.
    async fn holds(&self, object: &ObjectRef, condition: &WriteCondition) -> Result<(), UpstreamError> {
        if self.lie != Lie::RefusesAndOverwrites {
            return Ok(());
        }
        match (self.below.head_object(object).await, condition) {
            (_, WriteCondition::None) | (Err(UpstreamError::NoSuchKey), WriteCondition::Absent) => Ok(()),
            (Ok(facts), WriteCondition::Matches(etag)) if facts.etag == *etag => Ok(()),
            (Ok(_) | Err(UpstreamError::NoSuchKey), _) => Err(UpstreamError::PreconditionFailed),
            (Err(error), _) => Err(error),
        }
    }

    /// Those of `listed` that do not lie below another object.
    async fn above_all(&self, bucket: &BucketName, listed: Vec<ListedObject>) -> Vec<ListedObject> {
        let mut shown = Vec::new();
        for object in listed {
            let key = object.key.as_str();
            let inner = key.match_indices('/').filter(|(at, _)| at + 1 < key.len());
            let above = inner.filter_map(|(at, _)| ObjectKey::parse(&key[..at]));
            let mut is_below = false;
            for above in above {
                is_below |= self.below.head_object(&ObjectRef::current(bucket, &above)).await.is_ok();
            }
            if !is_below {
                shown.push(object);
            }
        }
        shown
    }

    fn publishes_short(&self) -> bool {
        matches!(self.lie, Lie::PublishesShortBodies | Lie::AcceptsShortBodies)
    }

    fn after_short<T>(&self, outcome: T) -> Result<T, UpstreamError> {
        match self.lie {
            Lie::AcceptsShortBodies => Ok(outcome),
            _ => Err(UpstreamError::Body(BodyAborted)),
        }
    }
}

/// All of a body in memory, and whether it broke off.
async fn collect(body: PutBody<'_>) -> (Vec<u8>, Option<BodyAborted>) {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; super::MIN_BUFFER_BYTES]);
    loop {
        match body.source.read(&mut buffer).await {
            Ok(0) => return (bytes, None),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(aborted) => return (bytes, Some(aborted)),
        }
    }
}

/// A body that is read half-way, and then not any more.
struct Stalling<'a> {
    source: &'a mut dyn BodySource,
    read: usize,
}

impl<'a> Stalling<'a> {
    fn of(body: PutBody<'a>) -> (u64, Self) {
        (body.stored_bytes, Self { source: body.source, read: 0 })
    }
}

#[async_trait]
impl BodySource for Stalling<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        if self.read >= HALF_WAY_BYTES {
            std::future::pending::<()>().await;
        }
        let read = self.source.read(into).await?;
        self.read += read;
        Ok(read)
    }
}

/// A body that breaks off half-way.
struct Dying {
    body: Box<dyn BodyReader>,
    left: usize,
}

#[async_trait]
impl BodyReader for Dying {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, UpstreamError> {
        if self.left == 0 {
            return Err(UpstreamError::Unavailable("the connection was reset".into()));
        }
        let most = into.len().min(self.left);
        let read = self.body.read(&mut into[..most]).await?;
        self.left -= read;
        Ok(read)
    }
}

struct Memory(std::io::Cursor<Vec<u8>>);

#[async_trait]
impl BodySource for Memory {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        std::io::Read::read(&mut self.0, into).map_err(|_| BodyAborted)
    }
}

#[async_trait]
impl Upstream for Liar {
    fn capabilities(&self) -> Capabilities {
        self.claims
    }

    async fn create_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        self.below.create_bucket(bucket).await
    }

    async fn delete_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        self.below.delete_bucket(bucket).await
    }

    async fn head_bucket(&self, bucket: &BucketName) -> Result<(), UpstreamError> {
        match self.lie {
            Lie::Absent => Err(UpstreamError::Unavailable("connection refused".into())),
            _ => self.below.head_bucket(bucket).await,
        }
    }

    async fn put_object(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        body: PutBody<'_>,
        condition: WriteCondition,
        tags: &Tags,
    ) -> Result<StoredFacts, UpstreamError> {
        let key = &self.key(key)?;
        let held = self.holds(&ObjectRef::current(bucket, key), &condition).await;
        let condition = self.condition(condition);
        let stored = if self.publishes_short() {
            let (bytes, aborted) = collect(body).await;
            let whole = PutBody { stored_bytes: bytes.len() as u64, source: &mut Memory(std::io::Cursor::new(bytes)) };
            let stored = self.below.put_object(bucket, key, whole, condition, tags).await?;
            if aborted.is_some() {
                return self.after_short(stored);
            }
            stored
        } else if self.lie == Lie::StopsReading {
            let (stored_bytes, mut source) = Stalling::of(body);
            let body = PutBody { stored_bytes, source: &mut source };
            self.below.put_object(bucket, key, body, condition, tags).await?
        } else {
            self.below.put_object(bucket, key, body, condition, tags).await?
        };
        held.map(|()| self.facts(stored))
    }

    async fn get_object(
        &self,
        object: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<GetReply, UpstreamError> {
        let object = &self.object(object)?;
        let range = match range {
            StoredRange::Suffix { .. } if self.lie == Lie::SuffixAsWhole => StoredRange::Whole,
            range => range,
        };
        let if_match = if_match.filter(|_| !matches!(self.lie, Lie::IgnoresIfMatch | Lie::ConstantEtag));
        let mut reply = self.below.get_object(object, range, if_match).await?;
        if self.lie == Lie::DiesHalfWay {
            reply.body = Box::new(Dying { body: reply.body, left: HALF_WAY_BYTES });
        }
        Ok(GetReply { facts: self.facts(reply.facts.clone()), ..reply })
    }

    async fn head_object(&self, object: &ObjectRef) -> Result<StoredFacts, UpstreamError> {
        Ok(self.facts(self.below.head_object(&self.object(object)?).await?))
    }

    async fn delete_object(&self, object: &ObjectRef, condition: WriteCondition) -> Result<DeleteReply, UpstreamError> {
        let object = &self.object(object)?;
        let held = self.holds(object, &condition).await;
        let reply = self.below.delete_object(object, self.condition(condition)).await?;
        held.map(|()| reply)
    }

    async fn delete_objects(
        &self,
        bucket: &BucketName,
        objects: &[ObjectRef],
    ) -> Result<Vec<Result<DeleteReply, UpstreamError>>, UpstreamError> {
        self.below.delete_objects(bucket, objects).await
    }

    async fn list_objects(&self, bucket: &BucketName, request: &ListRequest) -> Result<ListPage, UpstreamError> {
        let mut page = self.below.list_objects(bucket, request).await?;
        if self.lie == Lie::SkipsKeys && request.after.is_some() && !page.objects.is_empty() {
            page.objects.remove(0);
        }
        if self.lie == Lie::HidesBelowObjects {
            page.objects = self.above_all(bucket, page.objects).await;
        }
        for object in &mut page.objects {
            object.facts = self.facts(object.facts.clone());
            if self.lie == Lie::OtherEtagInList {
                object.facts.etag = UpstreamEtag(format!("list-{}", object.facts.etag).into());
            }
        }
        Ok(page)
    }

    async fn get_tags(&self, object: &ObjectRef) -> Result<Tags, UpstreamError> {
        self.below.get_tags(&self.object(object)?).await
    }

    async fn put_tags(&self, object: &ObjectRef, tags: &Tags) -> Result<(), UpstreamError> {
        match self.lie {
            Lie::ForgetsTags => self.below.head_object(object).await.map(drop),
            _ => self.below.put_tags(&self.object(object)?, tags).await,
        }
    }

    async fn create_multipart(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        tags: &Tags,
    ) -> Result<UploadRef, UpstreamError> {
        self.below.create_multipart(bucket, &self.key(key)?, tags).await
    }

    async fn upload_part(
        &self,
        upload: &UploadRef,
        number: u16,
        body: PutBody<'_>,
    ) -> Result<StoredPart, UpstreamError> {
        if self.lie == Lie::StopsReading {
            let (stored_bytes, mut source) = Stalling::of(body);
            return self.below.upload_part(upload, number, PutBody { stored_bytes, source: &mut source }).await;
        }
        if !self.publishes_short() {
            return self.below.upload_part(upload, number, body).await;
        }
        let (bytes, aborted) = collect(body).await;
        let whole = PutBody { stored_bytes: bytes.len() as u64, source: &mut Memory(std::io::Cursor::new(bytes)) };
        let stored = self.below.upload_part(upload, number, whole).await?;
        match aborted {
            Some(_) => self.after_short(stored),
            None => Ok(stored),
        }
    }

    async fn upload_part_copy(
        &self,
        upload: &UploadRef,
        number: u16,
        source: &ObjectRef,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<StoredPart, UpstreamError> {
        let if_match = if_match.filter(|_| !matches!(self.lie, Lie::IgnoresCopyCondition | Lie::ConstantEtag));
        match self.lie {
            Lie::NoPartCopy => Err(UpstreamError::Unsupported("UploadPartCopy")),
            _ => self.below.upload_part_copy(upload, number, source, range, if_match).await,
        }
    }

    async fn list_parts(&self, upload: &UploadRef, after: u16, max: u32) -> Result<Vec<StoredPart>, UpstreamError> {
        self.below.list_parts(upload, after, max).await
    }

    async fn complete_multipart(
        &self,
        upload: &UploadRef,
        parts: &[(u16, UpstreamEtag)],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        let held = self.holds(&ObjectRef::current(&upload.bucket, &upload.key), &condition).await;
        let stored = self.below.complete_multipart(upload, parts, self.condition(condition)).await?;
        held.map(|()| self.facts(stored))
    }

    async fn abort_multipart(&self, upload: &UploadRef) -> Result<(), UpstreamError> {
        self.below.abort_multipart(upload).await
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
