//! What a probe found out: a line per question for people, JSON for programs, [`Capabilities`] for the proxy.

use std::fmt;

use serde::Serialize;

use crate::upstream::{Capabilities, ConditionalWrites, KeyFate, KeyKind, Proof, ShortBodies, SpecialKeys};

use super::question::{Question, Weight};

/// The longest text of an upstream that is repeated, in characters.
const MAX_SEEN_CHARS: usize = 160;
/// S3 services refuse requests whose date is this far from theirs.
const MAX_CLOCK_SKEW_MS: u64 = 15 * 60 * 1000;
/// Beyond this, signatures of clients and dates of objects begin to look odd to people.
const ODD_CLOCK_SKEW_MS: u64 = 60 * 1000;

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// As S3 does it.
    Yes,
    /// Not so.
    No {
        /// What it did instead.
        seen: String,
    },
    /// It did not answer, or not as anybody could tell.
    Unknown {
        /// Why not.
        seen: String,
    },
    /// This kind of upstream cannot be asked; nothing depends on it.
    NotAsked,
}

/// What becomes of one kind of unusual key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyFinding {
    /// The kind.
    pub kind: KeyKind,
    /// What was found.
    #[serde(flatten)]
    pub answer: Answer,
    /// What the proxy makes of it.
    #[serde(skip)]
    pub fate: KeyFate,
}

/// How long small requests take, in milliseconds: the median of a few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// PutObject of 1 KiB.
    pub put_ms: f64,
    /// GetObject of it.
    pub get_ms: f64,
    /// ListObjects of one key.
    pub list_ms: f64,
}

/// Everything that a probe found out about one upstream.
#[derive(Clone, Debug)]
pub struct Findings {
    /// One answer per question, in the order of [`Question::ALL`].
    pub(super) answers: Vec<(Question, Answer)>,
    /// One per kind of key.
    pub(super) keys: Vec<KeyFinding>,
    /// How many milliseconds the upstream's clock is ahead of ours; within a second it cannot be told from 0.
    pub clock_skew_ms: i64,
    /// How long small requests take.
    pub latency: Latency,
    /// The largest stored PUT or part, in bytes; not tried.
    pub(super) max_put_bytes: u64,
}

/// One line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was asked.
    pub name: &'static str,
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
    /// How grave it is; `fine` where the answer is yes.
    pub verdict: Verdict,
    /// What that means for whoever uses the proxy; empty where all is fine.
    pub means: String,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to say.
    Fine,
    /// The proxy gets by without it.
    WorkedAround,
    /// Requests that need it are refused.
    Refused,
    /// Clients meet the difference.
    Shown,
    /// It could not be found out, and is taken for missing.
    Unknown,
    /// The upstream cannot be used.
    Unusable,
}

impl Findings {
    /// The answer to a question.
    pub fn answer(&self, question: Question) -> &Answer {
        let found = self.answers.iter().find(|(asked, _)| *asked == question);
        found.map_or(&Answer::NotAsked, |(_, answer)| answer)
    }

    /// Whether the upstream certainly does this as S3 does.
    pub fn says(&self, question: Question) -> bool {
        *self.answer(question) == Answer::Yes
    }

    /// Whether every question that could be asked was answered.
    pub fn is_complete(&self) -> bool {
        let unknown = |answer: &Answer| matches!(answer, Answer::Unknown { .. });
        !self.answers.iter().any(|(_, answer)| unknown(answer)) && !self.keys.iter().any(|key| unknown(&key.answer))
    }

    /// What the proxy may rely on: what was not answered is taken for missing.
    pub fn capabilities(&self) -> Capabilities {
        let keys = SpecialKeys::all(KeyFate::Changed);
        let short = match self.says(Question::ShortPut) && self.says(Question::ShortPart) {
            true => ShortBodies::Refused,
            false => ShortBodies::Published,
        };
        Capabilities {
            proof: Proof::Found,
            conditional_writes: ConditionalWrites {
                put: self.says(Question::ConditionalPut),
                complete: self.says(Question::ConditionalComplete),
                delete: self.says(Question::ConditionalDelete),
            },
            suffix_range: self.says(Question::SuffixRange),
            if_match_on_get: self.says(Question::IfMatchOnGet),
            part_copy: self.says(Question::PartCopy),
            trailer_checksums: self.says(Question::TrailerChecksums),
            versioning: self.says(Question::Versioning),
            tagging: self.says(Question::Tagging),
            special_keys: self.keys.iter().fold(keys, |keys, found| keys.with(found.kind, found.fate)),
            short_bodies: short,
            max_put_bytes: self.max_put_bytes,
        }
    }

    /// What makes the upstream unusable, where anything does.
    pub fn faults(&self) -> Vec<Line> {
        self.lines().into_iter().filter(|line| line.verdict == Verdict::Unusable).collect()
    }

