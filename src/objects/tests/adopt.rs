//! Buckets that an upstream had before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::{Raw, internal_bucket, owner, stand_on, watched};
use crate::base::{BucketName, Clock, ObjectKey, PrincipalId};
use crate::objects::{AdoptBuckets, AdoptError, Adopted, BucketPolicies, ObjectError, Objects, Place, Upstreams};
use crate::store::{PrincipalKind, PrincipalRow};
use crate::upstream::watched::Watched;
use crate::upstream::{PutBody, Tags, Upstream, WriteCondition};

/// Two upstreams, each with buckets that nobody told us of.
struct Two {
    objects: Objects,
    places: [Place; 2],
    at_default: Arc<Watched>,
    at_other: Arc<Watched>,
    root: PrincipalId,
    _dir: TempDir,
}

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).expect("a name")
}

impl Two {
    async fn new(adopt: [AdoptBuckets; 2]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Clock::manual(Clock::System.now());
        let at_default = watched(&dir.path().join("default")).await;
        let at_other = watched(&dir.path().join("other")).await;
        let mut places = [
            Place::new("default", at_default.clone(), internal_bucket()),
            Place::new("other", at_other.clone(), bucket("its-own-internal")),
        ];
        for (place, adopt) in places.iter_mut().zip(adopt) {
            place.claim(&[1; 16]).await.expect("ours");
            place.adopt = adopt;
            place.region = "eu-central-1".to_owned();
        }
        let upstreams = Upstreams::new(places.clone(), HashMap::from([(bucket("assigned"), "other".to_owned())]));
        let objects = stand_on(dir.path(), &clock, upstreams, BucketPolicies::default()).await;
        let root = PrincipalId::from_bytes([9; 16]);
        let row = PrincipalRow { id: root, name: "root".to_owned(), kind: PrincipalKind::Root, created: clock.now() };
        objects.inner.store.insert_principal(row).await.expect("inserts");
        Self { objects, places, at_default, at_other, root, _dir: dir }
    }

    /// Where `name` is after somebody named it.
    async fn found(&self, name: &str) -> Result<String, ObjectError> {
        self.objects.bucket(&bucket(name)).await.map(|row| row.upstream)
    }

    async fn adopt(&self, place: usize, name: &str) -> Result<Adopted, AdoptError> {
        let on = &self.objects.inner;
        self.places[place].adopt(&bucket(name), &on.store, on.clock.now()).await
    }
}

async fn make(upstream: &Watched, name: &str) {
    upstream.create_bucket(&bucket(name)).await.expect("made");
}

async fn fill(upstream: &Watched, name: &str, key: &str, content: &'static [u8]) {
    let key = ObjectKey::parse(key).expect("a key");
    let mut source = Raw(content.into());
    let body = PutBody { stored_bytes: content.len() as u64, source: &mut source };
    upstream.put_object(&bucket(name), &key, body, WriteCondition::None, &Tags::new()).await.expect("stored");
}

fn is_missing(found: Result<String, ObjectError>) -> bool {
    matches!(found, Err(ObjectError::NoSuchBucket))
}

const BOTH: [AdoptBuckets; 2] = [AdoptBuckets::FirstUse, AdoptBuckets::FirstUse];

#[tokio::test]
async fn unknown_buckets_are_not_there_unless_told_otherwise() {
    let two = Two::new([AdoptBuckets::Never, AdoptBuckets::FirstUse]).await;
    for name in ["here", "assigned"] {
        make(&two.at_default, name).await;
    }
    two.at_default.take_seen();
    two.at_other.take_seen();
    assert!(is_missing(two.found("here").await) && is_missing(two.found("assigned").await));
    assert!(two.at_default.take_seen().is_empty(), "nor is it asked for them");
    assert_eq!(two.at_other.take_seen(), ["head_bucket", "head_bucket"]);
}

#[tokio::test]
async fn buckets_are_taken_in_when_they_are_named() {
    let two = Two::new(BOTH).await;
    make(&two.at_default, "both").await;
    for name in ["both", "there", "assigned"] {
        make(&two.at_other, name).await;
    }
    assert_eq!(two.found("both").await.expect("taken in"), "default", "where a new one would be made");
    assert_eq!(two.found("there").await.expect("taken in"), "other");
    assert_eq!(two.found("assigned").await.expect("taken in"), "other");
    assert!(is_missing(two.found("nowhere").await));
    let row = two.objects.bucket(&bucket("there")).await.expect("known");
    assert_eq!((row.owner, row.region.as_str()), (two.root, "eu-central-1"));
    two.at_other.take_seen();
    assert_eq!(two.objects.bucket(&bucket("there")).await.expect("known"), row, "the same ids every time");
    assert!(two.at_other.take_seen().is_empty(), "and nobody is asked again");
}

