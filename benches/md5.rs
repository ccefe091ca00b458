//! MD5 of 1 to 16 uploads at once: in lanes, against each on the thread that also seals it.
//!
//! `cargo bench --bench md5`. Every stream is a task that takes shared buffers, seals them with AES-256-GCM as a PUT does,
//! and hashes them. "wall" is GB/s of all streams together, "per CPU-s" what a second of processor time hashes and seals.
//! Both ways are measured in turns in one run and the medians printed, so that a noisy machine hurts both.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, reason = "the figures are its result")]

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crypt_keeper::base::{BodyId, Key32};
use crypt_keeper::envelope::{BodyKeys, Dek, PartSealer};
use crypt_keeper::hashing::{BodyHasher, DigestSet, Hasher, Md5Lanes};
use tokio::runtime::Runtime;

const STREAMS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// What one read of a socket gives.
const FRAMES: [usize; 2] = [64 << 10, 256 << 10];
const ROUND_BYTES: usize = 512 << 20;
const ROUNDS: usize = 5;

#[derive(Clone, Copy)]
enum Way {
    /// No MD5 at all: what sealing costs.
    SealOnly,
    /// On the thread that seals.
    Inline,
    /// By the lanes.
    Lanes,
}

/// One upload: sealed into nowhere, and hashed.
async fn upload(way: Way, lanes: Md5Lanes, frame: Bytes, frames: usize) {
    let keys = BodyKeys::derive(&Dek::new(Key32::new([2; 32])), &BodyId::from_bytes([3; 16]));
    let mut sealer = PartSealer::new(&keys, 0, [7; 24]).expect("part 0");
    let mut out = vec![0; 320 << 10];
    let set = DigestSet::none().with_md5();
    let mut inline = Hasher::new(set);
    let mut body = BodyHasher::new(set, (frame.len() * frames) as u64, &lanes);
    for _ in 0..frames {
        match way {
            Way::SealOnly => {}
            Way::Inline => inline.update(&frame),
            Way::Lanes => {
                body.hand_over(&frame).await.expect("hashed");
                body.update(&frame);
            }
        }
        let mut plain = &frame[..];
        while !plain.is_empty() {
            plain = &plain[sealer.seal(plain, &mut out).expect("sealed").consumed..];
        }
        // A socket would be waited for here.
        tokio::task::yield_now().await;
    }
    if matches!(way, Way::Lanes) {
        body.finish().await.expect("hashed");
    }
}

/// Wall and processor time of a round of so many streams.
fn round(runtime: &Runtime, way: Way, lanes: &Md5Lanes, streams: usize, frame: &Bytes) -> (Duration, Duration) {
    let frames = ROUND_BYTES / streams / frame.len();
    let (began, cpu) = (Instant::now(), cpu_time());
    runtime.block_on(async {
        let tasks: Vec<_> =
            (0..streams).map(|_| tokio::spawn(upload(way, lanes.clone(), frame.clone(), frames))).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    (began.elapsed(), cpu_time() - cpu)
}

/// What all threads of this process have used, from the kernel's own accounts (nanoseconds).
fn cpu_time() -> Duration {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").expect("Linux") {
        let text = fs::read_to_string(task.expect("a thread").path().join("schedstat")).unwrap_or_default();
        sum += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    Duration::from_nanos(sum)
}

fn main() {
    let runtime = Runtime::new().expect("threads");
    let lanes = Md5Lanes::start(1).expect("a thread");
    let rate = |time: Duration| ROUND_BYTES as f64 / 1e9 / time.as_secs_f64();
    println!(
        "frame KiB | streams | seal only: wall, per CPU-s | MD5 inline: wall, per CPU-s | MD5 lanes: wall, per CPU-s"
    );
    for frame_bytes in FRAMES {
        let frame: Bytes = (0..frame_bytes).map(|at| at.to_le_bytes()[0]).collect();
        for streams in STREAMS {
            let mut times = [const { Vec::new() }; 3];
            for _ in 0..ROUNDS {
                for (way, times) in [Way::SealOnly, Way::Inline, Way::Lanes].into_iter().zip(&mut times) {
                    times.push(round(&runtime, way, &lanes, streams, &frame));
                }
            }
            let [seal, inline, in_lanes] = times.map(|times| {
                let median = |mut of: Vec<Duration>| {
                    of.sort_unstable();
                    of[of.len() / 2]
                };
                let wall = rate(median(times.iter().map(|(wall, _)| *wall).collect()));
                format!("{wall:5.2} {:5.2}", rate(median(times.iter().map(|(_, cpu)| *cpu).collect())))
            });
            println!("{:9} | {streams:7} | {seal:26} | {inline:27} | {in_lanes}", frame_bytes >> 10);
        }
    }
}
