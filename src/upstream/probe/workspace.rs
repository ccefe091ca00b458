//! A corner of the internal bucket under a random prefix, and the requests that checks are made of.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use crate::base::{BucketName, ObjectKey, Timestamp, random};
use crate::upstream::{
    BodyAborted, BodySource, ListRequest, ListedObject, ObjectRef, PutBody, StoredFacts, StoredPart, StoredRange, Tags,
    UploadRef, Upstream, UpstreamError, UpstreamEtag, WriteCondition,
};

use super::findings::Answer;

/// Everything that probes write is below this; no client and no sweep looks there.
const PREFIX: &str = "probe/";
/// One request. Slow lines carry the largest body of a probe (5 MiB) within this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// No probe reads more at once: a store that answers without end must not fill our memory.
const MAX_READ_BYTES: u64 = 64 << 10;
/// What a probe that was cut off has left behind is removed by a later one, when it is this old.
const LEFTOVER_AGE: Duration = Duration::from_secs(60 * 60);
/// Listed at a time.
const PAGE: u32 = 1000;
/// Pages of one listing at most: probes write a few dozen objects.
const MAX_PAGES: usize = 16;

/// Why a check did not end well.
pub(super) enum Lack {
    /// The upstream does something else than S3.
    Seen(String),
    /// A request failed.
    Failed(UpstreamError),
}

impl From<UpstreamError> for Lack {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}

/// The outcome of a check.
pub(super) type Checked = Result<(), Lack>;

/// It does something else.
pub(super) fn lacks(seen: impl Into<String>) -> Lack {
    Lack::Seen(seen.into())
}

impl From<Checked> for Answer {
    fn from(checked: Checked) -> Self {
        match checked {
            Ok(()) => Self::Yes,
            Err(Lack::Seen(seen)) => Self::no(seen),
            // Trouble of the moment proves nothing.
            Err(Lack::Failed(error @ (UpstreamError::Unavailable(_) | UpstreamError::Full))) => Self::unknown(error),
            Err(Lack::Failed(error)) => Self::no(error),
        }
    }
}

/// What a read gave.
pub(super) struct Read {
    pub(super) facts: StoredFacts,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// Where one probe works.
pub(super) struct Workspace<'a> {
    pub(super) upstream: &'a dyn Upstream,
    bucket: &'a BucketName,
    prefix: String,
}

impl<'a> Workspace<'a> {
    pub(super) fn new(upstream: &'a dyn Upstream, bucket: &'a BucketName) -> Self {
        Self { upstream, bucket, prefix: format!("{PREFIX}{}/", hex::encode(random::bytes::<8>())) }
    }

