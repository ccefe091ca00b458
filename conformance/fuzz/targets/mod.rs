//! The targets: what each does with any bytes at all. None may panic, and most hold more than that: what is accepted must
//! come out again as it went in, and what was changed must be refused.
//!
//! They are compiled twice, into the fuzzer (`../lib.rs`) and into the main package's tests, which replay the corpus.

mod chunked;
mod configuration;
mod dates;
mod envelope;
mod headers;
mod request;
mod sigv4;
mod upstream;
mod wire;
mod xml;

/// What became of an input. Seeds whose file begins with `ok_` must be accepted: a seed that is refused at its first
/// byte teaches a fuzzer nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Refused,
}

impl From<bool> for Outcome {
    fn from(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// A target: takes any bytes, and panics where something is wrong with the code under it.
pub(crate) type Target = fn(&[u8]) -> Outcome;

/// Every target with the name of its corpus.
pub(crate) const ALL: &[(&str, Target)] = &[
    ("trailer", envelope::trailer),
    ("manifest", envelope::manifest),
    ("footer", envelope::footer),
    ("part", envelope::part),
    ("record", envelope::record),
    ("keyring", configuration::keyring),
    ("config", configuration::config),
    ("chunks_unsigned", chunked::unsigned),
    ("chunks_signed", chunked::signed),
    ("sigv4", sigv4::head),
    ("request", request::request),
    ("range", headers::range),
    ("conditions", headers::conditions),
    ("tagging", headers::tagging),
    ("copy_source", headers::copy_source),
    ("dates", dates::dates),
    ("xml_complete", xml::complete),
    ("xml_delete", xml::delete),
    ("xml_tagging", xml::tagging),
    ("xml_create_bucket", xml::create_bucket),
    ("upstream_head", upstream::head),
    ("upstream_list", upstream::list),
    ("upstream_parts", upstream::parts),
    ("upstream_uploads", upstream::uploads),
    ("upstream_complete", upstream::complete),
    ("upstream_delete", upstream::delete),
    ("upstream_error", upstream::error),
    ("upstream_chunked", wire::chunked),
];

/// An input as a source of small decisions. At its end it gives zeros.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// The next bytes, fewer at the end.
    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Everything that is left.
    fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }
}
