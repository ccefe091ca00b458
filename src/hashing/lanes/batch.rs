//! The stepping of MD5 lanes, without threads: what each stream still has to hash, and how several of them go forward
//! through one SIMD kernel.
//!
//! The kernel is at its best when every lane has whole blocks of one length. So a stream that stands inside a block is
//! first brought to the block's end by itself, and a batch goes as far as its shortest run.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use md5_many::{Md5Many, Md5State};

use crate::base::Md5;

/// MD5's block.
const BLOCK_BYTES: usize = 64;
/// How many streams go forward together at most: two interleaved kernels of 8 lanes (AVX2), one of 16 (AVX-512).
/// Three interleaved ones are 10 % faster, and make everybody wait for the slowest of 24.
pub(super) const MAX_LANES: usize = 16;
/// The narrowest kernel that is used. Free lanes repeat another one's work: two streams in eight lanes are still quicker
/// than one after the other (0.95 against 0.70 GB/s on Zen 3), and the crate's kernels for odd numbers far slower.
pub(super) const MIN_LANES: usize = 8;
/// How far a stream goes before others that have come meanwhile may join: about 90 us alone.
const STEP_BYTES: usize = 64 << 10;

/// One stream: what was hashed, and the runs of bytes that were not yet.
pub(super) struct Track {
    state: Md5State,
    runs: VecDeque<Bytes>,
    pending_bytes: usize,
}

impl Track {
    pub(super) const fn new() -> Self {
        Self { state: Md5State::new(), runs: VecDeque::new(), pending_bytes: 0 }
    }

    /// Appends to the stream; an empty run is nothing.
    pub(super) fn push(&mut self, run: Bytes) {
        self.pending_bytes += run.len();
        if !run.is_empty() {
            self.runs.push_back(run);
        }
    }

    /// How much was appended and is not hashed.
    pub(super) const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// The MD5 of everything that was hashed.
    pub(super) fn digest(&self) -> Md5 {
        Md5(self.state.finalize())
    }

    /// Goes alone to where whole blocks lie ahead; what those are, in bytes, of the first run. 0 when nothing is left.
    fn align(&mut self) -> usize {
        while let Some(run) = self.runs.front() {
            let into_block = usize::try_from(self.state.bytes_hashed() % BLOCK_BYTES as u64).unwrap_or(0);
            if into_block == 0 && run.len() >= BLOCK_BYTES {
                return run.len() - run.len() % BLOCK_BYTES;
            }
            let take = run.len().min(BLOCK_BYTES - into_block);
            self.state.update(&run[..take]);
            self.consume(take);
        }
        0
    }

    /// The first `bytes` of the first run were hashed.
    fn consume(&mut self, bytes: usize) {
        self.pending_bytes -= bytes;
        if let Some(run) = self.runs.front_mut() {
            run.advance(bytes);
            if run.is_empty() {
                self.runs.pop_front();
            }
        }
    }
}

/// Brings tracks that have something pending forward: all of them a little, in batches of equal size.
pub(super) fn step(kernel: Md5Many, ready: &mut [&mut Track]) {
    if ready.is_empty() {
        return;
    }
    // 17 streams are a batch of 9 and one of 8, not 16 lanes and a straggler.
    let batch = ready.len().div_ceil(ready.len().div_ceil(MAX_LANES));
    for tracks in ready.chunks_mut(batch) {
        step_batch(kernel, tracks);
    }
}

fn step_batch(kernel: Md5Many, tracks: &mut [&mut Track]) {
    let mut common = STEP_BYTES;
    let mut lanes: Vec<&mut Track> = Vec::with_capacity(MAX_LANES);
    for track in tracks.iter_mut() {
        let ahead = track.align();
        if ahead > 0 {
            common = common.min(ahead);
            lanes.push(track);
        }
    }
    match lanes.as_mut_slice() {
        [] => {}
        [track] => {
            if let Some(run) = track.runs.front() {
                track.state.update(&run[..common]);
            }
        }
        lanes => together(kernel, lanes, common),
    }
    for track in lanes {
        track.consume(common);
    }
}

/// Hashes `common` bytes of every lane. Lanes that nobody needs are copies of the first one, thrown away after.
fn together(kernel: Md5Many, lanes: &mut [&mut Track], common: usize) {
    let width = if lanes.len() <= MIN_LANES { MIN_LANES } else { MAX_LANES };
    let mut states = [lanes[0].state; MAX_LANES];
    let mut runs: [&[u8]; MAX_LANES] = [&[]; MAX_LANES];
    for (at, (state, run)) in states.iter_mut().zip(&mut runs).enumerate() {
        let lane = &lanes[if at < lanes.len() { at } else { 0 }];
        *state = lane.state;
        *run = lane.runs.front().map_or(&[], |run| &run[..common]);
    }
    kernel.update_many(&mut states[..width], &runs[..width]);
    for (lane, state) in lanes.iter_mut().zip(states) {
        lane.state = state;
    }
}

