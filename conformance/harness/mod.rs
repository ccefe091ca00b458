//! Crypt-Keeper from outside: the real binary as a process, and requests that no SDK would send.
//!
//! Nothing here comes from the library under test. Signatures are made by the `aws-sigv4` crate, the wire is written
//! byte by byte, so a test can alter, cut or leave out anything between the signature and the socket.

pub(crate) mod chunked;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod server;
pub(crate) mod sign;

pub(crate) use relay::{Fault, Relay};
pub(crate) use reply::Reply;
pub(crate) use request::{Payload, Request};
pub(crate) use server::Server;
pub(crate) use sign::{Auth, Credentials};

/// `length` bytes that do not compress and differ with `seed`: xorshift64*, so that tests need no generator.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        out.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    out.truncate(length);
    out
}

/// The MD5 of `data` as S3 shows it: quoted hex.
pub(crate) fn etag(data: &[u8]) -> String {
    format!("\"{}\"", md5_hex(data))
}

/// The MD5 of `data` in hex.
pub(crate) fn md5_hex(data: &[u8]) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(data))
}

/// The CRC32 of `data` as checksum headers have it: base64 of four bytes, big-endian.
pub(crate) fn crc32_base64(data: &[u8]) -> String {
    use base64::Engine;
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, data);
    base64::engine::general_purpose::STANDARD.encode((sum as u32).to_be_bytes())
}
