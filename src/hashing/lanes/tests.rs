//! Streams over real workers.

use std::time::Duration;

use bytes::Bytes;
use md5::{Digest as _, Md5 as Oracle};
use tokio::time::timeout;

use super::inbox::Letter;
use super::{LanesFailed, MIN_LANES, Md5Lanes, RESUME_BYTES, WINDOW_BYTES};

/// Nothing here takes this long, on whatever machine.
const LONG: Duration = Duration::from_secs(60);

fn noise(len: usize, seed: usize) -> Bytes {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 7).to_le_bytes()[0]).collect()
}

async fn hash(lanes: &Md5Lanes, data: Bytes, run: usize) -> Result<[u8; 16], LanesFailed> {
    let mut stream = lanes.open();
    for at in (0..data.len()).step_by(run) {
        stream.push(data.slice(at..data.len().min(at + run))).await?;
        if at % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(stream.finish().await?.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_of_different_lengths_and_splits() {
    for workers in [1, 3] {
        let lanes = Md5Lanes::start(workers).expect("starts");
        let mut tasks = Vec::new();
        for seed in 0..40 {
            let (lanes, len) = (lanes.clone(), seed * seed * 700 + seed);
            let run = [1 << 10, 100_000, 65_536, 4_097, 1 << 20][seed % 5];
            tasks.push(tokio::spawn(async move {
                let data = noise(len, seed);
                let expected = <[u8; 16]>::from(Oracle::digest(&data));
                (hash(&lanes, data, run).await.expect("hashed"), expected)
            }));
        }
        for task in tasks {
            let (digest, expected) = timeout(LONG, task).await.expect("in time").expect("no panic");
            assert_eq!(digest, expected);
        }
    }
}

#[tokio::test]
async fn an_empty_stream() {
    let lanes = Md5Lanes::start(1).expect("starts");
    assert_eq!(hex::encode(hash(&lanes, Bytes::new(), 1).await.expect("hashed")), "d41d8cd98f00b204e9800998ecf8427e");
}

#[tokio::test]
async fn what_is_pending_is_bounded() {
    let lanes = Md5Lanes::start(1).expect("starts");
    let mut stream = lanes.open();
    let run = noise(128 << 10, 1);
    for _ in 0..200 {
        stream.push(run.clone()).await.expect("taken");
        assert!(stream.meter.pending_bytes.load(super::Ordering::Acquire) <= WINDOW_BYTES);
    }
    // One buffer may go over the bound, and is waited for.
    stream.push(noise(3 * WINDOW_BYTES, 2)).await.expect("taken");
    assert!(stream.meter.pending_bytes.load(super::Ordering::Acquire) <= RESUME_BYTES.max(WINDOW_BYTES));
}

#[tokio::test]
async fn a_dropped_stream_leaves_nothing() {
    let lanes = Md5Lanes::start(1).expect("starts");
    let run = noise(100 << 10, 1);
    let watched = Bytes::from(run.to_vec());
    let mut stream = lanes.open();
    stream.push(watched.clone()).await.expect("taken");
    drop(stream);
    // The worker answers in order: after this stream's digest it has dealt with the end of the first.
    hash(&lanes, run, 1 << 20).await.expect("hashed");
    assert!(watched.is_unique(), "the worker still holds what a dropped stream pushed");
    assert_eq!(lanes.workers.0[0].streams.load(super::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn streams_fill_the_lanes_of_one_worker_before_the_next() {
    let lanes = Md5Lanes::start(2).expect("starts");
    let open = |count: usize| (0..count).map(|_| lanes.open()).collect::<Vec<_>>();
    let first = open(MIN_LANES);
    assert!(first.iter().all(|stream| stream.at == 0));
    let second = open(MIN_LANES);
    assert!(second.iter().all(|stream| stream.at == 1));
    let more = open(4);
    assert_eq!(more.iter().map(|stream| stream.at).collect::<Vec<_>>(), [0, 1, 0, 1]);
    drop(first);
    assert_eq!(lanes.open().at, 0);
}

#[tokio::test]
async fn a_panic_fails_the_open_streams_and_no_later_one() {
    let lanes = Md5Lanes::start(1).expect("starts");
    let (mut pushing, mut finishing, mut panicking) = (lanes.open(), lanes.open(), lanes.open());
    pushing.push(noise(1000, 1)).await.expect("taken");
    finishing.push(noise(1000, 2)).await.expect("taken");
    panicking.post(Letter::Panic);
    assert_eq!(timeout(LONG, finishing.finish()).await.expect("no hang").err(), Some(LanesFailed));
    let failed = timeout(LONG, async {
        loop {
            if let Err(failed) = pushing.push(noise(WINDOW_BYTES, 3)).await {
                return failed;
            }
        }
    });
    assert_eq!(failed.await.expect("no hang"), LanesFailed);
    assert_eq!(timeout(LONG, pushing.finish()).await.expect("no hang").err(), Some(LanesFailed));
    let data = noise(300_000, 4);
    let expected = <[u8; 16]>::from(Oracle::digest(&data));
    assert_eq!(hash(&lanes, data, 1 << 14).await, Ok(expected));
}
