//! A client's body on its way in: read lazily, unframed where it is aws-chunked, and held against everything that the
//! client said of it, before anything is published.
//!
//! hyper sends `100 Continue` at the first poll. So [`Arriving`] is handed down unpolled, and whatever can be refused
//! without the body is refused before [`Upload`] reads from it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::timeout;

use crate::base::{ChecksumAlgorithm, Digest};
use crate::hashing::{DigestSet, Digests, Hasher};
use crate::objects::{BodyRefused, PlainSource};
use crate::s3::S3Fault;
use crate::s3::checksum::{BodyChecksum, BodyChecksums, parse_digest};
use crate::sigv4::{ChunkDecoder, ChunkFault, PayloadBinding};

use super::error::Failure;

/// How much of a refused body is read and thrown away, so that the connection lives on. What is longer costs the
/// connection; the listener then lingers, so that the answer still arrives.
const DRAIN_BYTES: u64 = 256 << 10;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Why a body is refused. `gateway/error` turns it into an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    /// The client went away, or its HTTP framing broke off. There is nobody to answer.
    #[error("the client broke its body off")]
    Gone,
    /// Nothing came for too long.
    #[error("the client sent nothing for too long")]
    Idle,
    /// Fewer or more bytes than announced.
    #[error("the body has another length than announced")]
    Length,
    /// The aws-chunked framing, a chunk's signature, or the trailer.
    #[error("the aws-chunked body is refused: {0}")]
    Chunks(#[from] ChunkFault),
    /// Not the SHA-256 in `x-amz-content-sha256`.
    #[error("the body does not have the SHA-256 that was signed")]
    Sha256 {
        /// What the client signed.
        declared: Digest,
        /// What came.
        computed: Digest,
    },
    /// Not the MD5 in `Content-MD5`.
    #[error("the body does not have its Content-MD5")]
    Md5,
    /// Not the checksum in the header or trailer.
    #[error("the body does not have its {}", .0.name())]
    Checksum(ChecksumAlgorithm),
    /// A trailer that is not base64 of the algorithm's length.
    #[error("the trailer {} is no value of its algorithm", .0.header())]
    TrailerValue(ChecksumAlgorithm),
}

type Incoming = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// A body that nobody has asked for yet.
pub(crate) struct Arriving {
    body: Incoming,
    content_length: Option<u64>,
    chunked: bool,
    expects_continue: bool,
    polled: bool,
    ended: bool,
    bytes_in: Arc<AtomicU64>,
    /// How long the client may send nothing. Counted per read, never for a whole body: large uploads over thin lines take
    /// hours.
    idle_timeout: Duration,
}

