//! The envelope against bare AES-256-GCM, by the library that it uses on this processor, over the same buffers: bytes per
//! second by size, and the ratio.
//!
//! `cargo bench --bench envelope`. The table at the end is measured in turns (bare, ours, bare, ours ...) in one run, so
//! that a noisy machine hurts both; "noise" is the spread of the middle half of the rounds.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, reason = "the ratios are its result")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead as lc;
use criterion::{BenchmarkId, Criterion, Throughput};
use crypt_keeper::base::{BodyId, Key32};
use crypt_keeper::envelope::{BodyKeys, Dek, PartSealer, RangeOpener};
use ring::aead as ring;

const SEGMENT: usize = 16 << 10;
const TAG: usize = 16;
/// What one read of a socket gives.
const FRAME: usize = 128 << 10;
const BUFFER: usize = 256 << 10;
/// What the proxy reads and opens at a time: a header, sixteen segments, an empty last one.
const RUN: usize = 56 + 16 * (SEGMENT + TAG) + TAG;
const SIZES: [usize; 6] = [1 << 10, 16 << 10, 64 << 10, 1 << 20, 8 << 20, 64 << 20];
const SALT: [u8; 24] = [7; 24];

/// AES-256-GCM and nothing else.
#[expect(clippy::large_enum_variant, reason = "there is one")]
enum Bare {
    Lc(lc::LessSafeKey),
    Ring(ring::LessSafeKey),
}

impl Bare {
    /// Of the library that the envelope takes too.
    fn new(key: &[u8; 32]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("vaes") && !is_x86_feature_detected!("avx512f") {
            let key = ring::UnboundKey::new(&ring::AES_256_GCM, key).expect("32 bytes");
            return Self::Ring(ring::LessSafeKey::new(key));
        }
        Self::Lc(lc::LessSafeKey::new(lc::UnboundKey::new(&lc::AES_256_GCM, key).expect("32 bytes")))
    }

    /// Some nonce; nothing secret is sealed here.
    fn seal(&self, index: u32, plain: &[u8], out: &mut [u8]) {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&index.to_be_bytes());
        match self {
            Self::Lc(key) => {
                let nonce = lc::Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_scatter(nonce, lc::Aad::empty(), &mut [], plain, out).expect("seals");
            }
            Self::Ring(key) => {
                let (cipher, tag) = out.split_at_mut(plain.len());
                cipher.copy_from_slice(plain);
                let nonce = ring::Nonce::assume_unique_for_key(nonce);
                let sealed = key.seal_in_place_separate_tag(nonce, ring::Aad::empty(), cipher).expect("seals");
                tag.copy_from_slice(sealed.as_ref());
            }
        }
    }
}

struct Bench {
    keys: BodyKeys,
    bare: Bare,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    out: Vec<u8>,
}

impl Bench {
    fn new(size: usize) -> Self {
        let bare = Bare::new(&[1; 32]);
        let keys = BodyKeys::derive(&Dek::new(Key32::new([2; 32])), &BodyId::from_bytes([3; 16]));
        let mut bench =
            Self { keys, bare, plain: vec![0x5a; size], sealed: Vec::new(), out: vec![0; BUFFER + SEGMENT] };
        let mut sealer = PartSealer::new(&bench.keys, 0, SALT).expect("part 0");
        let mut sealed = vec![0; size + size / 1000 + BUFFER];
        let done = sealer.seal(&bench.plain, &mut sealed).expect("seals");
        let last = sealer.finish(&mut sealed[done.written..]).expect("finishes");
        sealed.truncate(done.written + last.written);
        bench.sealed = sealed;
        bench
    }

    fn bare_seal(&mut self) {
        for (frame, index) in self.plain.chunks(FRAME).zip(0_u32..) {
            let mut at = 0;
            for segment in frame.chunks(SEGMENT) {
                let out = &mut self.out[at..at + segment.len() + TAG];
                self.bare.seal(index, segment, out);
                at += out.len();
            }
            black_box(&self.out);
        }
    }

