//! Buckets that are made, removed and made again under somebody's hands.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Body, World, new_object, owner};
use crate::base::{BucketName, ChecksumAlgorithm, ObjectKey, PrincipalId};
use crate::hashing::{DigestSet, Digests};
use crate::objects::{BodyRefused, ObjectError, Objects, PlainSource, PutObject, WriteGuard};
use crate::store::BucketRow;
use crate::upstream::{ListRequest, Upstream};

/// Removing is two steps. A bucket that is made between them must not lose its row, and with it its objects.
async fn made_while_it_is_removed(caller: Caller) {
    let world = World::new().await;
    let name = world.bucket.name.clone();
    let pause = world.upstream.pause_after("delete_bucket");
    let (objects, old) = (world.objects.clone(), world.bucket.clone());
    let removal = tokio::spawn(async move { objects.delete_bucket(&old).await });
    pause.reached.notified().await;
    if caller == Caller::GoesAway {
        removal.abort();
    }
    let (objects, wanted) = (world.objects.clone(), name.clone());
    let creation = tokio::spawn(async move { objects.create_bucket(&wanted, owner(), "us-east-1").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    pause.go_on.notify_one();
    let made = creation.await.expect("runs").expect("made");
    let world = World { bucket: made, ..world };
    let key = world.key("k");
    world.put(&key, b"content").await.expect("stored");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.objects.bucket(&name).await.expect("it has its row"), world.bucket);
    assert_eq!(world.get(&key).await.expect("readable").1, b"content");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Waits,
    GoesAway,
}

#[tokio::test]
async fn bucket_made_while_it_is_removed_keeps_its_objects() {
    made_while_it_is_removed(Caller::Waits).await;
}

#[tokio::test]
async fn removal_that_nobody_waits_for_still_comes_before_the_next_bucket() {
    made_while_it_is_removed(Caller::GoesAway).await;
}

/// Whoever still has the row of a bucket that is gone does not remove the next one of that name.
#[tokio::test]
async fn removal_of_a_bucket_that_is_gone_spares_the_next() {
    let world = World::new().await;
    let old = world.bucket.clone();
    world.objects.delete_bucket(&old).await.expect("removed");
    let next = world.objects.create_bucket(&old.name, owner(), "us-east-1").await.expect("made");
    assert!(matches!(world.objects.delete_bucket(&old).await, Err(ObjectError::NoSuchBucket)));
    world.upstream.head_bucket(&next.name).await.expect("it is there");
}

/// A body during which the bucket is removed and made again, and `newer` stored in it where that is given.
struct Slow {
    objects: Objects,
    bucket: BucketRow,
    body: Body,
    newer: Option<ObjectKey>,
    changed: bool,
}

#[async_trait]
impl PlainSource for Slow {
    fn wants(&self) -> DigestSet {
        self.body.wants()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyRefused> {
        if !std::mem::replace(&mut self.changed, true) {
            self.objects.delete_bucket(&self.bucket).await.map_err(|_| BodyRefused)?;
            let name: &BucketName = &self.bucket.name;
            let bucket = self.objects.create_bucket(name, owner(), "us-east-1").await.map_err(|_| BodyRefused)?;
            if let Some(key) = &self.newer {
                let put = put_of(&bucket, key, b"newer".len());
                self.objects.put(put, &mut Body::of(b"newer")).await.map_err(|_| BodyRefused)?;
            }
        }
        self.body.next().await
    }

    fn verify(&mut self, digests: &Digests) -> Result<(), BodyRefused> {
        self.body.verify(digests)
    }
}

fn put_of<'a>(bucket: &'a BucketRow, key: &'a ObjectKey, len: usize) -> PutObject<'a> {
    PutObject {
        bucket,
        key,
        plaintext_bytes: len as u64,
        object: new_object(),
        checksum: ChecksumAlgorithm::Crc64Nvme,
        guard: WriteGuard::None,
    }
}

/// What is sealed for one bucket cannot be read in the next one of the same name: it is not acknowledged, nor left there.
#[tokio::test]
async fn put_into_a_bucket_that_was_made_again_is_not_acknowledged() {
    let world = World::new().await;
    let key = world.key("k");
    let (objects, bucket) = (world.objects.clone(), world.bucket.clone());
    let mut body = Slow { objects, bucket, body: Body::of(b"content"), newer: None, changed: false };
    let outcome = world.objects.put(put_of(&world.bucket, &key, 7), &mut body).await;
    assert!(matches!(outcome, Err(ObjectError::NoSuchBucket)), "{:?}", outcome.err());
    let all = ListRequest { max_entries: 10, ..ListRequest::default() };
    assert!(world.upstream.list_objects(&world.bucket.name, &all).await.expect("lists").objects.is_empty());
}

/// Nor does it replace what the next bucket holds under its key.
#[tokio::test]
async fn put_into_a_bucket_that_was_made_again_spares_what_is_there() {
    let world = World::new().await;
    let key = world.key("k");
    let (objects, bucket) = (world.objects.clone(), world.bucket.clone());
    let mut body = Slow { objects, bucket, body: Body::of(b"content"), newer: Some(key.clone()), changed: false };
    let outcome = world.objects.put(put_of(&world.bucket, &key, 7), &mut body).await;
    assert!(matches!(outcome, Err(ObjectError::NoSuchBucket)), "{:?}", outcome.err());
    let removed = world.objects.delete_many(&world.bucket, &[(key.clone(), WriteGuard::None)]).await;
    assert!(matches!(removed, Err(ObjectError::NoSuchBucket)), "a list that came too late");
    let next = world.objects.bucket(&world.bucket.name).await.expect("made again");
    let world = World { bucket: next, ..world };
    assert_eq!(world.get(&key).await.expect("readable").1, b"newer");
}

/// A removal that was cut off leaves a row; only its owner may have its ids again.
#[tokio::test]
async fn bucket_without_its_half_upstream_is_still_its_owners() {
    let world = World::new().await;
    let name = &world.bucket.name;
    world.upstream.delete_bucket(name).await.expect("removed");
    let stranger = PrincipalId::from_bytes([9; 16]);
    let refused = world.objects.create_bucket(name, stranger, "us-east-1").await;
    assert!(matches!(refused, Err(ObjectError::BucketExists { owner: whose }) if whose == owner()));
    assert!(world.upstream.head_bucket(name).await.is_err(), "a stranger changes nothing");
    let again = world.objects.create_bucket(name, owner(), "us-east-1").await.expect("made");
    assert_eq!(again, world.bucket);
}
