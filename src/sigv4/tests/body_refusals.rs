//! Framed bodies that must be refused: {header, presigned} x {payload mode} x {what is wrong}.

use bytes::Bytes;

use super::bodies::{CHECKSUM, Mode, decode, upload};
use crate::sigv4::CredentialLocation::{Header, Query};
use crate::sigv4::testing::{Client, EMPTY_SHA256, NOW, SECRET, signature_of, verify_at};
use crate::sigv4::{ChunkFault, PayloadBinding, SigV4Fault};

const BODY: &[u8] = &[b'a'; 20_000];
const CHUNK: usize = 8192;

/// The seed signature is verified for every mode: others forgot it for one of them (CVE-2025-31489, CVE-2026-40344).
#[test]
fn wrong_secret_is_refused_in_every_payload_mode() {
    let hash = [EMPTY_SHA256, "UNSIGNED-PAYLOAD"].map(|token| (token, Vec::new()));
    let framed = Mode::ALL.map(|mode| (mode.token(), vec![("x-amz-decoded-content-length", "5")]));
    for (token, headers) in hash.into_iter().chain(framed) {
        for location in [Header, Query] {
            let client = Client { secret: "another", ..Client::default() };
            let parts = client.request(location, "PUT", "/b/k", &headers, token);
            assert!(verify_at(&parts, "another", NOW).is_ok(), "the request itself is sound");
            let found = verify_at(&parts, SECRET, NOW);
            assert!(matches!(found, Err(SigV4Fault::SignatureMismatch(_))), "{token} {location:?}");
        }
    }
}

fn each(check: impl Fn(Mode, &PayloadBinding, &[u8])) {
    for location in [Header, Query] {
        for mode in Mode::ALL {
            let (parts, framed) = upload(location, mode, BODY, CHUNK);
            let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
            assert!(decode(&binding, &framed, &[]).is_ok(), "sound before it is spoilt");
            check(mode, &binding, &framed);
        }
    }
}

fn find(framed: &[u8], text: &str) -> usize {
    framed.windows(text.len()).rposition(|window| window == text.as_bytes()).expect("present")
}

#[test]
fn altered_chunk_is_refused_where_chunks_are_signed() {
    each(|mode, binding, framed| {
        for at in [200, CHUNK + 500, 2 * CHUNK + 1000] {
            let mut altered = framed.to_vec();
            altered[at] ^= 1;
            let found = decode(binding, &altered, &[]).map(|_| ());
            let signed = mode != Mode::UnsignedChunksTrailer;
            assert_eq!(found, if signed { Err(ChunkFault::SignatureMismatch) } else { Ok(()) }, "{mode:?}");
        }
    });
}

/// The chain: chunks that are all validly signed, in another order.
#[test]
fn swapped_chunks_are_refused_where_chunks_are_signed() {
    let (parts, framed) = upload(Header, Mode::SignedChunks, &[vec![1; CHUNK], vec![2; CHUNK]].concat(), CHUNK);
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    let chunk = "2000;chunk-signature=".len() + 64 + 2 + CHUNK + 2;
    let swapped = [&framed[chunk..2 * chunk], &framed[..chunk], &framed[2 * chunk..]].concat();
    assert_eq!(decode(&binding, &swapped, &[]), Err(ChunkFault::SignatureMismatch));
}

/// A body that was signed for another request, under another seed.
#[test]
fn body_of_another_request_is_refused_where_chunks_are_signed() {
    let (_, framed) = upload(Query, Mode::SignedChunks, BODY, CHUNK);
    let (parts, _) = upload(Header, Mode::SignedChunks, BODY, CHUNK);
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    assert_eq!(decode(&binding, &framed, &[]), Err(ChunkFault::SignatureMismatch));
}

#[test]
fn chunks_signed_with_another_secret_are_refused() {
    let (parts, _) = upload(Header, Mode::SignedChunks, BODY, CHUNK);
    let seed = signature_of(&parts);
    let framed = Client { secret: "another", ..Client::default() }.frame(BODY, CHUNK, Some(&seed), None);
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    assert_eq!(decode(&binding, &framed, &[]), Err(ChunkFault::SignatureMismatch));
}

#[test]
fn missing_and_needless_chunk_signatures_are_refused() {
    let (signed, signed_body) = upload(Header, Mode::SignedChunksTrailer, BODY, CHUNK);
    let (unsigned, unsigned_body) = upload(Header, Mode::UnsignedChunksTrailer, BODY, CHUNK);
    let signed = verify_at(&signed, SECRET, NOW).expect("accepted");
    let unsigned = verify_at(&unsigned, SECRET, NOW).expect("accepted");
    assert_eq!(decode(&signed, &unsigned_body, &[]), Err(ChunkFault::MalformedChunk));
    assert_eq!(decode(&unsigned, &signed_body, &[]), Err(ChunkFault::MalformedChunk));
}

/// P1: s3s stored what had come so far.
#[test]
fn body_cut_anywhere_is_refused() {
    each(|mode, binding, framed| {
        let ends = (0..framed.len()).step_by(997).chain(framed.len() - 200..framed.len());
        for end in ends {
            let found = decode(binding, &framed[..end], &[]);
            assert_eq!(found, Err(ChunkFault::Truncated), "{mode:?} cut at {end} of {}", framed.len());
        }
    });
}

/// P1: the final chunk is what says that the body is whole.
#[test]
fn missing_final_chunk_is_refused() {
    each(|_, binding, framed| {
        let at = find(framed, "\r\n0") + 2;
        assert_eq!(decode(binding, &framed[..at], &[]), Err(ChunkFault::Truncated));
    });
}

