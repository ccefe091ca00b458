//! The object format: everything that a store could have written.

use crypt_keeper::base::{BodyId, BucketId, FooterId, Key32, KeyId};
use crypt_keeper::envelope::cobblestone::{SEGMENT_BYTES, TAG_BYTES};
use crypt_keeper::envelope::part::MIN_SEAL_BUFFER_BYTES;
use crypt_keeper::envelope::{
    BodyKeys, Dek, Manifest, ObjectName, PartSealer, RangeOpener, RangePlan, Salt, Trailer, WrappedDek, open_record,
    seal_footer, seal_record, unwrap_dek, wrap_dek,
};

use super::{Input, Outcome};

const SALT: Salt = [7; 24];
const BODY: BodyId = BodyId::from_bytes([1; 16]);
const KEY: KeyId = KeyId::from_bytes([2; 16]);
/// More of a body than this is not read by one input: the work must stay small.
const MAX_STORED_BYTES: u64 = 1 << 20;

fn dek() -> Dek {
    Dek::new(Key32::new([3; 32]))
}

fn keys() -> BodyKeys {
    BodyKeys::derive(&dek(), &BODY)
}

fn bucket_key() -> Key32 {
    Key32::new([4; 32])
}

fn name() -> ObjectName {
    ObjectName::new(&BucketId::from_bytes([5; 16]), b"name")
}

fn wrapped() -> WrappedDek {
    wrap_dek(&bucket_key(), KEY, &BODY, &name(), SALT, &dek())
}

/// `stored length || end of an object`: parsed without a panic, and nothing that is not sealed under the keys passes.
pub(super) fn trailer(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let stored_bytes = input.u64();
    let tail = input.rest();
    let Ok(trailer) = Trailer::parse(tail, stored_bytes) else { return Outcome::Refused };
    assert!(Trailer::is_ours(tail), "what is parsed has the magic");
    let manifest = trailer.manifest_range();
    assert!(manifest.start <= manifest.end && manifest.end <= stored_bytes, "the manifest lies inside the object");
    assert!(unwrap_dek(&bucket_key(), trailer.wrapped_dek(), &trailer.body_id(), &name()).is_err(), "forged wrap");
    let stored = usize::try_from(trailer.manifest_stored_bytes()).expect("32 bits fit");
    let before = tail.len() - 256;
    let stored = &tail[before.saturating_sub(stored)..before];
    assert!(trailer.verify(&keys(), &name(), stored).is_err(), "forged footer");
    Outcome::Accepted
}

/// A manifest's plaintext: one value has one encoding.
pub(super) fn manifest(input: &[u8]) -> Outcome {
    let Ok(manifest) = Manifest::decode(input) else { return Outcome::Refused };
    assert!(manifest.encode().is_ok_and(|bytes| bytes == input), "decoded and encoded again is the same");
    assert_eq!(manifest.encoded_len(), input.len());
    Outcome::Accepted
}

/// `place, bits, range, manifest`: sealed it is read again as it was; with any bit of the footer changed it is not.
pub(super) fn footer(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let (place, bits, start, end) = (usize::from(input.u16()), input.u8(), input.u64(), input.u64());
    let Ok(manifest) = Manifest::decode(input.rest()) else { return Outcome::Refused };
    let (keys, name) = (keys(), name());
    let footer_id = FooterId::from_bytes([6; 16]);
    let Ok(mut sealed) = seal_footer(&keys, &name, &wrapped(), footer_id, &manifest, SALT) else {
        return Outcome::Refused;
    };
    let parts_bytes: u64 = u64::from_be_bytes(sealed[sealed.len() - 240..][..8].try_into().expect("8 bytes"));
    let stored_bytes = parts_bytes + sealed.len() as u64;
    let read = |sealed: &[u8]| {
        let trailer = Trailer::parse(sealed, stored_bytes)?;
        let start = sealed.len() - 256 - trailer.manifest_stored_bytes() as usize;
        trailer.verify(&keys, &name, &sealed[start..sealed.len() - 256])
    };
    let footer = read(&sealed).unwrap_or_else(|error| panic!("what was sealed is refused: {error}"));
    assert!(**footer.manifest() == manifest && footer.stored_bytes() == stored_bytes);
    assert_eq!(footer.body_range(), 0..parts_bytes);
    for range in [start..end, 0..footer.plaintext_bytes()] {
        match footer.range(&keys, range.clone()) {
            Some(plan) => assert!(plan.stored.start <= plan.stored.end && plan.stored.end <= parts_bytes, "{range:?}"),
            None => assert!(range.start > range.end || range.end > footer.plaintext_bytes(), "{range:?}"),
        }
    }
    if bits != 0 {
        let place = place % sealed.len();
        sealed[place] ^= bits;
        // The length of M moves where M starts: that is refused by its length already.
        let changed = Trailer::parse(&sealed, stored_bytes).is_ok_and(|trailer| {
            let manifest = trailer.manifest_range();
            let start = (manifest.start - parts_bytes) as usize;
            trailer.verify(&keys, &name, &sealed[start..sealed.len() - 256]).is_ok()
        });
        assert!(!changed, "byte {place} changed by {bits:#x} passes");
    }
    Outcome::Accepted
}

