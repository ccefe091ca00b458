//! What verifying costs: a head against the bare hash and HMAC that it cannot do without, and aws-chunked decoding per
//! byte against bare SHA-256. `cargo bench --bench sigv4`.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crypt_keeper::base::Timestamp;
use crypt_keeper::sigv4::{AuthKind, PayloadBinding, RegionPolicy, SigningKey};
use http::request::Parts;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOW: Timestamp = Timestamp::from_unix_seconds(1_369_353_600);
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const BODY_BYTES: usize = 8 << 20;
/// What the SDKs send.
const CHUNK_BYTES: usize = 64 << 10;
/// What hyper reads at once under load.
const FRAME_BYTES: usize = 128 << 10;

/// AWS's example "GET Object".
fn header_signed_get() -> Parts {
    http::Request::get("/test.txt")
        .header("host", "examplebucket.s3.amazonaws.com")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        )
        .header("range", "bytes=0-9")
        .header("x-amz-content-sha256", EMPTY_SHA256)
        .header("x-amz-date", "20130524T000000Z")
        .body(())
        .expect("a request")
        .into_parts()
        .0
}

/// AWS's example of a presigned URL.
fn presigned_get() -> Parts {
    http::Request::get(
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F\
         aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    )
    .header("host", "examplebucket.s3.amazonaws.com")
    .body(())
    .expect("a request")
    .into_parts()
    .0
}

/// From parsing to the verified binding, with a signing key that is at hand, as it is for every request but a day's first.
fn verify(parts: &Parts, key: &SigningKey) -> PayloadBinding {
    match AuthKind::of(parts).expect("sound") {
        AuthKind::Header(claim) | AuthKind::Presigned(claim) => {
            claim.admit(NOW, &RegionPolicy::Any).expect("timely").verify(key).expect("its sender's")
        }
        AuthKind::SigV2 | AuthKind::SigV4a | AuthKind::Anonymous => unreachable!("SigV4 requests only"),
    }
}

fn signing_key(parts: &Parts) -> SigningKey {
    match AuthKind::of(parts).expect("sound") {
        AuthKind::Header(claim) | AuthKind::Presigned(claim) => {
            let admitted = claim.admit(NOW, &RegionPolicy::Any).expect("timely");
            SigningKey::derive(SECRET, admitted.credential().scope())
        }
        AuthKind::SigV2 | AuthKind::SigV4a | AuthKind::Anonymous => unreachable!("SigV4 requests only"),
    }
}

fn heads(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    let header = header_signed_get();
    let key = signing_key(&header);
    // The canonical request of that example has 261 bytes, its string to sign 131.
    let (canonical, to_sign) = ([b'a'; 261], [b'a'; 131]);
    let bare = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    group.bench_function("bare_sha256_and_hmac", |b| {
        b.iter(|| {
            black_box(digest::digest(&digest::SHA256, black_box(&canonical)));
            black_box(hmac::sign(&bare, black_box(&to_sign)))
        });
    });
    group.bench_function("header_signed_get", |b| b.iter(|| verify(black_box(&header), &key)));
    let presigned = presigned_get();
    group.bench_function("presigned_get", |b| b.iter(|| verify(black_box(&presigned), &key)));
    group.bench_function("derive_signing_key", |b| b.iter(|| signing_key(black_box(&header))));
    group.finish();
}

/// A signed upload of `BODY_BYTES` in chunks: its head, and the frames of its body.
fn upload(token: &str) -> (Parts, Vec<Bytes>) {
    let length = BODY_BYTES.to_string();
    let signed_headers = "host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length";
    let canonical = format!(
        "PUT\n/b/k\n\nhost:h\nx-amz-content-sha256:{token}\nx-amz-date:20130524T000000Z\n\
         x-amz-decoded-content-length:{length}\n\n{signed_headers}\n{token}"
    );
    let key = signing_key(&header_signed_get());
    let scope = "20130524T000000Z\n20130524/us-east-1/s3/aws4_request";
    let seed = key.sign(&format!("AWS4-HMAC-SHA256\n{scope}\n{}", sha256(canonical.as_bytes()))).to_hex();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed_headers},Signature={seed}"
    );
    let parts = http::Request::put("/b/k")
        .header("host", "h")
        .header("authorization", authorization)
        .header("x-amz-content-sha256", token)
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-decoded-content-length", length)
        .body(())
        .expect("a request")
        .into_parts()
        .0;
    let (payload, mut previous, mut framed) = (vec![7; CHUNK_BYTES], seed, Vec::new());
    for at in 0..=BODY_BYTES / CHUNK_BYTES {
        let chunk = if at < BODY_BYTES / CHUNK_BYTES { payload.as_slice() } else { b"" };
        framed.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
        if token.starts_with("STREAMING-AWS4") {
            let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{scope}\n{previous}\n{EMPTY_SHA256}\n{}", sha256(chunk));
            previous = key.sign(&text).to_hex();
            framed.extend_from_slice(format!(";chunk-signature={previous}").as_bytes());
        }
        framed.extend_from_slice(b"\r\n");
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(if chunk.is_empty() { b"" } else { b"\r\n" });
    }
    framed.extend_from_slice(b"\r\n");
    (parts, framed.chunks(FRAME_BYTES).map(Bytes::copy_from_slice).collect())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn decode(binding: &PayloadBinding, frames: &[Bytes]) -> usize {
    let mut decoder = binding.decoder().expect("framed");
    let mut decoded = 0;
    for frame in frames {
        let mut frame = frame.clone();
        while let Some(payload) = decoder.next_payload(&mut frame).expect("sound") {
            decoded += payload.len();
        }
    }
    decoder.finish().expect("sound");
    decoded
}

fn bodies(c: &mut Criterion) {
    let mut group = c.benchmark_group("body_8MiB");
    group.throughput(Throughput::Bytes(BODY_BYTES as u64));
    let body = vec![7; BODY_BYTES];
    group.bench_function("bare_sha256", |b| b.iter(|| digest::digest(&digest::SHA256, black_box(&body))));
    for (name, token) in [
        ("signed_chunks", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("unsigned_chunks", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ] {
        let (parts, frames) = upload(token);
        let binding = verify(&parts, &signing_key(&parts));
        assert_eq!(decode(&binding, &frames), BODY_BYTES);
        group.bench_function(name, |b| b.iter(|| decode(&binding, black_box(&frames))));
    }
    group.finish();
}

criterion_group!(benches, heads, bodies);
criterion_main!(benches);
