//! Buckets.

use crate::base::BucketName;
use crate::upstream::{ListRequest, ObjectRef, StoredRange, Tags, UpstreamError, WriteCondition};

use super::{Fixture, Quirk, Untouched, assert_refused, key};

pub(crate) async fn life_cycle(f: &Fixture) {
    assert_refused!(f.upstream.create_bucket(&f.bucket).await, UpstreamError::BucketExists);
    f.upstream.head_bucket(&f.bucket).await.expect("it is there");
    f.put("k", b"x").await;
    assert_refused!(f.upstream.delete_bucket(&f.bucket).await, UpstreamError::BucketNotEmpty);
    f.upstream.delete_object(&f.object("k"), WriteCondition::None).await.expect("a delete");
    f.upstream.delete_bucket(&f.bucket).await.expect("it is empty");
    assert_refused!(f.upstream.head_bucket(&f.bucket).await, UpstreamError::NoSuchBucket);
    assert_refused!(f.upstream.delete_bucket(&f.bucket).await, UpstreamError::NoSuchBucket);
    f.upstream.create_bucket(&f.bucket).await.expect("it may be made again");
    assert_refused!(f.head("k").await, UpstreamError::NoSuchKey);
}

pub(crate) async fn uploads_count_as_content(f: &Fixture) {
    let upload = f.begin("k").await;
    if f.has(Quirk::UploadsDoNotKeepTheirBucket) {
        f.upstream.delete_bucket(&f.bucket).await.expect("uploads do not count");
        assert_refused!(f.try_part(&upload, 1, b"x").await, UpstreamError::NoSuchUpload | UpstreamError::NoSuchBucket);
        return;
    }
    assert_refused!(f.upstream.delete_bucket(&f.bucket).await, UpstreamError::BucketNotEmpty);
    f.upstream.abort_multipart(&upload).await.expect("an abort");
    f.upstream.delete_bucket(&f.bucket).await.expect("it is empty");
}

pub(crate) async fn missing_bucket_is_told_everywhere(f: &Fixture) {
    let missing = BucketName::parse("no-such-bucket-here").expect("a name");
    let object = ObjectRef::current(&missing, &key("k"));
    let stored_bytes = f.unread_bytes();
    let body = || crate::upstream::PutBody { stored_bytes, source: Box::leak(Box::new(Untouched)) };
    let up = &f.upstream;
    let none = || WriteCondition::None;
    assert_refused!(
        up.put_object(&missing, &key("k"), body(), none(), &Tags::new()).await,
        UpstreamError::NoSuchBucket
    );
    assert_refused!(up.get_object(&object, StoredRange::Whole, None).await, UpstreamError::NoSuchBucket);
    assert_refused!(up.head_object(&object).await, UpstreamError::NoSuchBucket | UpstreamError::NoSuchKey);
    assert_refused!(up.delete_object(&object, none()).await, UpstreamError::NoSuchBucket);
    assert_refused!(up.delete_objects(&missing, std::slice::from_ref(&object)).await, UpstreamError::NoSuchBucket);
    assert_refused!(up.create_multipart(&missing, &key("k"), &Tags::new()).await, UpstreamError::NoSuchBucket);
    assert_refused!(up.list_objects(&missing, &ListRequest::default()).await, UpstreamError::NoSuchBucket);
    assert_refused!(up.list_uploads(&missing, None, 10).await, UpstreamError::NoSuchBucket);
}
