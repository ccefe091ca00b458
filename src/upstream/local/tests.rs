//! The suite, and what only a directory promises.

use std::sync::Arc;

use crate::base::{BucketName, Clock};
use crate::upstream::Upstream;
use crate::upstream::suite::{Fixture, upstream_suite};

use super::LocalUpstream;

async fn fresh() -> Fixture {
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = LocalUpstream::open(&dir.path().join("data"), Clock::System).await.expect("an upstream");
    let bucket = BucketName::parse("bucket").expect("a name");
    upstream.create_bucket(&bucket).await.expect("a bucket");
    Fixture { upstream: Arc::new(upstream), bucket, _keep: Box::new(dir) }
}

mod suite {
    use super::upstream_suite;

    upstream_suite!(super::super::fresh);
}