    fn seal(&mut self, frame_bytes: usize) {
        let mut sealer = PartSealer::new(&self.keys, 0, SALT).expect("part 0");
        for frame in self.plain.chunks(frame_bytes) {
            let done = sealer.seal(frame, &mut self.out).expect("seals");
            assert_eq!(done.consumed, frame.len());
            black_box(&self.out);
        }
        black_box(sealer.finish(&mut self.out).expect("finishes"));
    }

    /// The same work on the same bytes; the key is another one, so the tag is made instead of compared.
    fn bare_open(&mut self) {
        for (frame, index) in self.sealed.chunks(FRAME).zip(0_u32..) {
            let mut at = 0;
            for segment in frame.chunks(SEGMENT + TAG) {
                let out = &mut self.out[at..at + segment.len() + TAG];
                self.bare.seal(index, segment, out);
                at += segment.len();
            }
            black_box(&self.out);
        }
    }

    /// Each run is copied first, as a socket would fill the buffer that it is opened in.
    fn open(&mut self, room: usize) {
        let plan = RangeOpener::for_part(&self.keys, 0, SALT, self.plain.len() as u64).expect("a plan");
        let (mut opener, mut rest) = (plan.opener, &self.sealed[..]);
        while !rest.is_empty() {
            let stored;
            (stored, rest) = rest.split_at(opener.next_run(room));
            let run = &mut self.out[..stored.len()];
            run.copy_from_slice(stored);
            black_box(&opener.open_run(run).expect("opens")[..]);
        }
        opener.finish().expect("whole");
    }
}

fn by_size(criterion: &mut Criterion) {
    for (name, run) in [
        ("bare seal", (|bench: &mut Bench| bench.bare_seal()) as fn(&mut Bench)),
        ("seal", |bench| bench.seal(FRAME)),
        ("seal, frames of 100,000", |bench| bench.seal(100_000)),
        ("open", |bench| bench.open(RUN)),
        ("open, runs of two segments", |bench| bench.open((SEGMENT + TAG) * 2)),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for size in SIZES {
            let mut bench = Bench::new(size);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |b| b.iter(|| run(&mut bench)));
        }
        group.finish();
    }
}

/// Quartiles of the time that one call takes, in seconds, for both functions, in turns.
fn in_turns(bench: &mut Bench, bare: fn(&mut Bench), ours: fn(&mut Bench)) -> [[f64; 3]; 2] {
    let calls = (16 << 20) / bench.plain.len().max(1) + 1;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..21 {
        for (run, times) in [bare, ours].into_iter().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..calls {
                run(bench);
            }
            times.push(start.elapsed().as_secs_f64() / calls as f64);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        [times[5], times[10], times[15]]
    })
}

fn ratios() {
    println!("\n{:>10}  {:>9}  {:>9}  {:>6}  {:>6}", "bytes", "bare GB/s", "ours GB/s", "ratio", "noise");
    for (name, bare, ours) in [
        (
            "seal",
            (|bench: &mut Bench| bench.bare_seal()) as fn(&mut Bench),
            (|bench: &mut Bench| bench.seal(FRAME)) as _,
        ),
        ("seal, frames that straddle segments", |bench| bench.bare_seal(), |bench| bench.seal(100_000)),
        ("open", |bench| bench.bare_open(), |bench| bench.open(RUN)),
    ] as [(&str, fn(&mut Bench), fn(&mut Bench)); 3]
    {
        println!("{name}");
        for size in SIZES {
            let mut bench = Bench::new(size);
            let [bare, ours] = in_turns(&mut bench, bare, ours);
            let speed = |time: f64| size as f64 / time / 1e9;
            let noise = (ours[2] - ours[0]) / ours[1] * 100.0;
            let (bare, ours) = (speed(bare[1]), speed(ours[1]));
            println!("{size:>10}  {bare:>9.2}  {ours:>9.2}  {:>6.2}  {noise:>5.1}%", ours / bare);
        }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    by_size(&mut criterion);
    criterion.final_summary();
    // Not when cargo test or a filter runs it.
    if std::env::args().any(|argument| argument == "--bench") {
        ratios();
    }
}
