//! The suite of every upstream against a real MinIO. `conformance/run` starts one and runs these; by hand:
//!
//! ```text
//! MINIO_ROOT_USER=minio MINIO_ROOT_PASSWORD=minio-secret minio server --address 127.0.0.1:9100 /tmp/minio
//! CK_TEST_S3_ENDPOINT=http://127.0.0.1:9100 CK_TEST_S3_ACCESS_KEY=minio CK_TEST_S3_SECRET_KEY=minio-secret \
//!     cargo test --lib minio -- --ignored
//! ```

use std::sync::Arc;

use crate::base::{BucketName, Clock, SecretText, random};
use crate::upstream::s3::{
    Addressing, CredentialsSource, Endpoint, PayloadMode, S3Settings, S3Upstream, StaticCredentials,
};
use crate::upstream::suite::{Fixture, Quirk, upstream_suite};
use crate::upstream::{Capabilities, Upstream};

/// Every difference of this client, and of MinIO behind it, from `local`.
const QUIRKS: &[Quirk] = &[
    // Ours: a request can only be sent twice when all of it is at hand.
    Quirk::SmallBodiesAreReadFirst,
    // S3's limit. Nobody uses the number: part 10,000 is held back and joined with the footer.
    Quirk::PartsEndAt10000,
    // MinIO keeps uploads apart from buckets and does not look at them.
    Quirk::UploadsDoNotKeepTheirBucket,
    // MinIO knows `If-Match` of GET, PUT and Complete only. A probe finds it out, and such a DELETE is then refused.
    Quirk::ConditionsOnDeleteAreIgnored,
    // MinIO answers 204, whatever the id is. Sweeping and aborting take both answers for the same.
    Quirk::AbortingNothingSucceeds,
    // MinIO keeps objects as directories. A probe finds out which keys it takes for others; those are refused.
    Quirk::KeysArePaths,
    // MinIO's client library, which its server checks tags with, knows ASCII letters only. Such a write answers 501.
    Quirk::TagsAreAscii,
];

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see the head of this file"))
}

pub(super) async fn upstream(payload: PayloadMode) -> S3Upstream {
    let settings = S3Settings {
        endpoint: Endpoint::parse(&variable("CK_TEST_S3_ENDPOINT")).expect("an endpoint"),
        region: S3Settings::DEFAULT_REGION.to_owned(),
        addressing: Addressing::Path,
        credentials: CredentialsSource::Static(StaticCredentials {
            access_key_id: variable("CK_TEST_S3_ACCESS_KEY"),
            secret_access_key: SecretText::new(variable("CK_TEST_S3_SECRET_KEY")),
            session_token: None,
        }),
        ca_file: None,
        connect_timeout: S3Settings::DEFAULT_CONNECT_TIMEOUT,
        idle_timeout: S3Settings::DEFAULT_IDLE_TIMEOUT,
        max_idle_connections: S3Settings::DEFAULT_MAX_IDLE_CONNECTIONS,
        payload,
    };
    let upstream = S3Upstream::open(settings, Clock::System).await.expect("settings that hold");
    upstream.learn(Capabilities::ALL);
    upstream
}

async fn fresh(payload: PayloadMode) -> Fixture {
    let upstream = Arc::new(upstream(payload).await);
    let bucket = format!("suite-{}", hex::encode(random::bytes::<8>()));
    let bucket = BucketName::parse(&bucket).expect("a name");
    upstream.create_bucket(&bucket).await.expect("a bucket");
    Fixture { upstream, bucket, quirks: QUIRKS, _keep: Box::new(()) }
}

mod unsigned {
    use super::{Fixture, PayloadMode, upstream_suite};

    async fn fresh() -> Fixture {
        super::fresh(PayloadMode::Unsigned).await
    }

    upstream_suite!(super::fresh, ignore = "needs MinIO: conformance/run starts it");
}

mod trailer {
    use super::{Fixture, PayloadMode, upstream_suite};

    async fn fresh() -> Fixture {
        super::fresh(PayloadMode::TrailerChecksum).await
    }

    upstream_suite!(super::fresh, ignore = "needs MinIO: conformance/run starts it");
}
