//! What an upstream really does, found out by trying: never assumed, never read off a product's name.
//!
//! A probe writes a few dozen small objects and two of 5 MiB under a random prefix of the internal bucket, looks at what
//! became of them, and removes them. It speaks through the trait [`Upstream`], so what is proven is what the proxy
//! uses: the service together with our own client of it. Run by `crypt-keeper doctor`, at every start, and once a day.

mod conditions;
mod findings;
mod keys;
mod question;
mod reads;
mod short;
#[cfg(test)]
mod tests;
mod uploads;
mod workspace;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::join;

use crate::base::{BucketName, Clock, Timestamp};
use crate::upstream::{Upstream, UpstreamError};

pub use findings::{Answer, Findings, KeyFinding, Latency, Line, Verdict};
pub use question::Question;

use workspace::{Lack, Workspace, lacks};

/// Rounds of the latency measurement; the median of them is told.
const LATENCY_ROUNDS: usize = 5;
/// A small object, as manifests and configuration files are.
const LATENCY_BYTES: usize = 1024;

/// An upstream to be probed, and what only some of them can be asked beyond the trait.
#[async_trait]
pub trait Probed: Send + Sync {
    /// The upstream as it is: nothing that an earlier probe has taught our client may keep it from trying.
    fn upstream(&self) -> &dyn Upstream;

    /// The same upstream with bodies that carry a checksum trailer.
    fn with_trailers(&self) -> Option<&dyn Upstream> {
        None
    }

    /// How many milliseconds its clock was ahead of ours when it last answered.
    fn clock_skew_ms(&self) -> Option<i64> {
        None
    }

    /// Whether buckets can keep versions.
    async fn versioning(&self, _internal_bucket: &BucketName) -> Option<Result<bool, UpstreamError>> {
        None
    }
}

/// An upstream of which there is nothing to ask but the trait.
pub struct ByTrait<'a>(pub &'a dyn Upstream);

impl Probed for ByTrait<'_> {
    fn upstream(&self) -> &dyn Upstream {
        self.0
    }
}

/// The upstream cannot be probed: it is not there, or does not let us in.
#[derive(Debug, thiserror::Error)]
#[error("the internal bucket {bucket} cannot be used: {error}")]
pub struct ProbeError {
    /// Our bucket.
    pub bucket: BucketName,
    /// Why not.
    pub error: UpstreamError,
}

/// Probes an upstream. Takes a few seconds, most of them waiting for broken bodies to be published.
///
/// # Errors
/// When the internal bucket is neither there nor can be made, or takes no object: there is nothing to find out then.
pub async fn probe(probed: &dyn Probed, internal_bucket: &BucketName, clock: &Clock) -> Result<Findings, ProbeError> {
    let failed = |error| ProbeError { bucket: internal_bucket.clone(), error };
    let w = Workspace::new(probed.upstream(), internal_bucket);
    w.settle().await.map_err(failed)?;
    let before = clock.now();
    let first = w.put("first", b"first").await.map_err(failed)?;
    let told = skew(first.last_modified, before, clock.now());
    let latency = latency(&w).await;

    // Each works below a name of its own, so they do not see each other.
    let uploads = async {
        match uploads::multipart(&w).await {
            Ok(etag) => (Ok(()), uploads::part_copy(&w, &etag).await),
            Err(lack) => (Err(lack), Err(Lack::Failed(UpstreamError::Unavailable("there was no source".into())))),
        }
    };
    let conditional = async { join!(conditions::put(&w), conditions::complete(&w), conditions::delete(&w)) };
    let reads = async {
        join!(
            reads::read_back(&w),
            reads::etags(&w),
            reads::list_etags(&w),
            reads::suffix_range(&w),
            reads::if_match(&w)
        )
    };
    let rest = async { join!(reads::pages(&w), reads::tagging(&w), reads::beside(&w), keys::keys(&w)) };
    let shorts = async { join!(short::put(&w), short::part(&w)) };
    let hooks = async { join!(trailers(probed, &w), probed.versioning(internal_bucket)) };
    let (uploads, conditional, reads, rest, shorts, hooks) = join!(uploads, conditional, reads, rest, shorts, hooks);

    let (multipart, part_copy) = uploads;
    let (put, complete, delete) = conditional;
    let (read_back, etags, list_etags, suffix_range, if_match) = reads;
    let (pages, tagging, beside, keys) = rest;
    let (short_put, short_part) = shorts;
    let (trailers, versioning) = hooks;
    let answers = vec![
        (Question::ReadBack, read_back.into()),
        (Question::Etags, etags.into()),
        (Question::ListPages, pages.complete.into()),
        (Question::Multipart, multipart.into()),
        (Question::ListEtags, list_etags.into()),
        (Question::ListOrder, pages.ordered.into()),
        (Question::ConditionalPut, put.into()),
        (Question::ConditionalComplete, complete.into()),
        (Question::ConditionalDelete, delete.into()),
        (Question::SuffixRange, suffix_range.into()),
        (Question::IfMatchOnGet, if_match.into()),
        (Question::PartCopy, part_copy.into()),
        (Question::ShortPut, short_put.into()),
        (Question::ShortPart, short_part.into()),
        (Question::TrailerChecksums, trailers),
        (Question::Tagging, tagging.into()),
        (Question::Beside, beside.into()),
        (Question::Versioning, optional(versioning)),
        (Question::InternalUnversioned, unversioned(first.version.is_some())),
    ];
    let clock_skew_ms = probed.clock_skew_ms().unwrap_or(told);
    let written = keys::written(&w);
    let hidden = reads::BESIDE.as_flattened().iter().copied().chain(written.iter().map(String::as_str));
    w.clean_up(clock.now(), &hidden.collect::<Vec<_>>()).await;
    let max_put_bytes = probed.upstream().capabilities().max_put_bytes;
    Ok(Findings { answers, keys, clock_skew_ms, latency, max_put_bytes })
}