/// Whether this processor's kernels make the MD5 that RFC 1321 means: they are chosen at run time, and a wrong one
/// would become a wrong ETag.
pub(super) fn is_sound(kernel: Md5Many) -> bool {
    /// Over [`SAMPLE_BYTES`] bytes, each the low byte of its index. Made with coreutils' md5sum.
    const SAMPLE_MD5: [u8; 16] = *b"\xcb\xec\xbd\xb0\xfd\xd5\xce\xc1\xe2\x42\x49\x3b\x60\x08\xcc\x79";
    const SAMPLE_BYTES: usize = 1000;
    let sample: Bytes = (0..SAMPLE_BYTES).map(|at| at.to_le_bytes()[0]).collect();
    [1, 2, MIN_LANES, MIN_LANES + 1, MAX_LANES].into_iter().all(|streams| {
        let mut tracks: Vec<Track> = (0..streams).map(|_| Track::new()).collect();
        for track in &mut tracks {
            track.push(sample.clone());
        }
        for _ in 0..2 {
            step(kernel, &mut tracks.iter_mut().collect::<Vec<_>>());
        }
        tracks.iter().all(|track| track.pending_bytes == 0 && track.digest().0 == SAMPLE_MD5)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use md5::{Digest as _, Md5 as Oracle};
    use md5_many::Md5Many;
    use proptest::prelude::{ProptestConfig, any, prop};
    use proptest::{prop_assert, proptest};

    use super::{MAX_LANES, STEP_BYTES, Track, is_sound, step};

    fn run_out(tracks: &mut [Track]) {
        loop {
            let mut ready: Vec<_> = tracks.iter_mut().filter(|track| track.pending_bytes() > 0).collect();
            if ready.is_empty() {
                return;
            }
            step(Md5Many::new(), &mut ready);
        }
    }

    fn noise(len: usize, seed: usize) -> Vec<u8> {
        (0..len).map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 7).to_le_bytes()[0]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Any number of streams, lengths and splits: every digest is that of the stream by itself.
        #[test]
        fn lanes_are_the_md5_of_each_stream(
            lens in prop::collection::vec(0usize..5000, 1..3 * MAX_LANES),
            cuts in prop::collection::vec(1usize..400, 1..20),
            interleave in any::<bool>(),
        ) {
            let data: Vec<Vec<u8>> = lens.iter().enumerate().map(|(seed, &len)| noise(len, seed)).collect();
            let mut tracks: Vec<Track> = data.iter().map(|_| Track::new()).collect();
            let mut at = vec![0; data.len()];
            let mut cut = cuts.iter().cycle();
            while at.iter().zip(&data).any(|(at, data)| *at < data.len()) {
                for ((track, data), at) in tracks.iter_mut().zip(&data).zip(&mut at) {
                    let to = data.len().min(*at + cut.next().expect("a cycle"));
                    track.push(Bytes::copy_from_slice(&data[*at..to]));
                    *at = to;
                }
                if interleave {
                    let mut ready: Vec<_> = tracks.iter_mut().filter(|track| track.pending_bytes() > 0).collect();
                    step(Md5Many::new(), &mut ready);
                }
            }
            run_out(&mut tracks);
            for (track, data) in tracks.iter().zip(&data) {
                prop_assert!(track.digest().0 == <[u8; 16]>::from(Oracle::digest(data)));
            }
        }
    }

    #[test]
    fn long_streams_of_every_batch_size() {
        for streams in 1..=2 * MAX_LANES + 1 {
            let data: Vec<Vec<u8>> = (0..streams).map(|seed| noise(STEP_BYTES + 1000 + 13 * seed, seed)).collect();
            let mut tracks: Vec<Track> = data.iter().map(|_| Track::new()).collect();
            for (track, data) in tracks.iter_mut().zip(&data) {
                track.push(Bytes::copy_from_slice(data));
            }
            run_out(&mut tracks);
            for (track, data) in tracks.iter().zip(&data) {
                assert!(track.digest().0 == <[u8; 16]>::from(Oracle::digest(data)), "{streams} streams");
            }
        }
    }

    #[test]
    fn this_processor_is_sound() {
        assert!(is_sound(Md5Many::new()));
    }

    #[test]
    fn nothing_is_the_md5_of_nothing() {
        assert_eq!(hex::encode(Track::new().digest().0), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
