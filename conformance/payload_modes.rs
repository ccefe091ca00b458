//! Every payload mode, in both places of a signature, with every fault: the right refusal, and nothing stored.
//!
//! The payload mode chooses only how the body is hashed; whoever skips the signature, or commits before the body is
//! proved, is caught here. Others were: CVE-2025-31489, CVE-2026-40344, trinodb/aws-proxy#102, gaul/s3proxy 5f34b480.

use crate::harness::chunked::Chunk;
use crate::harness::reply::exchange;
use crate::harness::request::{Body, Framing, Prepared};
use crate::harness::{Auth, Payload, Reply, Request, Server, bytes, crc32_base64};

const PLACES: [Auth; 2] = [Auth::Header, Auth::Presigned { expires_seconds: 60 }];

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    WrongSecret,
    /// A byte of the payload differs from what was signed or summed.
    AlteredBody,
    /// A chunk's signature, or where there is none its length, is altered.
    AlteredChunk,
    /// The connection ends in the middle of the body.
    CutBody,
    /// The trailer's checksum is not the body's; its signature is right.
    WrongTrailer,
    /// The trailer was altered after it was signed.
    AlteredTrailer,
    /// Another trailer than the announced one.
    OtherTrailer,
    /// All the data, but not the chunk of length 0.
    MissingFinalChunk,
    /// A byte more than was announced.
    TooLong,
    /// A byte less than was announced.
    TooShort,
}

impl Fault {
    const ALL: [Self; 10] = [
        Self::WrongSecret,
        Self::AlteredBody,
        Self::AlteredChunk,
        Self::CutBody,
        Self::WrongTrailer,
        Self::AlteredTrailer,
        Self::OtherTrailer,
        Self::MissingFinalChunk,
        Self::TooLong,
        Self::TooShort,
    ];

    fn applies_to(self, mode: Payload) -> bool {
        match self {
            Self::WrongSecret | Self::AlteredBody | Self::CutBody | Self::TooLong | Self::TooShort => true,
            Self::AlteredChunk | Self::MissingFinalChunk => mode.is_chunked(),
            Self::WrongTrailer | Self::AlteredTrailer | Self::OtherTrailer => mode.has_trailer(),
        }
    }

    /// The answers that say what is wrong; empty where the connection may also just end.
    fn expected(self, mode: Payload) -> &'static [(u16, &'static str)] {
        let unframed = match mode {
            Payload::Sha256 => &[(400, "XAmzContentSHA256Mismatch")][..],
            _ => &[(400, "BadDigest")],
        };
        match self {
            Self::WrongSecret => &[(403, "SignatureDoesNotMatch")],
            Self::AlteredBody if mode.has_signed_chunks() => &[(403, "SignatureDoesNotMatch")],
            Self::AlteredBody => unframed,
            Self::AlteredChunk if mode.has_signed_chunks() => &[(403, "SignatureDoesNotMatch")],
            Self::AlteredChunk => &[(400, "IncompleteBody"), (400, "InvalidRequest"), (400, "MalformedTrailerError")],
            Self::CutBody => &[(400, "IncompleteBody"), (400, "RequestTimeout")],
            Self::WrongTrailer => &[(400, "BadDigest")],
            Self::AlteredTrailer if mode.has_signed_chunks() => &[(403, "SignatureDoesNotMatch")],
            Self::AlteredTrailer => &[(400, "BadDigest")],
            Self::OtherTrailer if mode.has_signed_chunks() => {
                &[(400, "MalformedTrailerError"), (403, "SignatureDoesNotMatch")]
            }
            Self::OtherTrailer => &[(400, "MalformedTrailerError")],
            Self::MissingFinalChunk => &[(400, "IncompleteBody")],
            Self::TooLong | Self::TooShort if mode.is_chunked() => &[(400, "IncompleteBody")],
            Self::TooLong | Self::TooShort => unframed,
        }
    }

    /// A PUT of `body` with this fault, ready to be sent.
    fn apply(self, server: &Server, request: Request, mode: Payload, body: &[u8]) -> Prepared {
        let mut request = request.payload(mode).body(body);
        if mode == Payload::Unsigned {
            // Without a checksum nothing would say that the body is another one.
            request = request.header("x-amz-checksum-crc32", &crc32_base64(body));
        }
        match self {
            Self::WrongTrailer => request = request.trailers(&[("x-amz-checksum-crc32", &crc32_base64(b"other"))]),
            Self::TooLong if mode.is_chunked() => {
                request = request.header("x-amz-decoded-content-length", &(body.len() - 1).to_string());
            }
            Self::TooShort if mode.is_chunked() => {
                request = request.header("x-amz-decoded-content-length", &(body.len() + 1).to_string());
            }
            _ => {}
        }
        let root = server.root();
        let signer = if self == Self::WrongSecret { root.with_secret("wrong") } else { root.clone() };
        let mut prepared = request.prepare(&signer, server.address());
        match (&mut prepared.body, self) {
            (Body::Plain(data), Self::AlteredBody) => data[0] ^= 1,
            (Body::Plain(data), Self::TooLong) => data.push(0),
            (Body::Plain(data), Self::TooShort) => {
                data.pop();
            }
            (Body::Chunked(chunked), Self::AlteredBody) => chunked.chunks[0].data[0] ^= 1,
            (Body::Chunked(chunked), Self::AlteredChunk) => match &mut chunked.chunks[1].signature {
                Some(signature) => flip_hex(signature),
                None => chunked.chunks[1].length += 1,
            },
            (Body::Chunked(chunked), Self::MissingFinalChunk) => {
                chunked.chunks.pop();
            }
            (Body::Chunked(chunked), Self::AlteredTrailer) => chunked.trailers[0].1 = crc32_base64(b"other"),
            (Body::Chunked(chunked), Self::OtherTrailer) => chunked.trailers[0].0 = "x-amz-checksum-crc32c".to_owned(),
            _ => {}
        }
        prepared
    }
}

