//! Runs in turns: every round has all contenders, so that what disturbs the machine disturbs all of them, and a ratio is
//! made within its round. The median of the rounds is the result, the lowest and the highest say how far to trust it.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::OPAQUE_BUCKET;
use crate::client::Endpoint;
use crate::load::{Load, READ_BUCKET, Target};
use crate::process::Process;
use crate::rows::{Contender, Row};

/// A tenth of a run warms up.
const WARM_UP: usize = 10;
/// The bucket that Crypt-Keeper knows nothing of.
pub(crate) const PLAIN_BUCKET: &str = "plain";

/// Everything that takes part.
pub(crate) struct Field {
    /// What is sent.
    pub(crate) load: Load,
    /// The backend.
    pub(crate) backend: Process,
    /// The pass-through.
    pub(crate) pass_through: Process,
    /// Crypt-Keeper.
    pub(crate) proxy: Process,
    /// What TLS needs, where all of them speak that.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// One run of one contender.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Seconds of processor time of whoever was asked.
    pub(crate) cpu: f64,
    /// Seconds by the clock.
    pub(crate) wall: f64,
}

/// What a row came to.
pub(crate) struct Outcome {
    /// All samples of each contender, round by round.
    pub(crate) samples: Vec<(Contender, Vec<Sample>)>,
    /// Crypt-Keeper's peak of memory in them, in MiB.
    pub(crate) peak_memory_mib: u64,
}

/// Lowest, median and highest.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Field {
    /// How to reach one of them.
    pub(crate) fn endpoint(&self, process: &Process) -> Endpoint {
        Endpoint { address: process.address(), tls: self.tls.clone() }
    }

    /// Measures a row.
    pub(crate) fn measure(&self, row: &Row, rounds: usize) -> Outcome {
        let mut contenders = vec![Contender::NoProxy, Contender::PassThrough];
        contenders.extend(row.ways.iter().map(|(contender, _)| *contender));
        for contender in &contenders {
            self.run(row, *contender, (row.requests / WARM_UP).max(row.streams));
        }
        self.proxy.forget_peak();
        let mut samples: Vec<_> = contenders.iter().map(|contender| (*contender, Vec::new())).collect();
        for _ in 0..rounds {
            for (contender, samples) in &mut samples {
                samples.push(self.run(row, *contender, row.requests));
            }
            // The other way round: nobody always comes after the same one.
            samples.reverse();
        }
        Outcome { samples, peak_memory_mib: self.proxy.peak_memory_mib() }
    }

    fn run(&self, row: &Row, contender: Contender, requests: usize) -> Sample {
        let (process, bucket) = match contender {
            Contender::NoProxy => (&self.backend, PLAIN_BUCKET),
            Contender::PassThrough => (&self.pass_through, PLAIN_BUCKET),
            Contender::Md5 => (&self.proxy, READ_BUCKET),
            Contender::Opaque => (&self.proxy, OPAQUE_BUCKET),
        };
        let endpoint = self.endpoint(process);
        let before = process.cpu();
        let wall = self.load.run(row.work, &Target { endpoint: &endpoint, bucket }, row.streams, requests);
        Sample { cpu: (process.cpu() - before).as_secs_f64(), wall: wall.as_secs_f64() }
    }
}

impl Outcome {
    /// The samples of one contender.
    pub(crate) fn of(&self, contender: Contender) -> &[Sample] {
        let found = self.samples.iter().find(|(given, _)| *given == contender);
        found.map_or(&[], |(_, samples)| samples)
    }

    /// How a contender's processor time stands to the pass-through's.
    pub(crate) fn cpu_ratio(&self, contender: Contender) -> Spread {
        let pairs = self.of(contender).iter().zip(self.of(Contender::PassThrough));
        Spread::of(pairs.map(|(ours, plain)| ours.cpu / plain.cpu))
    }
}

impl Spread {
    /// Of any number of figures but none.
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<_> = figures.collect();
        figures.sort_by(f64::total_cmp);
        Self { lowest: figures[0], median: figures[figures.len() / 2], highest: figures[figures.len() - 1] }
    }

    /// With every figure replaced by its inverse.
    pub(crate) const fn inverse(self) -> Self {
        Self { lowest: 1.0 / self.highest, median: 1.0 / self.median, highest: 1.0 / self.lowest }
    }
}