    /// Every finding.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> =
            self.answers.iter().map(|(question, answer)| answered(*question, answer.clone())).collect();
        lines.extend(self.keys.iter().map(key_line));
        lines.push(self.clock_line());
        lines
    }

    fn clock_line(&self) -> Line {
        let skew = self.clock_skew_ms.unsigned_abs();
        let side = if self.clock_skew_ms > 0 { "ahead of" } else { "behind" };
        let seen = format!("{}.{} s {side} ours", skew / 1000, skew % 1000 / 100);
        let (answer, verdict, means) = if skew <= ODD_CLOCK_SKEW_MS {
            (Answer::Yes, Verdict::Fine, String::new())
        } else if skew <= MAX_CLOCK_SKEW_MS {
            let means = "dates of objects are by the upstream's clock; set both by NTP".to_owned();
            (Answer::No { seen }, Verdict::WorkedAround, means)
        } else {
            (Answer::No { seen }, Verdict::Unusable, "requests signed with our clock are refused".to_owned())
        };
        Line { name: "clocks agree", answer, verdict, means }
    }
}

fn answered(question: Question, answer: Answer) -> Line {
    let verdict = match (&answer, question.weight()) {
        (Answer::Yes | Answer::NotAsked, _) => Verdict::Fine,
        (Answer::No { .. }, Weight::Needed) => Verdict::Unusable,
        (Answer::Unknown { .. }, _) => Verdict::Unknown,
        (Answer::No { .. }, Weight::Offered) => Verdict::Refused,
        (Answer::No { .. }, Weight::Shown) => Verdict::Shown,
        (Answer::No { .. }, Weight::Useful) => Verdict::WorkedAround,
    };
    let means = if verdict == Verdict::Fine { "" } else { question.without() };
    Line { name: question.name(), answer, verdict, means: means.to_owned() }
}

fn key_line(found: &KeyFinding) -> Line {
    let (verdict, means) = match (&found.answer, found.fate) {
        (Answer::Yes | Answer::NotAsked, _) => (Verdict::Fine, ""),
        (Answer::Unknown { .. }, _) => (Verdict::Unknown, "such keys are refused with 501"),
        (_, KeyFate::Changed) => (Verdict::Refused, "such keys are refused with 501: two of them could become one"),
        (_, KeyFate::Refused | KeyFate::Kept) => (Verdict::Refused, "such keys are refused by the upstream"),
    };
    let name = match found.kind {
        KeyKind::DotSegment => "keys with . and ..",
        KeyKind::EmptySegment => "keys with //",
        KeyKind::TrailingSlash => "keys that end in /",
        KeyKind::Reserved => "keys with % + & ...",
        KeyKind::Unicode => "keys beyond ASCII",
        KeyKind::Uppercase => "keys that differ by case",
        KeyKind::LongSegment => "long names in keys",
        KeyKind::LongKey => "keys of 1024 bytes",
    };
    Line { name, answer: found.answer.clone(), verdict, means: means.to_owned() }
}

impl Line {
    /// For a log, or to go on with after a colon.
    pub fn in_words(&self) -> String {
        let (seen, means) = match &self.answer {
            Answer::Yes => ("yes", ""),
            Answer::NotAsked => ("not asked", ""),
            Answer::No { seen } | Answer::Unknown { seen } => (seen.as_str(), self.means.as_str()),
        };
        match means {
            "" => format!("{}: {seen}", self.name),
            means => format!("{}: {seen}: {means}", self.name),
        }
    }
}

impl Answer {
    /// A "no" whose words come from the upstream: one line, of bounded length.
    pub(super) fn no(seen: impl fmt::Display) -> Self {
        Self::No { seen: one_line(&seen.to_string()) }
    }

    /// The same for "unknown".
    pub(super) fn unknown(seen: impl fmt::Display) -> Self {
        Self::Unknown { seen: one_line(&seen.to_string()) }
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SEEN_CHARS).collect()
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, seen) = match &self.answer {
            Answer::Yes => ("yes", ""),
            Answer::No { seen } => ("NO", seen.as_str()),
            Answer::Unknown { seen } => ("?", seen.as_str()),
            Answer::NotAsked => ("-", "not asked here"),
        };
        write!(f, "{:<30} {mark:<4}", self.name)?;
        match (seen, self.means.as_str()) {
            ("", "") => Ok(()),
            (seen, "") => write!(f, "{seen}"),
            (seen, means) => write!(f, "{seen}: {means}"),
        }
    }
}

/// The table.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines() {
            writeln!(f, "{}", line.to_string().trim_end())?;
        }
        let Latency { put_ms, get_ms, list_ms } = self.latency;
        writeln!(f, "{:<30} PUT {put_ms:.1} ms, GET {get_ms:.1} ms, LIST {list_ms:.1} ms", "small requests take")
    }
}

impl Serialize for Findings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut object = serializer.serialize_struct("Findings", 4)?;
        object.serialize_field("usable", &self.faults().is_empty())?;
        object.serialize_field("findings", &self.lines())?;
        object.serialize_field("clock_skew_ms", &self.clock_skew_ms)?;
        object.serialize_field("latency", &self.latency)?;
        object.end()
    }
}