impl Arriving {
    /// Takes the body with what the request's head says about its length; polls nothing.
    pub(crate) fn new<B>(body: B, headers: &HeaderMap, bytes_in: Arc<AtomicU64>, idle_timeout: Duration) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let number = |value: &http::HeaderValue| value.to_str().ok()?.parse().ok();
        Self {
            ended: body.is_end_stream(),
            body: body.map_err(Into::into).boxed_unsync(),
            content_length: headers.get(CONTENT_LENGTH).and_then(number),
            chunked: headers.contains_key(TRANSFER_ENCODING),
            expects_continue: headers.contains_key(EXPECT),
            polled: false,
            bytes_in,
            idle_timeout,
        }
    }

    /// Content-Length and Transfer-Encoding together are how requests are smuggled past another proxy's eyes.
    pub(crate) const fn has_two_lengths(&self) -> bool {
        self.content_length.is_some() && self.chunked
    }

    /// Whether the client asked for `100 Continue` and never gets it: the body was not asked for, or there is none.
    /// botocore takes the final answer then, and misreads the next answer on the same connection (it shows up as
    /// KeyError 'ETag' in aws-cli v1, after the PUT of an empty object), so such an answer has to end its connection.
    pub(crate) fn leaves_client_waiting(&self) -> bool {
        self.expects_continue && (!self.polled || self.content_length == Some(0))
    }

    /// The length of the payload in bytes, from the framing's own announcement or from Content-Length.
    pub(crate) const fn payload_bytes(&self, binding: &PayloadBinding) -> Option<u64> {
        match binding.decoded_length() {
            Some(bytes) => Some(bytes),
            None => self.content_length,
        }
    }

    /// Begins to read the body as a client's upload of exactly `payload_bytes`.
    pub(crate) fn upload(
        &mut self,
        binding: &PayloadBinding,
        declared: BodyChecksums,
        payload_bytes: u64,
    ) -> Upload<'_> {
        let sha256 = match binding {
            PayloadBinding::Sha256(sha256) => Digest::new(ChecksumAlgorithm::Sha256, sha256),
            PayloadBinding::Unsigned
            | PayloadBinding::SignedChunks { .. }
            | PayloadBinding::SignedChunksTrailer { .. }
            | PayloadBinding::UnsignedChunksTrailer { .. } => None,
        };
        Upload {
            decoder: binding.decoder(),
            arriving: self,
            frame: Bytes::new(),
            left: payload_bytes,
            sha256,
            declared,
            trailer: None,
            fault: None,
        }
    }

    /// Reads a small body whole, an XML document, with the same proofs as an upload.
    pub(crate) async fn document(
        &mut self,
        binding: &PayloadBinding,
        declared: BodyChecksums,
        max_bytes: usize,
    ) -> Result<Bytes, Failure> {
        if self.chunked && self.content_length.is_none() && binding.decoded_length().is_none() {
            return Err(Failure::client(super::error::Code::MissingContentLength));
        }
        let payload_bytes = self.payload_bytes(binding).unwrap_or(0);
        if payload_bytes > max_bytes as u64 {
            return Err(S3Fault::XmlTooLong { max_bytes }.into());
        }
        let mut upload = self.upload(binding, declared, payload_bytes);
        match upload.collect().await {
            Ok(document) => Ok(document),
            Err(BodyRefused) => Err(upload.failure()),
        }
    }

    /// The next bytes, never empty.
    async fn frame(&mut self) -> Result<Option<Bytes>, BodyFault> {
        self.polled = true;
        loop {
            let frame = match timeout(self.idle_timeout, self.body.frame()).await {
                Err(_elapsed) => return Err(BodyFault::Idle),
                Ok(Some(Err(error))) => {
                    tracing::debug!(error = %error, "a client's body broke off");
                    self.ended = true;
                    return Err(BodyFault::Gone);
                }
                Ok(None) => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(Some(Ok(frame))) => frame,
            };
            // HTTP trailers are not aws-chunked's trailers; S3 knows none.
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                self.bytes_in.fetch_add(data.len() as u64, Ordering::Relaxed);
                return Ok(Some(data));
            }
        }
    }

    /// What is left of the body once the answer is known. A client that waits for `100 Continue` has sent nothing and
    /// never will; the rest of a refused body is thrown away in the background, up to a bound.
    pub(crate) fn settle(mut self) {
        if self.ended || self.leaves_client_waiting() {
            return;
        }
        tokio::spawn(timeout(DRAIN_TIME, async move {
            let mut drained = 0;
            while drained < DRAIN_BYTES {
                match self.frame().await {
                    Ok(Some(data)) => drained += data.len() as u64,
                    Ok(None) | Err(_) => return,
                }
            }
        }));
    }
}

/// A body that is being read, and that has to prove itself.
pub(crate) struct Upload<'a> {
    arriving: &'a mut Arriving,
    decoder: Option<ChunkDecoder>,
    frame: Bytes,
    /// Payload still to come.
    left: u64,
    sha256: Option<Digest>,
    declared: BodyChecksums,
    /// The verified trailer.
    trailer: Option<Digest>,
    fault: Option<BodyFault>,
}