/// P1: an announced length that is not the body's, either way, and of an empty body.
#[test]
fn other_length_than_announced_is_refused() {
    for location in [Header, Query] {
        for (announced, body) in [("20", "hello"), ("2", "hello"), ("20", ""), ("0", "hello")] {
            let headers = [("x-amz-decoded-content-length", announced)];
            for mode in Mode::ALL {
                let client = Client::default();
                let parts = client.request(location, "PUT", "/b/k", &headers, mode.token());
                let seed = signature_of(&parts);
                let seed = (mode != Mode::UnsignedChunksTrailer).then_some(seed.as_str());
                let framed = client.frame(body.as_bytes(), CHUNK, seed, None);
                let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
                let found = decode(&binding, &framed, &[]);
                assert_eq!(found, Err(ChunkFault::LengthMismatch), "{mode:?} {announced} {body}");
            }
        }
    }
}

/// Never a byte more than was announced, whatever the chunk line says: no memory bomb and no overrun.
#[test]
fn chunk_larger_than_announced_gives_no_payload() {
    let (parts, _) = upload(Header, Mode::UnsignedChunksTrailer, b"12345", CHUNK);
    let mut decoder = verify_at(&parts, SECRET, NOW).expect("accepted").decoder().expect("framed");
    let mut frame = Bytes::from_static(b"ffffffffffffffff\r\n12345678");
    assert_eq!(decoder.next_payload(&mut frame), Err(ChunkFault::LengthMismatch));
    assert_eq!(decoder.next_payload(&mut frame), Err(ChunkFault::LengthMismatch), "a fault stays");
    assert_eq!(decoder.finish(), Err(ChunkFault::LengthMismatch));
}

#[test]
fn only_the_last_chunk_may_be_small() {
    for mode in Mode::ALL {
        let (parts, framed) = upload(Header, mode, BODY, 8191);
        let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
        let found = decode(&binding, &framed, &[]);
        assert_eq!(found, Err(ChunkFault::ChunkTooSmall { chunk: 1, size: 8191 }), "{mode:?}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    each(|mode, binding, framed| {
        for garbage in ["x", "\r\n\r\n\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", &"x".repeat(100_000)] {
            let longer = [framed, garbage.as_bytes()].concat();
            assert!(decode(binding, &longer, &[]).is_err(), "{mode:?} {garbage}");
        }
    });
}

/// P1: a trailer that was announced and does not come would be a checksum that nobody checks.
#[test]
fn announced_trailer_must_come() {
    let (parts, framed) = upload(Header, Mode::UnsignedChunksTrailer, b"body", CHUNK);
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    let at = find(&framed, CHECKSUM.0);
    let without = [&framed[..at], b"\r\n"].concat();
    assert_eq!(decode(&binding, &without, &[]), Err(ChunkFault::MalformedTrailer));
    let other = String::from_utf8(framed).expect("text").replace("crc32:", "crc64nvme:");
    assert_eq!(decode(&binding, other.as_bytes(), &[]), Err(ChunkFault::MalformedTrailer));
}

#[test]
fn trailer_that_was_not_announced_is_refused() {
    let headers = [("x-amz-decoded-content-length", "4")];
    for mode in Mode::ALL {
        let client = Client::default();
        let parts = client.request(Header, "PUT", "/b/k", &headers, mode.token());
        let seed = signature_of(&parts);
        let seed = (mode != Mode::UnsignedChunksTrailer).then_some(seed.as_str());
        let framed = client.frame(b"body", CHUNK, seed, Some(CHECKSUM));
        let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
        assert_eq!(decode(&binding, &framed, &[]), Err(ChunkFault::MalformedTrailer), "{mode:?}");
    }
}

#[test]
fn signed_trailer_is_verified() {
    let (parts, framed) = upload(Header, Mode::SignedChunksTrailer, b"body", CHUNK);
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    let text = String::from_utf8(framed).expect("text");
    assert!(decode(&binding, text.as_bytes(), &[]).is_ok());
    let altered = text.replace("AAAAAA==", "BAAAAA==");
    assert_eq!(decode(&binding, altered.as_bytes(), &[]), Err(ChunkFault::SignatureMismatch));
    let at = text.find("x-amz-trailer-signature").expect("signed");
    let unsigned = format!("{}\r\n", &text[..at]);
    assert_eq!(decode(&binding, unsigned.as_bytes(), &[]), Err(ChunkFault::MalformedTrailer));
}

#[test]
fn framing_is_bounded() {
    let (parts, _) = upload(Header, Mode::UnsignedChunksTrailer, b"", CHUNK);
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    assert_eq!(decode(&binding, "0".repeat(1 << 20).as_bytes(), &[]), Err(ChunkFault::MalformedChunk));
    let endless = format!("0\r\nx-amz-checksum-crc32:{}", "A".repeat(1 << 20));
    assert_eq!(decode(&binding, endless.as_bytes(), &[]), Err(ChunkFault::MalformedTrailer));
}

#[test]
fn payload_must_end_where_its_line_says() {
    let (parts, _) = upload(Header, Mode::UnsignedChunksTrailer, b"12345", CHUNK);
    let binding = verify_at(&parts, SECRET, NOW).expect("accepted");
    for framed in ["5\r\n123456\r\n0\r\n\r\n", "5\r\n12345\n0\r\n\r\n", "5\r\n12345\rx0\r\n\r\n"] {
        assert_eq!(decode(&binding, framed.as_bytes(), &[]), Err(ChunkFault::MalformedChunk), "{framed:?}");
    }
}
