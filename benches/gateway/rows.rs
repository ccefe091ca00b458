//! The rows of the table: what is asked, of whom, how often, and what the goal is.

use crate::load::{HUGE_BYTES, LARGE_BYTES, Proof, Work};

/// Who serves a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// The backend itself: what the load and the backend take from the clock.
    NoProxy,
    /// The pass-through: 1.00.
    PassThrough,
    /// Crypt-Keeper, on a bucket with MD5 ETags.
    Md5,
    /// Crypt-Keeper, on a bucket with opaque ETags.
    Opaque,
}

/// How a row's figures are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// CPU-seconds of the proxy for a GiB; less is better.
    CpuSecondsPerGib {
        /// What one request moves.
        bytes: usize,
    },
    /// Requests that the proxy serves in a CPU-second; more is better.
    RequestsPerCpuSecond,
    /// CPU milliseconds for one request; less is better.
    CpuMilliseconds,
}

/// What a ratio to the pass-through should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// At most this times its CPU-seconds.
    AtMost(f64),
    /// At least this times its requests per CPU-second.
    AtLeast(f64),
    /// None was set.
    Unset,
}

/// One measurement.
pub(crate) struct Row {
    /// What the reader sees.
    pub(crate) name: String,
    /// What is asked.
    pub(crate) work: Work,
    /// By how many connections at once.
    pub(crate) streams: usize,
    /// How many requests one run has: enough for the kernel's clock of 10 ms.
    pub(crate) requests: usize,
    /// How the figures are given.
    pub(crate) unit: Unit,
    /// Crypt-Keeper's ways that are measured beside the pass-through, with their goals.
    pub(crate) ways: Vec<(Contender, Goal)>,
    /// How many rounds, where it is not the usual number.
    pub(crate) rounds: Option<usize>,
}

/// GET and opaque PUT.
const PLAIN_GOAL: Goal = Goal::AtMost(1.6);
const MD5_16_GOAL: Goal = Goal::AtMost(2.5);
const SMALL_GOAL: Goal = Goal::AtLeast(0.5);

/// How long the whole may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Five minutes.
    Usual,
    /// One minute, for a first look.
    Quick,
}

/// Every row of a run.
pub(crate) fn rows(effort: Effort) -> Vec<Row> {
    let less = if effort == Effort::Quick { 4 } else { 1 };
    let large = 16 / less;
    let bytes = LARGE_BYTES;
    let per_gib = Unit::CpuSecondsPerGib { bytes };
    let both = |md5, opaque| vec![(Contender::Md5, md5), (Contender::Opaque, opaque)];
    let one = |goal| vec![(Contender::Md5, goal)];
    let row = |name: String, work, streams, requests, unit, ways| Row {
        name,
        work,
        streams,
        requests,
        unit,
        ways,
        rounds: None,
    };
    let streams = |n: usize| if n == 1 { "1 stream".to_owned() } else { format!("{n} streams") };

    let mut rows = Vec::new();
    for n in [1, 8, 16] {
        let md5 = if n == 16 { MD5_16_GOAL } else { Goal::Unset };
        let name = format!("PUT 64 MiB, {}", streams(n));
        rows.push(row(name, Work::PutLarge(Proof::Nothing), n, large.max(n), per_gib, both(md5, PLAIN_GOAL)));
    }
    for n in [1, 8, 16] {
        let name = format!("GET 64 MiB, {}", streams(n));
        rows.push(row(name, Work::GetLarge, n, large.max(n), per_gib, one(PLAIN_GOAL)));
    }
    for (proof, said) in [(Proof::Sha256, "signed SHA-256"), (Proof::Trailer, "CRC32 in an unsigned trailer")] {
        let name = format!("PUT 64 MiB, 8 streams, {said}");
        let ways = both(Goal::Unset, Goal::Unset);
        rows.push(Row { rounds: Some(3), ..row(name, Work::PutLarge(proof), 8, large.max(8), per_gib, ways) });
    }
    let name = "multipart 512 MiB, 16 MiB parts, 4 streams".to_owned();
    let parts = HUGE_BYTES / (16 << 20);
    let unit = Unit::CpuSecondsPerGib { bytes: 16 << 20 };
    let ways = both(Goal::Unset, Goal::Unset);
    rows.push(Row { rounds: Some(3), ..row(name, Work::PutPart, 4, parts, unit, ways) });
    let name = "64 KiB ranges of 512 MiB, 8 streams".to_owned();
    rows.push(row(name, Work::GetRange, 8, 4000 / less, Unit::CpuMilliseconds, one(Goal::Unset)));
    let name = "PUT 1 KiB, 8 streams".to_owned();
    rows.push(row(name, Work::PutSmall, 8, 8000 / less, Unit::RequestsPerCpuSecond, both(SMALL_GOAL, SMALL_GOAL)));
    let name = "GET 1 KiB, 8 streams".to_owned();
    rows.push(row(name, Work::GetSmall, 8, 8000 / less, Unit::RequestsPerCpuSecond, one(SMALL_GOAL)));
    let name = "LIST of 1,000 keys, warm index".to_owned();
    rows.push(row(name, Work::List, 1, 100 / less, Unit::CpuMilliseconds, one(Goal::Unset)));
    rows
}

impl Row {
    /// Whether TLS makes a difference that the row is about.
    pub(crate) const fn in_tls(&self) -> bool {
        matches!(self.work, Work::PutLarge(Proof::Nothing) | Work::GetLarge | Work::PutSmall | Work::GetSmall)
    }
}

impl Contender {
    /// What the reader sees.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoProxy => "no proxy",
            Self::PassThrough => "pass-through",
            Self::Md5 => "md5",
            Self::Opaque => "opaque",
        }
    }
}

impl Unit {
    /// The figure for a run of `requests` that took `cpu` seconds.
    pub(crate) fn figure(self, cpu: f64, requests: usize) -> f64 {
        let requests = requests as f64;
        match self {
            Self::CpuSecondsPerGib { bytes } => cpu / (requests * bytes as f64 / f64::from(1 << 30)),
            Self::RequestsPerCpuSecond => requests / cpu,
            Self::CpuMilliseconds => cpu * 1e3 / requests,
        }
    }

    /// What the figure is.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CpuSecondsPerGib { .. } => "CPU-s/GiB",
            Self::RequestsPerCpuSecond => "requests/CPU-s",
            Self::CpuMilliseconds => "CPU ms each",
        }
    }

    /// The figure as text.
    pub(crate) fn show(self, figure: f64) -> String {
        match self {
            Self::RequestsPerCpuSecond => format!("{figure:.0}"),
            Self::CpuSecondsPerGib { .. } => format!("{figure:.2}"),
            Self::CpuMilliseconds => format!("{figure:.3}"),
        }
    }
}

impl Goal {
    /// The goal, and whether a ratio reaches it.
    pub(crate) fn show(self, ratio: f64) -> String {
        let said = |reached| if reached { "reached" } else { "missed" };
        match self {
            Self::AtMost(goal) => format!("≤ {goal:.2}, {}", said(ratio <= goal)),
            Self::AtLeast(goal) => format!("≥ {goal:.2}, {}", said(ratio >= goal)),
            Self::Unset => String::new(),
        }
    }
}