/// A bucket that is assigned to one upstream is not looked for at another.
#[tokio::test]
async fn assigned_buckets_are_looked_for_at_their_upstream_only() {
    let two = Two::new(BOTH).await;
    make(&two.at_default, "assigned").await;
    assert!(is_missing(two.found("assigned").await));
}

/// It may be at the one that does not answer: taking another one of that name would hide it for ever.
#[tokio::test]
async fn upstream_that_does_not_answer_is_not_passed_over() {
    let two = Two::new(BOTH).await;
    make(&two.at_other, "there").await;
    two.at_default.lose_answer_of("head_bucket");
    assert!(matches!(two.found("there").await, Err(ObjectError::Upstream(_))));
    assert_eq!(two.found("there").await.expect("taken in"), "other");
}

/// Wrapped keys and parts in flight, ours or of another deployment at the same service.
#[tokio::test]
async fn internal_buckets_of_any_deployment_are_never_taken() {
    let two = Two::new(BOTH).await;
    let theirs = Place::new("theirs", two.at_other.clone(), bucket("theirs"));
    theirs.claim(&[2; 16]).await.expect("another deployment's");
    make(&two.at_other, "like-it").await;
    fill(&two.at_other, "like-it", "deployment", b"notes of a deployment, 32 bytes.").await;
    for (place, name) in [(1, "theirs"), (1, "its-own-internal"), (0, "crypt-keeper-internal")] {
        assert!(is_missing(two.found(name).await), "{name}");
        assert!(matches!(two.adopt(place, name).await, Err(AdoptError::Internal { .. })), "{name}");
    }
    assert_eq!(two.found("like-it").await.expect("an object of that name is not enough"), "other");
}

#[tokio::test]
async fn command_adopts_once_and_says_so() {
    let two = Two::new([AdoptBuckets::Never; 2]).await;
    make(&two.at_other, "there").await;
    assert!(matches!(two.adopt(0, "there").await, Err(AdoptError::NoSuchBucket { .. })));
    let Ok(Adopted::Now(row)) = two.adopt(1, "there").await else { panic!("it is new") };
    assert_eq!(two.objects.bucket(&bucket("there")).await.expect("a running server sees it"), row);
    assert!(matches!(two.adopt(1, "there").await, Ok(Adopted::Before(known)) if known == row));
    assert!(matches!(two.adopt(0, "there").await, Err(AdoptError::Elsewhere { .. })));
}

/// What tools do first: make the bucket.
#[tokio::test]
async fn making_a_bucket_that_is_there_names_it() {
    let two = Two::new([AdoptBuckets::FirstUse, AdoptBuckets::Never]).await;
    for (upstream, name) in [(&two.at_default, "full"), (&two.at_other, "assigned")] {
        make(upstream, name).await;
        fill(upstream, name, "k", b"content").await;
    }
    let made = |name| two.objects.create_bucket(name, owner(), "us-east-1");
    let (full, assigned) = (bucket("full"), bucket("assigned"));
    assert!(matches!(made(&full).await, Err(ObjectError::BucketExists { owner }) if owner == two.root));
    assert_eq!(two.found("full").await.expect("known"), "default");
    assert!(matches!(made(&assigned).await, Err(ObjectError::BucketExists { owner }) if owner != two.root));
    assert!(is_missing(two.found("assigned").await), "at an upstream that keeps its buckets");
}

/// AWS in us-east-1 answers 200 to whoever makes a bucket of their own again.
#[tokio::test]
async fn bucket_with_content_is_not_handed_to_whoever_makes_it() {
    let two = Two::new([AdoptBuckets::Never; 2]).await;
    make(&two.at_default, "full").await;
    fill(&two.at_default, "full", "k", b"content").await;
    two.at_default.make_buckets_twice();
    let made = two.objects.create_bucket(&bucket("full"), owner(), "us-east-1").await;
    assert!(matches!(made, Err(ObjectError::BucketExists { owner: other }) if other != owner()));
    two.objects.create_bucket(&bucket("fresh"), owner(), "us-east-1").await.expect("made");
}

/// Uploads of others in a bucket that was there before are not ours to end.
#[tokio::test]
async fn uploads_of_others_are_not_swept() {
    let two = Two::new(BOTH).await;
    make(&two.at_default, "theirs").await;
    let key = ObjectKey::parse("k").expect("a key");
    two.at_default.create_multipart(&bucket("theirs"), &key, &Tags::new()).await.expect("begun");
    assert!(matches!(two.adopt(0, "theirs").await, Ok(Adopted::Now(_))));
    let days = Duration::from_secs(3 * 24 * 60 * 60);
    two.objects.inner.clock.set(two.objects.inner.clock.now().plus(days));
    assert_eq!(two.objects.sweep_cut_off().await.expect("sweeps").upstream_uploads, 0);
    assert_eq!(two.objects.sweep().await.expect("sweeps").upstream_uploads, 0);
    let left = two.at_default.list_uploads(&bucket("theirs"), None, 10).await.expect("lists");
    assert_eq!(left.len(), 1);
}