/// `step, place, bits, plaintext`: a part sealed and opened in pieces of any size, and with any byte of it changed.
pub(super) fn part(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let (step, place, bits) = (usize::from(input.u16()) + 1, usize::from(input.u16()), input.u8());
    // A short input stands for a long body: its bytes again and again.
    let (repeat, piece) = (usize::from(input.u8()) + 1, input.rest());
    let plain = piece.repeat(repeat.min(4 * SEGMENT_BYTES / piece.len().max(1) + 1));
    let mut stored = seal(&plain, step);
    assert_eq!(open(&stored, plain.len(), step).as_deref(), Ok(&plain[..]));
    if bits != 0 {
        let place = place % stored.len();
        stored[place] ^= bits;
        let released = open(&stored, plain.len(), step).expect_err("a changed byte passes");
        assert!(plain.starts_with(&released), "what was released before the fault is genuine");
    }
    stored.truncate(place % stored.len());
    assert!(open(&stored, plain.len(), step).is_err(), "a truncated part passes");
    Outcome::Accepted
}

fn seal(plain: &[u8], step: usize) -> Vec<u8> {
    let mut sealer = PartSealer::new(&keys(), 1, SALT).expect("a part number");
    let mut stored = Vec::new();
    let mut out = vec![0; MIN_SEAL_BUFFER_BYTES + step];
    for mut piece in plain.chunks(step) {
        while !piece.is_empty() {
            let progress = sealer.seal(piece, &mut out).expect("short");
            stored.extend_from_slice(&out[..progress.written]);
            piece = &piece[progress.consumed..];
        }
    }
    // The header and a last segment: what `finish` writes is what is missing.
    out.resize(SEGMENT_BYTES + TAG_BYTES + 64, 0);
    let sealed = sealer.finish(&mut out).expect("room");
    let missing = usize::try_from(sealed.stored_bytes).expect("short") - stored.len();
    stored.extend_from_slice(&out[..missing]);
    stored
}

/// The plaintext, or what had been released when it was refused.
fn open(stored: &[u8], plain_bytes: usize, step: usize) -> Result<Vec<u8>, Vec<u8>> {
    let RangePlan { stored: range, mut opener } =
        RangeOpener::for_part(&keys(), 1, SALT, plain_bytes as u64).expect("a length");
    assert!(range.end < MAX_STORED_BYTES);
    let (mut plain, mut rest) = (Vec::new(), stored);
    while !opener.is_complete() && !rest.is_empty() {
        let run;
        (run, rest) = rest.split_at(opener.next_run(step).min(rest.len()));
        let mut run = run.to_vec();
        let Ok(opened) = opener.open_run(&mut run) else { return Err(plain) };
        plain.extend_from_slice(&opened);
    }
    if opener.finish().is_ok() && rest.is_empty() { Ok(plain) } else { Err(plain) }
}

/// `place, bits, plaintext`, and the input as a record: a row opens as it was sealed, or not at all.
pub(super) fn record(input: &[u8]) -> Outcome {
    let key = bucket_key();
    assert!(open_record(&key, b"row", input).is_err(), "forged record");
    let mut input = Input(input);
    let (place, bits, plain) = (usize::from(input.u16()), input.u8(), input.rest());
    let mut stored = seal_record(&key, b"row", SALT, plain);
    assert!(open_record(&key, b"row", &stored).is_ok_and(|opened| *opened == plain));
    assert!(open_record(&key, b"other", &stored).is_err());
    if bits != 0 {
        let place = place % stored.len();
        stored[place] ^= bits;
        assert!(open_record(&key, b"row", &stored).is_err(), "byte {place} changed by {bits:#x} passes");
    }
    Outcome::Accepted
}
