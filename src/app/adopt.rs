//! `crypt-keeper adopt`: a bucket that an upstream has becomes one of ours.
//!
//! It writes one row, and works beside a running server, which sees it with the next request; but a directory of a
//! `local` upstream is held by that server alone.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::StartError;
use super::ground;
use crate::base::{BucketName, Clock};
use crate::config::{Config, UpstreamConfig, UpstreamKind};
use crate::objects::{AdoptError, Adopted, BucketPolicies, ForeignObjects, Place};
use crate::store::{Store, StoreError};
use crate::upstream::Upstream;
use crate::upstream::local::{LocalOpenError, LocalUpstream};
use crate::upstream::s3::S3Upstream;

/// Why a bucket is not taken in: one line, which says what to do. Nothing has been changed then.
#[derive(Debug, thiserror::Error)]
pub enum AdoptRefused {
    /// It is a bucket of our own.
    #[error("{0} is an internal bucket in this configuration: no client can have it")]
    Internal(BucketName),
    /// No such upstream.
    #[error("there is no [upstream.{0}] in this configuration")]
    NoSuchUpstream(String),
    /// Several upstreams, and nothing says which.
    #[error("several upstreams are configured: say with --upstream which of them has the bucket ({0})")]
    WhichUpstream(String),
    /// The configuration has it elsewhere.
    #[error("bucket.{bucket}.upstream says {configured:?}: adopt it from there, or change the configuration first")]
    Elsewhere {
        /// The bucket.
        bucket: BucketName,
        /// The upstream that the configuration names.
        configured: String,
    },
    /// A directory that the running server holds.
    #[error(
        "upstream.{upstream}: its directory is in use, by the running server as it seems: stop that for a moment, or set upstream.{upstream}.adopt = \"first-use\" there"
    )]
    Running {
        /// The upstream.
        upstream: String,
    },
    /// The upstream cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket cannot be taken in.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
}

/// What came of it.
pub struct AdoptReport {
    /// The bucket, known now.
    pub adopted: Adopted,
    /// What becomes of the objects that are in it.
    pub foreign: ForeignObjects,
}

/// Takes in a bucket, at `upstream` or where the configuration says that new buckets of this name go.
///
/// # Errors
/// See [`AdoptRefused`].
pub async fn adopt(
    mut config: Config,
    upstream: Option<&str>,
    bucket: &BucketName,
) -> Result<AdoptReport, AdoptRefused> {
    let one = choose(&mut config, upstream, bucket)?;
    let policies = BucketPolicies::new(config.buckets, HashMap::from([(one.name.clone(), one.foreign)]));
    // The deployment's id is in the database: without that there is nobody to adopt.
    let store = Store::open_beside(&format!("sqlite:{}", config.store.state_path.display())).await?;
    let deployment = store.deployment().await?.ok_or(AdoptError::NoRoot)?;
    let clock = Clock::System;
    let missing = || AdoptError::NoSuchBucket { upstream: one.name.clone(), bucket: bucket.clone() };
    if let UpstreamKind::Local { path } = &one.kind
        && ground::is_vacant(path)?
    {
        // Opening it would make it.
        return Err(missing().into());
    }
    let (upstream, local) = open(one.name.clone(), one.kind, &clock).await?;
    let mut place = Place::new(one.name, upstream, one.internal_bucket);
    place.region = super::region_name(&config.region);
    let outcome = async {
        place.claim(&deployment.deployment_id).await.map_err(StartError::from)?;
        Ok(place.adopt(bucket, &store, clock.now()).await?)
    };
    let outcome: Result<Adopted, AdoptRefused> = outcome.await;
    if let Some(local) = local {
        local.close().await;
    }
    store.close().await;
    let adopted = outcome?;
    let (Adopted::Now(row) | Adopted::Before(row)) = &adopted;
    let foreign = policies.of(row).foreign;
    Ok(AdoptReport { adopted, foreign })
}