    /// The same corner through another way in.
    pub(super) fn through<'b>(&self, upstream: &'b dyn Upstream) -> Workspace<'b>
    where
        'a: 'b,
    {
        Workspace { upstream, bucket: self.bucket, prefix: self.prefix.clone() }
    }

    /// The same corner with a slash before all of its keys: another corner, or a service that drops it.
    pub(super) fn behind_slash(&self) -> Workspace<'a> {
        Workspace { upstream: self.upstream, bucket: self.bucket, prefix: format!("/{}", self.prefix) }
    }

    /// What a key is called here.
    pub(super) fn name_of<'b>(&self, key: &'b str) -> &'b str {
        key.strip_prefix(&self.prefix).unwrap_or(key)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn key(&self, name: &str) -> Result<ObjectKey, UpstreamError> {
        ObjectKey::parse(&format!("{}{name}", self.prefix)).ok_or(UpstreamError::NoSuchKey)
    }

    pub(super) fn object(&self, name: &str) -> Result<ObjectRef, UpstreamError> {
        Ok(ObjectRef::current(self.bucket, &self.key(name)?))
    }

    /// Finds the internal bucket, or makes it as a server would.
    pub(super) async fn settle(&self) -> Result<(), UpstreamError> {
        match answered(self.upstream.head_bucket(self.bucket)).await {
            Err(UpstreamError::NoSuchBucket) => match answered(self.upstream.create_bucket(self.bucket)).await {
                Err(UpstreamError::BucketExists) => Ok(()),
                done => done,
            },
            found => found,
        }
    }

    pub(super) async fn put(&self, name: &str, bytes: &[u8]) -> Result<StoredFacts, UpstreamError> {
        self.put_if(name, bytes, WriteCondition::None).await
    }

    pub(super) async fn put_if(
        &self,
        name: &str,
        bytes: &[u8],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        self.put_from(name, bytes.len() as u64, &mut Source::of(bytes), condition).await
    }

    pub(super) async fn put_from(
        &self,
        name: &str,
        stored_bytes: u64,
        source: &mut dyn BodySource,
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        let key = self.key(name)?;
        let body = PutBody { stored_bytes, source };
        let untagged = Tags::new();
        answered(self.upstream.put_object(self.bucket, &key, body, condition, &untagged)).await
    }

    pub(super) async fn get(&self, name: &str) -> Result<Read, UpstreamError> {
        self.get_part(name, StoredRange::Whole, None).await
    }

    pub(super) async fn get_part(
        &self,
        name: &str,
        range: StoredRange,
        if_match: Option<&UpstreamEtag>,
    ) -> Result<Read, UpstreamError> {
        let object = self.object(name)?;
        answered(async {
            let mut reply = self.upstream.get_object(&object, range, if_match).await?;
            let len = usize::try_from(reply.len.min(MAX_READ_BYTES)).unwrap_or(0);
            let mut bytes = vec![0; len];
            let mut filled = 0;
            while filled < len {
                match reply.body.read(&mut bytes[filled..]).await? {
                    0 => return Err(UpstreamError::Broken("a body ended before its length".into())),
                    read => filled += read,
                }
            }
            Ok(Read { facts: reply.facts, offset: reply.offset, bytes })
        })
        .await
    }

    pub(super) async fn head(&self, name: &str) -> Result<StoredFacts, UpstreamError> {
        answered(self.upstream.head_object(&self.object(name)?)).await
    }

    pub(super) async fn delete(&self, name: &str, condition: WriteCondition) -> Result<(), UpstreamError> {
        answered(self.upstream.delete_object(&self.object(name)?, condition)).await.map(drop)
    }

    /// Everything below a name, in pages of the given size.
    pub(super) async fn list(&self, below: &str, page_entries: u32) -> Result<Vec<ListedObject>, UpstreamError> {
        self.list_prefix(&format!("{}{below}", self.prefix), page_entries).await
    }

    async fn list_prefix(&self, prefix: &str, page_entries: u32) -> Result<Vec<ListedObject>, UpstreamError> {
        let mut request =
            ListRequest { prefix: prefix.to_owned(), max_entries: page_entries, ..ListRequest::default() };
        let mut listed = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = answered(self.upstream.list_objects(self.bucket, &request)).await?;
            listed.extend(page.objects);
            match page.next_after {
                Some(after) => request.after = Some(after),
                None => return Ok(listed),
            }
        }
        Ok(listed)
    }

    pub(super) async fn begin(&self, name: &str) -> Result<UploadRef, UpstreamError> {
        answered(self.upstream.create_multipart(self.bucket, &self.key(name)?, &Tags::new())).await
    }

    pub(super) async fn part(
        &self,
        upload: &UploadRef,
        number: u16,
        bytes: &[u8],
    ) -> Result<StoredPart, UpstreamError> {
        self.part_from(upload, number, bytes.len() as u64, &mut Source::of(bytes)).await
    }

    pub(super) async fn part_from(
        &self,
        upload: &UploadRef,
        number: u16,
        stored_bytes: u64,
        source: &mut dyn BodySource,
    ) -> Result<StoredPart, UpstreamError> {
        answered(self.upstream.upload_part(upload, number, PutBody { stored_bytes, source })).await
    }

    pub(super) async fn complete(
        &self,
        upload: &UploadRef,
        parts: &[(u16, UpstreamEtag)],
        condition: WriteCondition,
    ) -> Result<StoredFacts, UpstreamError> {
        answered(self.upstream.complete_multipart(upload, parts, condition)).await
    }

    pub(super) async fn parts(&self, upload: &UploadRef) -> Result<Vec<StoredPart>, UpstreamError> {
        answered(self.upstream.list_parts(upload, 0, PAGE)).await
    }

    /// The object must be as it was before a write that must not have happened.
    pub(super) async fn unchanged(&self, name: &str, before: &[u8], after: &str) -> Checked {
        match self.get(name).await {
            Ok(read) if read.bytes == before => Ok(()),
            Ok(_) => Err(lacks(format!("{after} and overwrites"))),
            Err(UpstreamError::NoSuchKey) => Err(lacks(format!("{after} and loses the object"))),
            Err(error) => Err(error.into()),
        }
    }

    /// A write whose condition does not hold: refused, and nothing changed. `before` is what was there.
    pub(super) async fn refused<T>(
        &self,
        outcome: Result<T, UpstreamError>,
        name: &str,
        before: &[u8],
        condition: &str,
    ) -> Checked {
        match outcome {
            Ok(_) => {
                self.unchanged(name, before, &format!("ignores {condition}")).await?;
                Err(lacks(format!("answers 200 to {condition} that does not hold")))
            }
            Err(UpstreamError::PreconditionFailed | UpstreamError::Conflict | UpstreamError::NoSuchKey) => {
                self.unchanged(name, before, &format!("refuses {condition}")).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what this probe wrote, and what earlier ones left. Best effort: the next probe tries again.
    pub(super) async fn clean_up(&self, now: Timestamp, written: &[&str]) {
        for name in written {
            if let Err(error) = self.delete(name, WriteCondition::None).await {
                tracing::debug!(%error, "an object of a probe was left behind");
            }
        }
        if let Err(error) = self.clear(now).await {
            tracing::debug!(%error, "objects of a probe were left behind");
        }
    }

    async fn clear(&self, now: Timestamp) -> Result<(), UpstreamError> {
        let is_old = |at: Timestamp| at.until(now) > LEFTOVER_AGE;
        let mut listed = self.list_prefix(PREFIX, PAGE).await?;
        listed.extend(self.list_prefix(&format!("/{PREFIX}"), PAGE).await?);
        for object in listed {
            let key = object.key.as_str();
            let is_ours = key.strip_prefix('/').unwrap_or(key).starts_with(&self.prefix);
            if is_ours || is_old(object.facts.last_modified) {
                let object = ObjectRef::current(self.bucket, &object.key);
                answered(self.upstream.delete_object(&object, WriteCondition::None)).await?;
            }
        }
        for listed in answered(self.upstream.list_uploads(self.bucket, None, PAGE)).await? {
            let key = listed.upload.key.as_str();
            if key.starts_with(&self.prefix) || key.starts_with(PREFIX) && is_old(listed.initiated) {
                match answered(self.upstream.abort_multipart(&listed.upload)).await {
                    Ok(()) | Err(UpstreamError::NoSuchUpload) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// A request that does not answer must not hold up the others.
pub(super) async fn answered<T>(request: impl Future<Output = Result<T, UpstreamError>>) -> Result<T, UpstreamError> {
    let late = || UpstreamError::Unavailable(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()));
    timeout(REQUEST_TIMEOUT, request).await.unwrap_or_else(|_| Err(late()))
}

/// An ETag that no object has.
pub(super) fn other_etag() -> UpstreamEtag {
    UpstreamEtag("00000000000000000000000000000000".into())
}

/// A body in memory, sent again and again until its length is reached, or until it breaks off.
pub(super) struct Source<'a> {
    pattern: &'a [u8],
    at: u64,
    end: u64,
    ending: Ending,
}

/// How a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    Broken,
}

impl<'a> Source<'a> {
    /// These bytes.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { pattern: bytes, at: 0, end: bytes.len() as u64, ending: Ending::Whole }
    }

    /// The pattern over and over, `len` bytes in all. The pattern is not empty.
    pub(super) fn repeated(pattern: &'a [u8], len: u64) -> Self {
        Self { pattern, at: 0, end: len, ending: Ending::Whole }
    }

    /// The same, broken off after `len` bytes.
    pub(super) fn broken_after(pattern: &'a [u8], len: u64) -> Self {
        Self { pattern, at: 0, end: len, ending: Ending::Broken }
    }
}

#[async_trait]
impl BodySource for Source<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        let mut written = 0;
        while written < into.len() && self.at < self.end {
            let from = usize::try_from(self.at % self.pattern.len() as u64).unwrap_or(0);
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            let take = (self.pattern.len() - from).min(into.len() - written).min(left);
            into[written..written + take].copy_from_slice(&self.pattern[from..from + take]);
            written += take;
            self.at += take as u64;
        }
        match self.ending {
            Ending::Broken if written == 0 => Err(BodyAborted),
            Ending::Broken | Ending::Whole => Ok(written),
        }
    }
}