/// How far `told` lies outside of the time that we measured around it. Dates have whole seconds.
fn skew(told: Timestamp, before: Timestamp, after: Timestamp) -> i64 {
    let (told, before, after) = (told.unix_millis(), before.unix_millis(), after.unix_millis());
    match told {
        early if early < before.saturating_sub(1000) => early.saturating_sub(before),
        late if late > after => late.saturating_sub(after),
        _ => 0,
    }
}

fn unversioned(has_version: bool) -> Answer {
    match has_version {
        false => Answer::Yes,
        true => Answer::no("its objects have versions"),
    }
}

fn optional(answer: Option<Result<bool, UpstreamError>>) -> Answer {
    match answer {
        None => Answer::NotAsked,
        Some(Ok(true)) => Answer::Yes,
        Some(Ok(false)) => Answer::no("does not know the operation"),
        Some(Err(error)) => Err(Lack::Failed(error)).into(),
    }
}

/// An object and a part that go up with a trailer are stored without it.
async fn trailers(probed: &dyn Probed, w: &Workspace<'_>) -> Answer {
    let Some(upstream) = probed.with_trailers() else { return Answer::NotAsked };
    let through = w.through(upstream);
    let checked = async {
        let bytes = uploads::pattern().repeat(4);
        through.put("trailers/put", &bytes).await?;
        let upload = through.begin("trailers/part").await?;
        let part = through.part(&upload, 1, &bytes).await?;
        through.complete(&upload, &[(1, part.etag)], Default::default()).await?;
        for name in ["trailers/put", "trailers/part"] {
            if w.get(name).await?.bytes != bytes {
                return Err(lacks("stores the framing of the body with it"));
            }
        }
        Ok(())
    };
    checked.await.into()
}

/// One request after the other, before everything else.
async fn latency(w: &Workspace<'_>) -> Latency {
    let bytes = [b'l'; LATENCY_BYTES];
    let (mut puts, mut gets, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..LATENCY_ROUNDS {
        puts.push(timed(w.put("latency", &bytes)).await);
        gets.push(timed(w.get("latency")).await);
        lists.push(timed(w.list("latency", 1)).await);
    }
    Latency { put_ms: median(puts), get_ms: median(gets), list_ms: median(lists) }
}

async fn timed<T>(request: impl Future<Output = T>) -> Duration {
    let begun = Instant::now();
    request.await;
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    (middle.as_secs_f64() * 10_000.0).round() / 10.0
}
