//! What is asked of each contender, by several streams at once.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Client, Endpoint, Payload, Request};
use crate::null_backend::SWALLOWED;
use crate::sign::Signer;

/// The large object.
pub(crate) const LARGE_BYTES: usize = 64 << 20;
/// The object that ranges are read out of.
pub(crate) const HUGE_BYTES: usize = 512 << 20;
/// The small object.
pub(crate) const SMALL_BYTES: usize = 1 << 10;
/// A range.
pub(crate) const RANGE_BYTES: usize = 64 << 10;
/// Objects on a page of a listing.
pub(crate) const LISTED: usize = 1000;
/// The parts of a multipart upload: the default of many SDKs, and of s5cmd's order of size.
const PART_BYTES: usize = 16 << 20;
/// What the SDKs send at once.
const CHUNK_BYTES: usize = 64 << 10;
/// More small objects than this are put over the first ones.
const SMALL_KEYS: usize = 10_000;

/// Where the objects that are read lie. The proxies without keys of their own read what Crypt-Keeper stored.
pub(crate) const READ_BUCKET: &str = "md5";
const LARGE_KEY: &str = "keep/large";
const HUGE_KEY: &str = "keep/huge";
const LIST_PREFIX: &str = "keep/list/";
const LIST_QUERY: &str = "list-type=2&prefix=keep%2Flist%2F";

/// What one request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// PutObject of 64 MiB.
    PutLarge(Proof),
    /// GetObject of 64 MiB.
    GetLarge,
    /// PutObject of 1 KiB.
    PutSmall,
    /// GetObject of 1 KiB.
    GetSmall,
    /// 64 KiB out of 512 MiB.
    GetRange,
    /// A part of one multipart upload of 512 MiB, which is begun before them and completed after them.
    PutPart,
    /// ListObjectsV2 of 1,000 keys.
    List,
    /// ListObjectsV2 of the 10 common prefixes of a million keys.
    ListPrefixes,
}

/// What a client says of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// UNSIGNED-PAYLOAD.
    Nothing,
    /// Its SHA-256, signed.
    Sha256,
    /// CRC32 in an unsigned trailer.
    Trailer,
}

/// A contender in a run: where requests go, and where what is put goes.
pub(crate) struct Target<'a> {
    /// Who is asked.
    pub(crate) endpoint: &'a Endpoint,
    /// The bucket for PUTs.
    pub(crate) bucket: &'a str,
}

/// Everything that is sent, made once.
pub(crate) struct Load {
    signer: Signer,
    plain: Vec<u8>,
    sha256: String,
    framed: Vec<u8>,
    counter: AtomicUsize,
}

