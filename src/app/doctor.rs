//! `crypt-keeper doctor`: the upstreams of a configuration probed, without a server and beside a running one. It
//! touches neither the database nor the keyring.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::base::{BucketName, Clock};
use crate::config::{UpstreamConfig, UpstreamKind};
use crate::upstream::local::{LocalOpenError, LocalUpstream};
use crate::upstream::probe::{ByTrait, Findings, Probed, Verdict, probe};
use crate::upstream::s3::S3Upstream;

/// What was found out about one upstream.
#[derive(Serialize)]
pub struct Examined {
    /// Its name in `[upstream.NAME]`.
    pub name: String,
    /// `local` or `s3`.
    pub kind: &'static str,
    /// How far it came.
    #[serde(flatten)]
    pub examination: Examination,
}

/// How far an examination came.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Examination {
    /// To its end.
    Probed(Findings),
    /// A directory that a running server holds; only that one may write there.
    InUse {
        /// Why that is no trouble.
        note: &'static str,
    },
    /// A directory that the first start will make.
    NotMade {
        /// Why that is no trouble.
        note: &'static str,
    },
    /// Not even to its start.
    Failed {
        /// Why not.
        error: String,
    },
}

impl Examined {
    /// Why no server should be put in front of it, in one line; `None` where one can be.
    pub fn objection(&self) -> Option<String> {
        match &self.examination {
            Examination::Probed(findings) => objection(findings),
            Examination::InUse { .. } | Examination::NotMade { .. } => None,
            Examination::Failed { error } => Some(error.clone()),
        }
    }
}

fn objection(findings: &Findings) -> Option<String> {
    let worst = findings.lines().into_iter().filter(|line| line.verdict >= Verdict::Unknown);
    let worst = worst.max_by_key(|line| line.verdict)?;
    match worst.verdict {
        Verdict::Unknown => Some(format!("not every question was answered: {}", worst.in_words())),
        Verdict::Fine | Verdict::WorkedAround | Verdict::Refused | Verdict::Shown | Verdict::Unusable => {
            Some(worst.in_words())
        }
    }
}

/// Probes the upstreams, one after the other: they may be one machine, and latency is measured.
pub async fn examine(upstreams: Vec<UpstreamConfig>) -> Vec<Examined> {
    let clock = Clock::System;
    let mut examined = Vec::with_capacity(upstreams.len());
    for UpstreamConfig { name, kind, internal_bucket, .. } in upstreams {
        let (kind, examination) = match kind {
            UpstreamKind::Local { path } => ("local", local(&path, &internal_bucket, &clock).await),
            UpstreamKind::S3(settings) => {
                let examination = match S3Upstream::open(*settings, clock.clone()).await {
                    Ok(upstream) => probed(&upstream.probed(), &internal_bucket, &clock).await,
                    Err(error) => Examination::Failed { error: error.to_string() },
                };
                ("s3", examination)
            }
        };
        examined.push(Examined { name, kind, examination });
    }
    examined
}

/// A directory is not made here: a start that finds objects and no keyring takes them for somebody's.
async fn local(path: &Path, internal_bucket: &BucketName, clock: &Clock) -> Examination {
    match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => return Examination::NotMade { note: "it is empty; the first start lays it out" },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Examination::NotMade { note: "it is not there; the first start makes it" };
        }
        // Whatever is wrong is told by opening it.
        Ok(false) | Err(_) => {}
    }
    let upstream = match LocalUpstream::open(path, clock.clone()).await {
        Ok(upstream) => upstream,
        Err(LocalOpenError::InUse { .. }) => {
            return Examination::InUse { note: "a running server holds it; what a directory can do is known" };
        }
        Err(error) => return Examination::Failed { error: error.to_string() },
    };
    let examination = probed(&ByTrait(&upstream), internal_bucket, clock).await;
    upstream.close().await;
    examination
}

async fn probed(upstream: &dyn Probed, internal_bucket: &BucketName, clock: &Clock) -> Examination {
    match probe(upstream, internal_bucket, clock).await {
        Ok(findings) => Examination::Probed(findings),
        Err(error) => Examination::Failed { error: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::base::limits::INTERNAL_BUCKET;

    async fn examined(path: PathBuf) -> Examined {
        let bucket = BucketName::parse(INTERNAL_BUCKET).unwrap();
        let examination = local(&path, &bucket, &Clock::System).await;
        Examined { name: "default".to_owned(), kind: "local", examination }
    }

    #[tokio::test]
    async fn directory_that_is_not_there_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("objects");
        assert!(matches!(examined(path.clone()).await.examination, Examination::NotMade { .. }));
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        assert!(matches!(examined(path.clone()).await.examination, Examination::NotMade { .. }));
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn directory_of_a_running_server_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("objects");
        let running = LocalUpstream::open(&path, Clock::System).await.unwrap();
        assert!(matches!(examined(path.clone()).await.examination, Examination::InUse { .. }));
        running.close().await;
        drop(running);
        let found = examined(path).await;
        assert_eq!(found.objection(), None);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!((&json["name"], &json["status"]), (&"default".into(), &"probed".into()));
        assert_eq!((&json["usable"], &json["findings"][0]["answer"]), (&true.into(), &"yes".into()));
    }

    #[tokio::test]
    async fn somebody_elses_directory_is_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        let objection = examined(dir.path().to_owned()).await.objection().unwrap();
        assert!(objection.contains("thesis.tex"), "{objection}");
    }
}
