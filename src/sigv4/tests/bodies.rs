//! Framed bodies that are sound, in every fragmentation; a helper for the ones that are not.

use bytes::Bytes;
use http::request::Parts;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};

use crate::sigv4::CredentialLocation::{self, Header, Query};
use crate::sigv4::testing::{Client, NOW, SECRET, signature_of, verify_at};
use crate::sigv4::{ChunkFault, PayloadBinding, Trailers};

pub(super) const CHECKSUM: (&str, &str) = ("x-amz-checksum-crc32", "AAAAAA==");

/// The three framed modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    SignedChunks,
    SignedChunksTrailer,
    UnsignedChunksTrailer,
}

impl Mode {
    pub(super) const ALL: [Self; 3] = [Self::SignedChunks, Self::SignedChunksTrailer, Self::UnsignedChunksTrailer];

    pub(super) const fn token(self) -> &'static str {
        match self {
            Self::SignedChunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedChunksTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::UnsignedChunksTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }
}

/// An upload of `body` in chunks of `chunk` bytes: its head, and the body as framed.
pub(super) fn upload(location: CredentialLocation, mode: Mode, body: &[u8], chunk: usize) -> (Parts, Vec<u8>) {
    let length = body.len().to_string();
    let mut headers = vec![("x-amz-decoded-content-length", length.as_str()), ("content-encoding", "aws-chunked")];
    let trailer = (mode != Mode::SignedChunks).then_some(CHECKSUM);
    headers.extend(trailer.map(|(name, _)| ("x-amz-trailer", name)));
    let client = Client::default();
    let parts = client.request(location, "PUT", "/b/k", &headers, mode.token());
    let seed = signature_of(&parts);
    let seed = (mode != Mode::UnsignedChunksTrailer).then_some(seed.as_str());
    let framed = client.frame(body, chunk, seed, trailer);
    (parts, framed)
}

/// Decodes `framed` as it comes in frames that end at `cuts`.
pub(super) fn decode(
    binding: &PayloadBinding,
    framed: &[u8],
    cuts: &[usize],
) -> Result<(Vec<u8>, Trailers), ChunkFault> {
    let mut decoder = binding.decoder().expect("framed");
    let mut payload = Vec::new();
    let mut from = 0;
    for to in cuts.iter().map(|cut| cut % (framed.len() + 1)).chain([framed.len()]) {
        if to <= from {
            continue;
        }
        let mut frame = Bytes::copy_from_slice(&framed[from..to]);
        from = to;
        while let Some(slice) = decoder.next_payload(&mut frame)? {
            payload.extend_from_slice(&slice);
        }
        assert!(frame.is_empty(), "a frame is used up before the next one is asked for");
    }
    decoder.finish().map(|trailers| (payload, trailers))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    (0_usize..40_000, any::<u8>()).prop_map(|(length, seed)| {
        (0..length).map(|at| u8::try_from((at * 31 + usize::from(seed)) % 251).expect("below 251")).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn sound_bodies_come_out_whole(
        location in prop::sample::select(vec![Header, Query]),
        mode in prop::sample::select(Mode::ALL.to_vec()),
        body in body(),
        chunk in 8192_usize..20_000,
        mut cuts in prop::collection::vec(any::<usize>().prop_map(|cut| cut % 50_000), 0..12),
    ) {
        let (parts, framed) = upload(location, mode, &body, chunk);
        let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
        cuts.sort_unstable();
        let (payload, trailers) = decode(&binding, &framed, &cuts).expect("sound");
        prop_assert_eq!(binding.decoded_length(), Some(body.len() as u64));
        prop_assert_eq!(payload, body);
        prop_assert_eq!(trailers.checksum(), (mode != Mode::SignedChunks).then_some(CHECKSUM));
    }
}

#[test]
fn byte_by_byte() {
    for mode in Mode::ALL {
        for length in [0, 1, 8191, 8192, 8193] {
            let (parts, framed) = upload(Header, mode, &vec![7; length], 8192);
            let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
            let cuts: Vec<usize> = (0..framed.len()).collect();
            assert_eq!(decode(&binding, &framed, &cuts).expect("sound").0.len(), length, "{mode:?}");
        }
    }
}

/// Payload is cut out of the frame, not copied.
#[test]
fn payload_is_a_slice_of_the_frame() {
    let (parts, framed) = upload(Header, Mode::SignedChunks, &[7; 20_000], 8192);
    let mut decoder = verify_at(&parts, SECRET, NOW).expect("accepted").decoder().expect("framed");
    let frame = Bytes::from(framed);
    let range = frame.as_ptr_range();
    let mut rest = frame.clone();
    while let Some(slice) = decoder.next_payload(&mut rest).expect("sound") {
        assert!(range.contains(&slice.as_ptr()));
    }
}

/// S3 computes CRC64NVME itself then.
#[test]
fn trailer_token_without_a_trailer_is_sound() {
    let headers = [("x-amz-decoded-content-length", "4")];
    for mode in [Mode::SignedChunksTrailer, Mode::UnsignedChunksTrailer] {
        let client = Client::default();
        let parts = client.request(Header, "PUT", "/b/k", &headers, mode.token());
        let seed = signature_of(&parts);
        let framed = client.frame(b"body", 8192, (mode == Mode::SignedChunksTrailer).then_some(&seed), None);
        let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
        let (payload, trailers) = decode(&binding, &framed, &[]).expect("sound");
        assert_eq!((payload.as_slice(), trailers.checksum()), (b"body".as_slice(), None));
    }
}

/// SeaweedFS #9905: trailer names come in any case.
#[test]
fn trailer_names_come_in_any_case() {
    let (parts, framed) = upload(Header, Mode::UnsignedChunksTrailer, b"body", 8192);
    let framed = String::from_utf8(framed).expect("text").replace("x-amz-checksum", "X-Amz-Checksum");
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    let (_, trailers) = decode(&binding, framed.as_bytes(), &[]).expect("sound");
    assert_eq!(trailers.checksum(), Some(CHECKSUM));
}

/// A zero-chunk length may be written in any number of digits.
#[test]
fn chunk_sizes_may_have_leading_zeros_and_capitals() {
    let (parts, _) = upload(Header, Mode::UnsignedChunksTrailer, &[b'a'; 0xab], 8192);
    let framed = format!("00AB\r\n{}\r\n000\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "a".repeat(0xab));
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    assert_eq!(decode(&binding, framed.as_bytes(), &[]).expect("sound").0.len(), 0xab);
}