fn flip_hex(text: &mut String) {
    let flipped = if text.ends_with('0') { "1" } else { "0" };
    text.replace_range(text.len() - 1.., flipped);
}

fn send(server: &Server, prepared: &Prepared, fault: Fault) -> Option<Reply> {
    let mut wire = prepared.to_bytes();
    if fault == Fault::CutBody {
        wire.truncate(wire.len() - 5000);
    }
    exchange(server.address(), &wire, true)
}

/// Runs `check` for every place, mode and fault, and shows all that went wrong at once.
fn for_every_fault(mut check: impl FnMut(Auth, Payload, Fault) -> Result<(), String>) {
    let mut wrong = Vec::new();
    for place in PLACES {
        for mode in Payload::ALL {
            for fault in Fault::ALL.into_iter().filter(|fault| fault.applies_to(mode)) {
                if let Err(why) = check(place, mode, fault) {
                    wrong.push(format!("{place:?} {mode:?} {fault:?}: {why}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn judge(reply: Option<&Reply>, mode: Payload, fault: Fault) -> Result<(), String> {
    let Some(reply) = reply else {
        // Whoever cuts a body off may find nobody to talk to; every other fault gets an answer.
        return if fault == Fault::CutBody { Ok(()) } else { Err("no answer".to_owned()) };
    };
    let code = reply.xml("Code").unwrap_or_default();
    let known = fault.expected(mode).contains(&(reply.status, code.as_str()));
    if known { Ok(()) } else { Err(format!("answered {} {code}", reply.status)) }
}

#[test]
fn put_object_with_any_fault_stores_nothing() {
    let server = Server::with_bucket("modes");
    let body = bytes(1, 20_000);
    for_every_fault(|place, mode, fault| {
        let path = format!("/modes/{place:?}-{mode:?}-{fault:?}");
        let prepared = fault.apply(&server, Request::put(&path, "").auth(place), mode, &body);
        judge(send(&server, &prepared, fault).as_ref(), mode, fault)?;
        let after = server.send(&Request::head(&path)).status;
        if after == 404 { Ok(()) } else { Err(format!("HEAD answers {after}: something was stored")) }
    });
    let listed = server.send(&Request::get("/modes").query("list-type", "2"));
    assert_eq!(listed.xml("KeyCount").as_deref(), Some("0"), "{}", listed.text());
}

#[test]
fn put_object_with_any_fault_leaves_the_old_object_whole() {
    let server = Server::with_bucket("modes");
    let (old, new) = (bytes(1, 20_000), bytes(2, 20_000));
    server.put("/modes/k", &old);
    for_every_fault(|place, mode, fault| {
        let prepared = fault.apply(&server, Request::put("/modes/k", "").auth(place), mode, &new);
        judge(send(&server, &prepared, fault).as_ref(), mode, fault)?;
        let after = server.send(&Request::get("/modes/k"));
        if after.status == 200 && after.body == old { Ok(()) } else { Err("the old object is gone".to_owned()) }
    });
}

#[test]
fn upload_part_with_any_fault_stores_no_part() {
    let server = Server::with_bucket("modes");
    let body = bytes(3, 20_000);
    let created = server.send(&Request::post("/modes/k", "").query("uploads", ""));
    let upload = created.assert_status(200).xml("UploadId").expect("an upload id");
    for_every_fault(|place, mode, fault| {
        let part = Request::put("/modes/k", "").query("partNumber", "1").query("uploadId", &upload).auth(place);
        let prepared = fault.apply(&server, part, mode, &body);
        judge(send(&server, &prepared, fault).as_ref(), mode, fault)?;
        let parts = server.send(&Request::get("/modes/k").query("uploadId", &upload));
        let found = parts.assert_status(200).xml_all("PartNumber").len();
        if found == 0 { Ok(()) } else { Err("ListParts shows a part".to_owned()) }
    });
}

/// Without faults all of it goes through, or the refusals above would prove nothing.
#[test]
fn every_mode_stores_the_payload_and_not_its_framing() {
    let server = Server::with_bucket("modes");
    for place in PLACES {
        for mode in Payload::ALL {
            for size in [0, 1, 9001, 16_384, 100_000] {
                let body = bytes(size as u64, size);
                let request = Request::put("/modes/k", body.clone()).auth(place).payload(mode);
                let put = server.send(&request);
                assert_eq!(put.status, 200, "{place:?} {mode:?} {size}: {}", put.text());
                let got = server.send(&Request::get("/modes/k"));
                assert!(got.body == body, "{place:?} {mode:?} {size}: other bytes");
                assert_eq!(got.header("content-encoding"), None, "aws-chunked is not the object's");
            }
        }
    }
}

/// `aws-chunked,gzip` is framing around an object that is gzip.
#[test]
fn only_the_aws_chunked_token_is_stripped() {
    let server = Server::with_bucket("modes");
    let put = Request::put("/modes/k", "zipped")
        .header("content-encoding", "aws-chunked,gzip")
        .payload(Payload::UnsignedChunksTrailer);
    server.send(&put).assert_status(200);
    assert_eq!(server.send(&Request::head("/modes/k")).header("content-encoding"), Some("gzip"));
}

/// minio-go never sends `Content-Encoding: aws-chunked`: framing is told by x-amz-content-sha256 alone.
#[test]
fn framing_is_told_by_the_payload_token() {
    let server = Server::with_bucket("modes");
    let body = bytes(1, 9000);
    let silent = Request::put("/modes/framed", body.clone()).payload(Payload::SignedChunks).framing(Framing::Silent);
    server.send(&silent).assert_status(200);
    server.assert_holds("/modes/framed", &body);
    let unframed = Request::put("/modes/k", "5\r\nhello\r\n0\r\n\r\n").header("content-encoding", "aws-chunked");
    server.send(&unframed.payload(Payload::Unsigned)).assert_error(400, "InvalidArgument");
    server.assert_absent("/modes/k");
}

/// Inside HTTP's own chunked encoding, without Content-Length, as botocore sends it.
#[test]
fn aws_chunked_inside_transfer_encoding_chunked() {
    let server = Server::with_bucket("modes");
    let body = bytes(4, 30_000);
    let request = Request::put("/modes/k", body.clone()).payload(Payload::UnsignedChunksTrailer);
    let mut prepared = request.prepare(server.root(), server.address());
    let Body::Chunked(chunked) = &prepared.body else { panic!("a chunked body") };
    let framed = chunked.to_bytes();
    let mut twice = Vec::new();
    for piece in framed.chunks(7000) {
        twice.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        twice.extend_from_slice(piece);
        twice.extend_from_slice(b"\r\n");
    }
    twice.extend_from_slice(b"0\r\n\r\n");
    prepared.headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
    prepared.body = Body::Plain(twice);
    server.send_prepared(&prepared).assert_status(200);
    server.assert_holds("/modes/k", &body);
}

/// S3 wants at least 8192 bytes in every chunk but the last.
#[test]
fn small_chunk_before_the_last_is_refused() {
    let server = Server::with_bucket("modes");
    let request = Request::put("/modes/k", bytes(1, 9000)).payload(Payload::UnsignedChunksTrailer);
    let mut prepared = request.prepare(server.root(), server.address());
    let Body::Chunked(chunked) = &mut prepared.body else { panic!("a chunked body") };
    let tail = chunked.chunks[0].data.split_off(100);
    chunked.chunks[0].length = 100;
    chunked.chunks.insert(1, Chunk { length: tail.len(), signature: None, data: tail });
    server.send_prepared(&prepared).assert_error(400, "InvalidChunkSizeError");
    server.assert_absent("/modes/k");
}

/// A chunk that claims four gigabytes costs no memory, and its end never comes.
#[test]
fn chunk_may_claim_more_than_it_has() {
    let server = Server::with_bucket("modes");
    let request = Request::put("/modes/k", bytes(1, 9000)).payload(Payload::UnsignedChunksTrailer);
    let mut prepared = request.prepare(server.root(), server.address());
    let Body::Chunked(chunked) = &mut prepared.body else { panic!("a chunked body") };
    chunked.chunks[0].length = 0xFFFF_FFFF;
    server.send_prepared(&prepared).assert_error(400, "IncompleteBody");
    server.assert_absent("/modes/k");
}

/// With a TRAILER token and no trailer at all S3 takes the object and computes CRC64NVME itself.
#[test]
fn trailer_token_without_a_trailer_is_accepted() {
    let server = Server::with_bucket("modes");
    let put = Request::put("/modes/k", "123456789").payload(Payload::UnsignedChunksTrailer).trailers(&[]);
    server.send(&put).assert_status(200);
    let head = server.send(&Request::head("/modes/k").header("x-amz-checksum-mode", "ENABLED"));
    // The check value of CRC-64/NVME: ae8b14860a799888.
    assert_eq!(head.header("x-amz-checksum-crc64nvme"), Some("rosUhgp5mIg="));
}
