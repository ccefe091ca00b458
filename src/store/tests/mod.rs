//! The store on real files.

use std::path::PathBuf;

use tempfile::TempDir;

use super::{BucketRow, Store, UploadId, UploadRow, UploadState};
use crate::base::{BodyId, BucketId, BucketName, DomainId, KeyId, ObjectKey, PrincipalId, Timestamp};
use crate::envelope::wrap::{Scheme, WrappedDek};

mod files;
mod rows;
mod uploads;
mod writers;

/// A directory with a database file that does not exist yet.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: TempDir::new().expect("a temporary directory") }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state/state.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    async fn store(&self) -> Store {
        Store::open(&self.url()).await.expect("opens")
    }

    /// Names and contents of everything in the database's directory.
    fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(self.path().parent().expect("has one")).expect("is readable");
        let mut all: Vec<_> = entries
            .map(|entry| entry.expect("is readable").path())
            .map(|path| (path.clone(), std::fs::read(&path).expect("is readable")))
            .collect();
        all.sort();
        all
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn bucket(name: &str) -> BucketRow {
    BucketRow {
        name: BucketName::parse(name).expect("a bucket name"),
        bucket_id: BucketId::generate(),
        domain_id: DomainId::generate(),
        upstream: "default".into(),
        owner: PrincipalId::generate(),
        region: "eu-central-1".into(),
        created: at(1),
        adopted: false,
    }
}

fn upload(bucket: &BucketRow, key: &str, begun: i64) -> UploadRow {
    UploadRow {
        upload_id: UploadId::generate(at(begun)),
        bucket_id: bucket.bucket_id,
        key: ObjectKey::parse(key).expect("a key"),
        upstream_upload_id: "up".into(),
        body_id: BodyId::generate(),
        wrapped_dek: WrappedDek::new(Scheme::Bucket, KeyId::generate(), 0, vec![7; 104]).expect("a wrap"),
        sealed_facts: vec![1, 2, 3],
        initiator: PrincipalId::generate(),
        created: at(begun),
        highest_part_begun: 0,
        state: UploadState::Open,
    }
}
