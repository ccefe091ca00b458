//! aws-chunked as the documentation has it, in pieces that a test can alter before they are written.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};

use super::sign::Credentials;

/// Large enough for S3's minimum of 8192 bytes for every chunk but the last, and no multiple of anything.
const CHUNK_BYTES: usize = 9001;

/// A body in chunks.
pub(crate) struct Chunked {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) trailers: Vec<(String, String)>,
    /// `x-amz-trailer-signature`.
    pub(crate) trailer_signature: Option<String>,
}

/// One chunk, with the length that it claims.
pub(crate) struct Chunk {
    pub(crate) length: usize,
    pub(crate) signature: Option<String>,
    pub(crate) data: Vec<u8>,
}

/// Whether chunks carry signatures.
#[derive(Clone, Copy)]
pub(crate) enum Chain<'a> {
    Unsigned,
    Signed { credentials: &'a Credentials, now: SystemTime, seed: &'a str },
}

impl Chunked {
    /// Splits `body`, signs, and ends with the chunk of length 0 and the trailers.
    pub(crate) fn encode(body: &[u8], trailers: &[(String, String)], chain: Chain<'_>) -> Self {
        let mut previous = match chain {
            Chain::Signed { seed, .. } => seed.to_owned(),
            Chain::Unsigned => String::new(),
        };
        let mut chunks = Vec::new();
        for data in body.chunks(CHUNK_BYTES).chain([&[][..]]) {
            let signature = match chain {
                Chain::Unsigned => None,
                Chain::Signed { credentials, now, .. } => {
                    let hashes = format!("{}\n{}", sha256(b""), sha256(data));
                    previous = credentials.sign_streamed("AWS4-HMAC-SHA256-PAYLOAD", now, &previous, &hashes);
                    Some(previous.clone())
                }
            };
            chunks.push(Chunk { length: data.len(), signature, data: data.to_vec() });
        }
        let trailer_signature = match chain {
            Chain::Signed { credentials, now, .. } if !trailers.is_empty() => {
                let text: String = trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
                let hash = sha256(text.as_bytes());
                Some(credentials.sign_streamed("AWS4-HMAC-SHA256-TRAILER", now, &previous, &hash))
            }
            Chain::Signed { .. } | Chain::Unsigned => None,
        };
        Self { chunks, trailers: trailers.to_vec(), trailer_signature }
    }

    /// As it goes over the wire.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in &self.chunks {
            let signature = chunk.signature.as_ref().map_or(String::new(), |s| format!(";chunk-signature={s}"));
            out.extend_from_slice(format!("{:x}{signature}\r\n", chunk.length).as_bytes());
            out.extend_from_slice(&chunk.data);
            // The last chunk has no data line of its own: the trailers, or the empty line, follow at once.
            if chunk.length > 0 {
                out.extend_from_slice(b"\r\n");
            }
        }
        if self.chunks.last().is_none_or(|chunk| chunk.length > 0) {
            return out;
        }
        for (name, value) in &self.trailers {
            out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        if let Some(signature) = &self.trailer_signature {
            out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// SHA-256 in hex.
pub(crate) fn sha256(data: &[u8]) -> String {
    hex::encode(digest(&SHA256, data))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Chain, Chunk, Chunked};
    use crate::harness::Credentials;

    /// The example of AWS, "Signature calculations for the Authorization header: transferring payload in multiple chunks".
    #[test]
    fn signatures_are_those_of_the_documentation() {
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let mut previous = seed.to_owned();
        for (length, expected) in [
            (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
            (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
            (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        ] {
            let hashes = format!("{}\n{}", super::sha256(b""), super::sha256(&vec![b'a'; length]));
            previous = credentials.sign_streamed("AWS4-HMAC-SHA256-PAYLOAD", now, &previous, &hashes);
            assert_eq!(previous, expected);
        }
    }

    #[test]
    fn frames_are_those_of_the_documentation() {
        let trailers = [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())];
        let mut chunked = Chunked::encode(b"hello", &trailers, Chain::Unsigned);
        assert_eq!(chunked.to_bytes(), b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
        chunked.chunks = vec![Chunk { length: 0, signature: Some("ab".to_owned()), data: Vec::new() }];
        chunked.trailers.clear();
        assert_eq!(chunked.to_bytes(), b"0;chunk-signature=ab\r\n\r\n");
    }
}