/// The upstream that has the bucket.
fn choose(config: &mut Config, named: Option<&str>, bucket: &BucketName) -> Result<UpstreamConfig, AdoptRefused> {
    if config.upstreams.iter().any(|one| one.internal_bucket == *bucket) {
        return Err(AdoptRefused::Internal(bucket.clone()));
    }
    let configured = config.buckets.get(bucket).and_then(|own| own.upstream.as_deref());
    let name = match (named, configured) {
        (Some(named), Some(configured)) if named != configured => {
            return Err(AdoptRefused::Elsewhere { bucket: bucket.clone(), configured: configured.to_owned() });
        }
        (Some(name), _) | (None, Some(name)) => name.to_owned(),
        (None, None) => match config.upstreams.as_slice() {
            [only] => only.name.clone(),
            several => {
                let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
                return Err(AdoptRefused::WhichUpstream(names.join(", ")));
            }
        },
    };
    let at = config.upstreams.iter().position(|one| one.name == name);
    at.map(|at| config.upstreams.swap_remove(at)).ok_or(AdoptRefused::NoSuchUpstream(name))
}

async fn open(
    name: String,
    kind: UpstreamKind,
    clock: &Clock,
) -> Result<(Arc<dyn Upstream>, Option<Arc<LocalUpstream>>), AdoptRefused> {
    match kind {
        UpstreamKind::Local { path } => match LocalUpstream::open(&path, clock.clone()).await {
            Ok(opened) => {
                let opened = Arc::new(opened);
                Ok((opened.clone(), Some(opened)))
            }
            Err(LocalOpenError::InUse { .. }) => Err(AdoptRefused::Running { upstream: name }),
            Err(error) => Err(StartError::from(error).into()),
        },
        UpstreamKind::S3(settings) => match S3Upstream::open(*settings, clock.clone()).await {
            Ok(opened) => Ok((Arc::new(opened), None)),
            Err(source) => Err(StartError::UpstreamSettings { upstream: name, source }.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two upstreams, `default` and `cloud`, and a bucket that is at the second.
    fn config() -> Config {
        let text = "listen = \"127.0.0.1:0\"\n[root]\naccess_key_id = \"AKROOT\"\nsecret_access_key = { env = \"S\" }\n\
                    [store]\nurl = \"sqlite:state.db\"\n\
                    [upstream.default]\nkind = \"local\"\npath = \"a\"\n\
                    [upstream.cloud]\nkind = \"local\"\npath = \"b\"\ninternal_bucket = \"ours\"\n\
                    [bucket.assigned]\nupstream = \"cloud\"\n\
                    [keyring]\nkind = \"local\"\npath = \"keyring\"\n";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(file.path(), &|_| Some("a-secret-that-is-long-enough".into())).unwrap()
    }

    fn chosen(named: Option<&str>, bucket: &str) -> Result<String, String> {
        let chosen = choose(&mut config(), named, &BucketName::parse(bucket).unwrap());
        chosen.map(|one| one.name).map_err(|error| error.to_string())
    }

    #[test]
    fn upstream_is_named_or_configured_and_never_guessed() {
        assert_eq!(chosen(Some("default"), "any").as_deref(), Ok("default"));
        assert_eq!(chosen(None, "assigned").as_deref(), Ok("cloud"));
        assert_eq!(chosen(Some("cloud"), "assigned").as_deref(), Ok("cloud"));
        assert!(chosen(Some("default"), "assigned").unwrap_err().contains("\"cloud\""));
        assert!(chosen(None, "any").unwrap_err().contains("--upstream"));
        assert!(chosen(Some("nowhere"), "any").unwrap_err().contains("[upstream.nowhere]"));
        assert!(chosen(Some("default"), "ours").unwrap_err().contains("internal"));
    }

    #[tokio::test]
    async fn nothing_is_adopted_before_the_first_start() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config();
        config.store.state_path = dir.path().join("state.db");
        let refused = adopt(config, Some("default"), &BucketName::parse("any").unwrap()).await;
        assert!(matches!(refused, Err(AdoptRefused::Store(StoreError::Missing { .. }))));
        assert_eq!(dir.path().read_dir().unwrap().count(), 0, "and nothing is made");
    }
}
