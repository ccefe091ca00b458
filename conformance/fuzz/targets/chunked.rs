//! The aws-chunked framing.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

use crypt_keeper::sigv4::{ChunkFault, Credential, PayloadBinding, SigV4Fault, SigningKey, TrailerRule};

use super::request::head;
use super::sigv4::{SECRET, sign, verify};
use super::{Input, Outcome};

const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
const DATE: &str = "20130524T000000Z";
const TRAILER: (&str, &str) = ("x-amz-checksum-crc32c", "sOO8/Q==");

/// `length, trailer?, step, body`: however the bytes are cut into frames, the same comes out, and never more than was
/// announced.
pub(super) fn unsigned(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let (decoded_length, flags, step) = (u64::from(input.u16()), input.u8(), usize::from(input.u8()) + 1);
    let body = input.rest();
    let trailer = if flags & 1 == 0 { TrailerRule::None } else { TrailerRule::Checksum(TRAILER.0.to_owned()) };
    let binding = PayloadBinding::UnsignedChunksTrailer { decoded_length, trailer };
    let whole = decode(&binding, body, body.len().max(1));
    assert!(decode(&binding, body, step) == whole, "the frames change what is decoded");
    match whole {
        Ok(payload) => {
            assert_eq!(payload.len() as u64, decoded_length);
            Outcome::Accepted
        }
        Err((released, _)) => {
            assert!(released as u64 <= decoded_length, "more than was announced");
            Outcome::Refused
        }
    }
}

/// `modes, step, place, bits, last length, chunk lengths..`: a signed body as it should be is accepted, and with any bit
/// changed it is refused or says the same.
pub(super) fn signed(input: &[u8]) -> Outcome {
    let mut input = Input(input);
    let (modes, step, place, bits) = (input.u8(), usize::from(input.u16()) + 1, input.u16(), input.u8());
    let last = usize::from(input.u8());
    let lengths = input.rest().iter().take(4).map(|more| 8192 + usize::from(*more)).chain([last]);
    let mut payload: Vec<Vec<u8>> = Vec::new();
    for (at, length) in lengths.enumerate() {
        payload.push((0..length).map(|byte| (byte + at) as u8).collect());
    }
    payload.retain(|chunk| !chunk.is_empty());
    let total: usize = payload.iter().map(Vec::len).sum();
    let trailer = (modes & 1 != 0).then_some(TRAILER);
    let (binding, seed, key) = binding(total, trailer);
    let mut body = frame(&payload, trailer, seed, &key);
    let sound = decode(&binding, &body, step);
    assert!(sound == Ok(payload.concat()), "a sound body is refused: {:?}", sound.err());
    if bits != 0 {
        let place = usize::from(place) % body.len();
        body[place] ^= bits;
        if let Ok(changed) = decode(&binding, &body, step) {
            assert!(changed == payload.concat(), "byte {place} changed by {bits:#x} passes");
        }
    }
    Outcome::Accepted
}

/// The payload, or how much of it had come out before the fault.
fn decode(binding: &PayloadBinding, body: &[u8], step: usize) -> Result<Vec<u8>, (usize, ChunkFault)> {
    let mut decoder = binding.decoder().expect("framed");
    let mut payload = Vec::new();
    for frame in body.chunks(step) {
        let mut frame = Bytes::copy_from_slice(frame);
        loop {
            match decoder.next_payload(&mut frame) {
                Ok(Some(piece)) => payload.extend_from_slice(&piece),
                Ok(None) => break,
                Err(fault) => return Err((payload.len(), fault)),
            }
        }
    }
    match decoder.finish() {
        Ok(_) => Ok(payload),
        Err(fault) => Err((payload.len(), fault)),
    }
}

/// What a verified PUT promises of its body, with the signature that the chunks go on from and the key of both.
fn binding(length: usize, trailer: Option<(&str, &str)>) -> (PayloadBinding, String, SigningKey) {
    let token = if trailer.is_some() { "-TRAILER" } else { "" };
    let announced = trailer.map(|(name, _)| format!("x-amz-trailer: {name}\n")).unwrap_or_default();
    let names = if trailer.is_some() { ";x-amz-trailer" } else { "" };
    let text = format!(
        "PUT /bucket/key\nhost: localhost\nx-amz-date: {DATE}\n\
         x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD{token}\n\
         x-amz-decoded-content-length: {length}\n{announced}\
         authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{SCOPE},SignedHeaders=host;\
         x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length{names},Signature={}",
        "0".repeat(64)
    );
    let parts = head(text.as_bytes()).expect("a head");
    let Err(SigV4Fault::SignatureMismatch(shown)) = verify(&parts) else { panic!("signed with zeros") };
    let binding = sign(text.as_bytes(), &shown).expect("signed");
    let credential = Credential::parse(&format!("AKIAIOSFODNN7EXAMPLE/{SCOPE}")).expect("a credential");
    let key = SigningKey::derive(SECRET, credential.scope());
    let seed = key.sign(&shown.string_to_sign).to_hex();
    (binding, seed, key)
}

/// The body as a client frames and signs it.
fn frame(payload: &[Vec<u8>], trailer: Option<(&str, &str)>, seed: String, key: &SigningKey) -> Vec<u8> {
    let (mut body, mut previous) = (Vec::new(), seed);
    for chunk in payload.iter().map(Vec::as_slice).chain([&[][..]]) {
        previous = next(key, "PAYLOAD", &previous, &format!("{}\n{}", sha256(b""), sha256(chunk)));
        body.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        if !chunk.is_empty() {
            body.extend_from_slice(b"\r\n");
        }
    }
    if let Some((name, value)) = trailer {
        let signature = next(key, "TRAILER", &previous, &sha256(format!("{name}:{value}\n").as_bytes()));
        body.extend_from_slice(format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}

fn next(key: &SigningKey, of: &str, previous: &str, hashes: &str) -> String {
    key.sign(&format!("AWS4-HMAC-SHA256-{of}\n{DATE}\n{SCOPE}\n{previous}\n{hashes}")).to_hex()
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
