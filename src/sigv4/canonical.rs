//! The canonical request: the bytes that a signature is over, whatever way the request was spelled.

use std::fmt;

use aws_lc_rs::digest;

/// One canonical request; Display is its text (header values that are no UTF-8 are shown with replacement characters,
/// the hash is over the bytes).
#[derive(Clone, Copy)]
pub struct CanonicalRequest<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// `name:value\n` for each signed header.
    pub(super) headers: &'a [u8],
    pub(super) signed_headers: &'a str,
    pub(super) payload: &'a str,
}

impl CanonicalRequest<'_> {
    fn lines(&self) -> [&[u8]; 6] {
        [
            self.method.as_bytes(),
            self.path.as_bytes(),
            self.query.as_bytes(),
            self.headers,
            self.signed_headers.as_bytes(),
            self.payload.as_bytes(),
        ]
    }

    /// What the string to sign ends with.
    pub fn sha256(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        for (at, line) in self.lines().into_iter().enumerate() {
            if at > 0 {
                context.update(b"\n");
            }
            context.update(line);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

impl fmt::Display for CanonicalRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.lines().join(&b'\n')))
    }
}
