//! The operating system's randomness. Pure modules (envelope, sigv4, s3) never call this: they are handed bytes.

/// `N` random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: going on would mean keys that can be guessed.
#[expect(clippy::expect_used, reason = "without randomness no key may be made; there is nothing to fall back to")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).expect("the operating system's random generator answers");
    out
}