impl Load {
    /// Bytes that do not repeat within a segment.
    pub(crate) fn new(signer: Signer) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut plain = Vec::with_capacity(LARGE_BYTES);
        while plain.len() < LARGE_BYTES {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            plain.extend_from_slice(&state.to_be_bytes());
        }
        let sha256 = hex::encode(digest::digest(&digest::SHA256, &plain));
        let mut framed = Vec::with_capacity(LARGE_BYTES + (LARGE_BYTES / CHUNK_BYTES + 1) * 16);
        for chunk in plain.chunks(CHUNK_BYTES) {
            write!(framed, "{:x}\r\n", chunk.len()).expect("room");
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &plain);
        let crc = STANDARD.encode(u32::try_from(crc).expect("32 bits").to_be_bytes());
        write!(framed, "0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n").expect("room");
        Self { signer, plain, sha256, framed, counter: AtomicUsize::new(0) }
    }

    /// The bytes of the large object.
    pub(crate) fn large(&self) -> &[u8] {
        &self.plain
    }

    /// A connection of its own.
    pub(crate) fn connect(&self, endpoint: &Endpoint) -> Client {
        Client::connect(endpoint, &self.signer).expect("a connection")
    }

    /// Makes the objects that are read, through the proxy that encrypts them, and sees that they are whole.
    pub(crate) fn prepare(&self, proxy: &Endpoint) {
        let mut client = self.connect(proxy);
        let large = format!("/{READ_BUCKET}/{LARGE_KEY}");
        client.expect(&Request::put(&large, Payload::Unsigned(&self.plain)));
        for number in 0..LISTED {
            client.expect(&Request::put(&small_path(number), Payload::Unsigned(&self.plain[..SMALL_BYTES])));
        }
        let target = Target { endpoint: proxy, bucket: READ_BUCKET };
        self.upload(&target, HUGE_KEY, 1, HUGE_BYTES / PART_BYTES);
        let mut at = 0;
        let answer = client.send(&Request::bare("GET", &large, ""), |bytes| {
            assert!(self.plain[at..].starts_with(bytes), "the object came back changed");
            at += bytes.len();
        });
        assert_eq!(answer.expect("an answer").status, 200);
        assert_eq!(at, LARGE_BYTES, "the object came back cut");
        let listed = client.expect(&Request::bare("GET", &format!("/{READ_BUCKET}"), LIST_QUERY));
        assert_eq!(listed.matches("<Key>").count(), LISTED);
    }

    /// Runs `requests` requests over `streams` connections; the time from the first byte to the last.
    pub(crate) fn run(&self, work: Work, target: &Target<'_>, streams: usize, requests: usize) -> Duration {
        let begun = Instant::now();
        match work {
            Work::PutPart => self.upload(target, &format!("{SWALLOWED}parts"), streams, requests),
            work => self.each(target.endpoint, streams, requests, |client, stream, _| {
                self.one(work, target, client, stream);
            }),
        }
        begun.elapsed()
    }

    /// Calls `step` for every number below `requests` with a connection and the number of its stream.
    fn each(
        &self,
        endpoint: &Endpoint,
        streams: usize,
        requests: usize,
        step: impl Fn(&mut Client, usize, usize) + Sync,
    ) {
        let (next, step) = (AtomicUsize::new(0), &step);
        thread::scope(|scope| {
            for stream in 0..streams {
                let next = &next;
                scope.spawn(move || {
                    let mut client = self.connect(endpoint);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= requests {
                            return;
                        }
                        step(&mut client, stream, number);
                    }
                });
            }
        });
    }

    fn one(&self, work: Work, target: &Target<'_>, client: &mut Client, stream: usize) {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let bucket = target.bucket;
        let (path, query, payload, range, expected): (String, _, _, _, u64) = match work {
            Work::PutLarge(proof) => {
                let payload = match proof {
                    Proof::Nothing => Payload::Unsigned(&self.plain),
                    Proof::Sha256 => Payload::Sha256(&self.plain, &self.sha256),
                    Proof::Trailer => Payload::Trailer { framed: &self.framed, decoded_bytes: self.plain.len() },
                };
                (format!("/{bucket}/{SWALLOWED}large-{stream}"), "", payload, None, 0)
            }
            Work::PutSmall => {
                let path = format!("/{bucket}/{SWALLOWED}small/{:05}", number % SMALL_KEYS);
                (path, "", Payload::Unsigned(&self.plain[..SMALL_BYTES]), None, 0)
            }
            Work::GetLarge => (format!("/{READ_BUCKET}/{LARGE_KEY}"), "", Payload::Empty, None, LARGE_BYTES as u64),
            Work::GetSmall => (small_path(number % LISTED), "", Payload::Empty, None, SMALL_BYTES as u64),
            Work::GetRange => {
                // All over the object, and nowhere on a segment's edge.
                let places = (HUGE_BYTES - RANGE_BYTES) as u64;
                let first = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % places;
                let range = Some((first, first + RANGE_BYTES as u64 - 1));
                (format!("/{READ_BUCKET}/{HUGE_KEY}"), "", Payload::Empty, range, RANGE_BYTES as u64)
            }
            Work::List => (format!("/{READ_BUCKET}"), LIST_QUERY, Payload::Empty, None, LISTED as u64),
            Work::ListPrefixes => (format!("/{bucket}"), "delimiter=%2F&list-type=2", Payload::Empty, None, 0),
            Work::PutPart => unreachable!("parts go by upload()"),
        };
        let method = if matches!(payload, Payload::Empty) { "GET" } else { "PUT" };
        let answer = client.send(&Request { method, path: &path, query, range, payload }, |_| {}).expect("an answer");
        let wanted = if range.is_some() { 206 } else { 200 };
        assert_eq!(answer.status, wanted, "{method} {path}");
        assert!(answer.body_bytes >= expected, "{method} {path}: {} bytes", answer.body_bytes);
    }

    /// A whole multipart upload.
    fn upload(&self, target: &Target<'_>, key: &str, streams: usize, parts: usize) {
        let path = format!("/{}/{key}", target.bucket);
        let mut client = self.connect(target.endpoint);
        let begun = client.expect(&Request::bare("POST", &path, "uploads="));
        let id = begun.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once('<')).expect("an upload").0;
        let etags = Mutex::new(vec![String::new(); parts]);
        self.each(target.endpoint, streams, parts, |client, _, number| {
            let query = format!("partNumber={}&uploadId={id}", number + 1);
            let at = (number * PART_BYTES) % LARGE_BYTES;
            let payload = Payload::Unsigned(&self.plain[at..at + PART_BYTES]);
            let request = Request { method: "PUT", path: &path, query: &query, range: None, payload };
            let answer = client.send(&request, |_| {}).expect("an answer");
            assert_eq!(answer.status, 200, "a part");
            etags.lock().expect("a lock")[number] = answer.etag.expect("an ETag");
        });
        let etags = etags.into_inner().expect("a lock");
        let part = |(number, etag): (usize, &String)| {
            format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", number + 1)
        };
        let xml: String = etags.iter().enumerate().map(part).collect();
        let xml = format!("<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>");
        let query = format!("uploadId={id}");
        let payload = Payload::Unsigned(xml.as_bytes());
        let answer = client.expect(&Request { method: "POST", path: &path, query: &query, range: None, payload });
        assert!(answer.contains("CompleteMultipartUploadResult"), "{answer}");
    }
}

fn small_path(number: usize) -> String {
    format!("/{READ_BUCKET}/{LIST_PREFIX}object-{number:06}")
}