impl Upload<'_> {
    /// Why the body was refused, as an answer. Ask after [`BodyRefused`].
    pub(crate) fn failure(self) -> Failure {
        self.fault.map_or_else(|| Failure::internal("a body was refused without a reason"), Failure::from)
    }

    async fn step(&mut self) -> Result<Option<Bytes>, BodyFault> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                if let Some(payload) = decoder.next_payload(&mut self.frame)? {
                    return self.counted(payload).map(Some);
                }
            } else if !self.frame.is_empty() {
                let payload = std::mem::take(&mut self.frame);
                return self.counted(payload).map(Some);
            }
            match self.arriving.frame().await? {
                Some(frame) => self.frame = frame,
                None => {
                    self.end()?;
                    return Ok(None);
                }
            }
        }
    }

    fn counted(&mut self, payload: Bytes) -> Result<Bytes, BodyFault> {
        self.left = self.left.checked_sub(payload.len() as u64).ok_or(BodyFault::Length)?;
        Ok(payload)
    }

    /// The framing is sound to its end, and the length is the announced one.
    fn end(&mut self) -> Result<(), BodyFault> {
        if let Some(decoder) = self.decoder.take() {
            let trailers = decoder.finish()?;
            if let Some((_, value)) = trailers.checksum()
                && let BodyChecksum::Trailer(algorithm) = self.declared.checksum
            {
                self.trailer = Some(parse_digest(algorithm, value).ok_or(BodyFault::TrailerValue(algorithm))?);
            }
        }
        if self.left == 0 { Ok(()) } else { Err(BodyFault::Length) }
    }

    /// Everything that the client said of its body, in S3's order of answers.
    fn check(&self, digests: &Digests) -> Result<(), BodyFault> {
        if self.declared.content_md5.is_some() && digests.md5() != self.declared.content_md5 {
            return Err(BodyFault::Md5);
        }
        let promised = match self.declared.checksum {
            BodyChecksum::None => None,
            BodyChecksum::Declared(digest) => Some(digest),
            // The decoder has seen to it that an announced trailer came; without framing none can come.
            BodyChecksum::Trailer(algorithm) => Some(self.trailer.ok_or(BodyFault::Checksum(algorithm))?),
        };
        if let Some(digest) = promised
            && digests.digest(digest.algorithm()) != Some(digest)
        {
            return Err(BodyFault::Checksum(digest.algorithm()));
        }
        match (self.sha256, digests.digest(ChecksumAlgorithm::Sha256)) {
            (Some(declared), Some(computed)) if declared != computed => Err(BodyFault::Sha256 { declared, computed }),
            (Some(_), Some(_)) | (None, _) => Ok(()),
            // Whoever hashes forgot what `wants` says: nothing is proved.
            (Some(declared), None) => Err(BodyFault::Sha256 { declared, computed: declared }),
        }
    }

    async fn collect(&mut self) -> Result<Bytes, BodyRefused> {
        let mut hasher = Hasher::new(self.wants());
        let mut document = Vec::new();
        while let Some(bytes) = self.next().await? {
            hasher.update(&bytes);
            document.extend_from_slice(&bytes);
        }
        self.verify(&hasher.finish())?;
        Ok(document.into())
    }

    fn refuse(&mut self, fault: BodyFault) -> BodyRefused {
        self.fault = Some(fault);
        BodyRefused
    }
}

#[async_trait]
impl PlainSource for Upload<'_> {
    fn wants(&self) -> DigestSet {
        let mut wanted = DigestSet::none();
        if self.declared.content_md5.is_some() {
            wanted = wanted.with_md5();
        }
        let checksums = [self.sha256.map(|digest| digest.algorithm()), self.declared.checksum.algorithm()];
        checksums.into_iter().flatten().fold(wanted, DigestSet::with)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyRefused> {
        self.step().await.map_err(|fault| self.refuse(fault))
    }

    fn verify(&mut self, digests: &Digests) -> Result<(), BodyRefused> {
        self.check(digests).map_err(|fault| self.refuse(fault))
    }
}
