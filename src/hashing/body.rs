//! The digests of a body that is being uploaded: checksums on the spot, the MD5 of a large body in lanes.

use bytes::Bytes;

use super::lanes::Md5Stream;
use super::{DigestSet, Digests, Hasher, LanesFailed, Md5Lanes};

/// A body of up to this many bytes is hashed where it arrives, about 90 us of work: handing it over and being woken
/// twice would cost as much as it saves.
const INLINE_BYTES: u64 = 64 << 10;

/// Computes a [`DigestSet`] over a body as it passes.
pub struct BodyHasher {
    inline: Hasher,
    md5: Option<Md5Stream>,
    /// Bytes that were handed over less those that were hashed here: 0 at the end, or the digests are of different bytes.
    ahead: i64,
}

impl BodyHasher {
    /// For a body of so many bytes.
    pub fn new(set: DigestSet, body_bytes: u64, lanes: &Md5Lanes) -> Self {
        if set.has_md5() && body_bytes > INLINE_BYTES {
            Self { inline: Hasher::new(set.without_md5()), md5: Some(lanes.open()), ahead: 0 }
        } else {
            Self { inline: Hasher::new(set), md5: None, ahead: 0 }
        }
    }

    /// Takes the next bytes of the body for what is hashed beside it; waits where that cannot follow. The same bytes go
    /// to [`BodyHasher::update`] too.
    pub async fn hand_over(&mut self, data: &Bytes) -> Result<(), LanesFailed> {
        self.ahead += data.len() as i64;
        match &mut self.md5 {
            Some(md5) => md5.push(data.clone()).await,
            None => Ok(()),
        }
    }

    /// Takes the next bytes for what is hashed on the spot: piece by piece, while each is in the processor's first cache.
    pub fn update(&mut self, piece: &[u8]) {
        self.ahead -= piece.len() as i64;
        self.inline.update(piece);
    }

    /// The digests of everything taken; an error where not the same bytes were handed over and hashed here.
    pub async fn finish(self) -> Result<Digests, LanesFailed> {
        if self.ahead != 0 {
            return Err(LanesFailed);
        }
        let mut digests = self.inline.finish();
        if let Some(md5) = self.md5 {
            digests.md5 = Some(md5.finish().await?);
        }
        Ok(digests)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{BodyHasher, INLINE_BYTES};
    use crate::base::ChecksumAlgorithm;
    use crate::hashing::{DigestSet, Hasher, Md5Lanes};

    #[tokio::test]
    async fn the_same_digests_inline_and_in_lanes() {
        let lanes = Md5Lanes::start(1).expect("starts");
        let set = DigestSet::none().with_md5().with(ChecksumAlgorithm::Crc64Nvme);
        for len in [0, INLINE_BYTES, INLINE_BYTES + 1] {
            let data: Bytes = (0..len).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
            let mut inline = Hasher::new(set);
            inline.update(&data);
            let inline = inline.finish();
            let mut body = BodyHasher::new(set, len, &lanes);
            assert_eq!(body.md5.is_some(), len > INLINE_BYTES);
            body.hand_over(&data).await.expect("taken");
            data.chunks(1000).for_each(|piece| body.update(piece));
            let digests = body.finish().await.expect("hashed");
            assert!(digests.md5().is_some() && digests.md5() == inline.md5());
            assert_eq!(digests.digest(ChecksumAlgorithm::Crc64Nvme), inline.digest(ChecksumAlgorithm::Crc64Nvme));
        }
    }

    #[tokio::test]
    async fn digests_of_different_bytes_are_none() {
        let lanes = Md5Lanes::start(1).expect("starts");
        for hashed in [0, 1, 3] {
            let mut body = BodyHasher::new(DigestSet::none().with_md5(), 1 << 20, &lanes);
            body.hand_over(&Bytes::from_static(b"ab")).await.expect("taken");
            body.update(&b"abc"[..hashed]);
            assert!(body.finish().await.is_err(), "{hashed}");
        }
    }

    #[tokio::test]
    async fn no_md5_where_none_is_asked_for() {
        let lanes = Md5Lanes::start(1).expect("starts");
        let body = BodyHasher::new(DigestSet::none(), 1 << 30, &lanes);
        assert!(body.md5.is_none());
        assert!(body.finish().await.expect("hashed").md5().is_none());
    }
}
