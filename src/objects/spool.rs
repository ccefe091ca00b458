//! Bodies at upstreams that publish what breaks off ([`ShortBodies::Published`]).
//!
//! There a body must not go where it would be seen before its sender's proof was checked: an object goes up as an
//! upload of one part, which nobody sees and which is completed once the body has ended well; a part goes up as a
//! temporary object first, and is moved into its upload by the upstream. Ciphertext only, streamed, never kept here.

use std::sync::Arc;

use async_trait::async_trait;

use crate::base::{BucketName, ObjectKey};
use crate::store::BucketRow;
use crate::upstream::{
    BodyAborted, BodyReader, BodySource, ObjectRef, PutBody, ShortBodies, StoredFacts, StoredPart, StoredRange, Tags,
    UploadRef, Upstream, UpstreamError, UpstreamEtag, WriteCondition,
};

use super::Objects;
use super::error::ObjectError;

/// How often a verified temporary object is sent up again where the upstream cannot copy it. A part that breaks off
/// here takes the place of an earlier attempt, so it is not given up at once.
const MAX_MOVES: usize = 3;

/// How a body reaches an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// In one request: a body that breaks off is never seen.
    Direct,
    /// By a detour, verified before anybody sees it.
    Verified,
}

impl Objects {
    /// The way to a bucket's upstream.
    pub(super) fn route(&self, bucket: &BucketRow) -> Result<Route, ObjectError> {
        Ok(match self.upstream(bucket)?.capabilities().short_bodies {
            ShortBodies::Refused => Route::Direct,
            ShortBodies::Published => Route::Verified,
        })
    }

    /// Stores an object; it is published only when its source ended well.
    pub(super) async fn put_verified(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        body: PutBody<'_>,
        condition: WriteCondition,
        tags: &Tags,
    ) -> Result<StoredFacts, UpstreamError> {
        let place = self.inner.upstreams.of(bucket).map_err(|error| UpstreamError::Unavailable(error.to_string()))?;
        let upload = place.upstream.create_multipart(&bucket.name, key, tags).await?;
        let abandoned = Abandoned::upload(place.upstream.clone(), upload.clone());
        let mut watched = Watched { source: body.source, left: body.stored_bytes, ended: Ended::NotYet };
        let sent = PutBody { stored_bytes: body.stored_bytes, source: &mut watched };
        let part = place.upstream.upload_part(&upload, 1, sent).await;
        // The upstream's word is not enough: some answer 200 to a part that broke off.
        let part = match (part, watched.ended) {
            (_, Ended::Aborted) => return Err(UpstreamError::Body(BodyAborted)),
            (Ok(_), Ended::NotYet) => return Err(UpstreamError::Broken("a part was answered before its end".into())),
            (part, Ended::Whole | Ended::NotYet) => part?,
        };
        let stored = place.upstream.complete_multipart(&upload, &[(1, part.etag)], condition).await?;
        abandoned.kept();
        Ok(stored)
    }

    /// Moves a temporary object, whose body was verified, into an upload as a part of it.
    pub(super) async fn move_into(
        &self,
        bucket: &BucketRow,
        upload: &UploadRef,
        number: u16,
        from: &Temporary,
    ) -> Result<StoredPart, UpstreamError> {
        let place = self.inner.upstreams.of(bucket).map_err(|error| UpstreamError::Unavailable(error.to_string()))?;
        let upstream = &*place.upstream;
        let source = ObjectRef::current(&from.bucket, &from.key);
        if upstream.capabilities().part_copy {
            return upstream.upload_part_copy(upload, number, &source, StoredRange::Whole, Some(&from.etag)).await;
        }
        let mut outcome = send_again(upstream, upload, number, &source, from).await;
        for _ in 1..MAX_MOVES {
            match outcome {
                Err(UpstreamError::Unavailable(_) | UpstreamError::Body(_)) => {
                    outcome = send_again(upstream, upload, number, &source, from).await;
                }
                _ => break,
            }
        }
        outcome
    }
}

/// A verified body on its way to where it belongs.
pub(super) struct Temporary {
    pub(super) bucket: BucketName,
    pub(super) key: ObjectKey,
    pub(super) etag: UpstreamEtag,
    pub(super) stored_bytes: u64,
}

async fn send_again(
    upstream: &dyn Upstream,
    upload: &UploadRef,
    number: u16,
    source: &ObjectRef,
    from: &Temporary,
) -> Result<StoredPart, UpstreamError> {
    let reply = upstream.get_object(source, StoredRange::Whole, Some(&from.etag)).await?;
    let mut relay = Relay { body: reply.body, fault: None };
    let sent = upstream.upload_part(upload, number, PutBody { stored_bytes: from.stored_bytes, source: &mut relay });
    match (sent.await, relay.fault) {
        (_, Some(fault)) => Err(fault),
        (sent, None) => sent,
    }
}

/// From the upstream and back to it.
struct Relay {
    body: Box<dyn BodyReader>,
    fault: Option<UpstreamError>,
}

#[async_trait]
impl BodySource for Relay {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        self.body.read(into).await.map_err(|error| {
            self.fault = Some(error);
            BodyAborted
        })
    }
}

/// How far a source has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    NotYet,
    Whole,
    Aborted,
}

/// Sees whether a source ended well, whatever the upstream makes of it.
struct Watched<'a> {
    source: &'a mut dyn BodySource,
    left: u64,
    ended: Ended,
}

#[async_trait]
impl BodySource for Watched<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        let read = self.source.read(into).await.inspect_err(|_| self.ended = Ended::Aborted)?;
        let left = self.left.checked_sub(read as u64).filter(|left| *left == 0 || read > 0);
        let Some(left) = left else {
            self.ended = Ended::Aborted;
            return Err(BodyAborted);
        };
        self.left = left;
        if left == 0 {
            // Upstreams need not ask again once they have everything.
            self.ended = Ended::Whole;
        }
        Ok(read)
    }
}

/// An upload that is removed unless it was completed, also when its client goes away in the middle.
struct Abandoned(Option<(Arc<dyn Upstream>, UploadRef)>);

impl Abandoned {
    fn upload(upstream: Arc<dyn Upstream>, upload: UploadRef) -> Self {
        Self(Some((upstream, upload)))
    }

    fn kept(mut self) {
        self.0 = None;
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let (Some((upstream, upload)), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            match upstream.abort_multipart(&upload).await {
                Ok(()) | Err(UpstreamError::NoSuchUpload | UpstreamError::NoSuchBucket) => {}
                Err(error) => tracing::warn!(%error, "an upload was left behind at the upstream"),
            }
        });
    }
}
