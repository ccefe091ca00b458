//! Plaintext in, ciphertext out: the body that the upstream pulls while an object or a part is written.
//!
//! One pass hashes and seals. The last segment of the last part, and the footer behind it, come out only after
//! [`PlainSource::verify`] has agreed: a bad body never becomes an object or a part.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Buf, Bytes};

use crate::base::random;
use crate::envelope::part::MIN_SEAL_BUFFER_BYTES;
use crate::envelope::{BodyKeys, PartSealer, Salt, SealError, SealedPart};
use crate::hashing::{BodyHasher, DigestSet, Digests, Md5Lanes};
use crate::keys::UnwrappedDek;
use crate::upstream::{BodyAborted, BodySource};

use super::error::ObjectError;
use super::source::{BodyRefused, PlainSource};

/// One part of the body to come.
#[derive(Clone, Copy)]
pub(super) struct PartPlan {
    /// 0 for an object that is put whole.
    pub(super) number: u16,
    /// Exactly how much of the plaintext it takes.
    pub(super) plaintext_bytes: u64,
}

/// What the sealing of a body found out.
pub(super) struct Sealed {
    /// One entry per [`PartPlan`].
    pub(super) parts: Vec<SealedPart>,
    /// Of the whole plaintext, the set that was asked for and what the source wanted.
    pub(super) digests: Digests,
}

/// Makes M || T once everything is known. Its length was promised before.
pub(super) type FooterMaker<'a> = Box<dyn FnOnce(&Sealed) -> Result<Vec<u8>, ObjectError> + Send + 'a>;

/// Hears what was sealed before the last of it is released: what it notes down is there whatever becomes of the answer.
/// Its error refuses the body.
#[async_trait]
pub(super) trait BeforeEnd: Send {
    /// Everything is verified, and the last segment is held.
    async fn sealed(&mut self, sealed: &Sealed) -> Result<(), ObjectError>;
}

/// Seals a [`PlainSource`] part by part; afterwards [`SealingSource::finish`] tells how it went.
pub(super) struct SealingSource<'a> {
    plain: &'a mut dyn PlainSource,
    dek: Arc<UnwrappedDek>,
    first_salt: Salt,
    plan: std::vec::IntoIter<PartPlan>,
    current: Option<(PartSealer, u64)>,
    pending: Bytes,
    hasher: Option<BodyHasher>,
    sealed: Vec<SealedPart>,
    footer: Option<FooterMaker<'a>>,
    before_end: Option<&'a mut dyn BeforeEnd>,
    tail: Bytes,
    outcome: Option<Result<Sealed, ObjectError>>,
}

impl<'a> SealingSource<'a> {
    /// A body of the planned parts, and behind them what `footer` makes.
    pub(super) fn new(
        plain: &'a mut dyn PlainSource,
        dek: Arc<UnwrappedDek>,
        plan: Vec<PartPlan>,
        digests: DigestSet,
        lanes: &Md5Lanes,
        footer: Option<FooterMaker<'a>>,
    ) -> Result<Self, SealError> {
        // Lengths beyond the format's limits were refused before; a wrong sum only chooses where MD5 is made.
        let body_bytes = plan.iter().fold(0, |sum: u64, part| sum.saturating_add(part.plaintext_bytes));
        let hasher = BodyHasher::new(digests.and(plain.wants()), body_bytes, lanes);
        let mut plan = plan.into_iter();
        let first_salt = random::bytes();
        let current = plan.next().map(|part| start(dek.keys(), part, first_salt)).transpose()?;
        Ok(Self {
            plain,
            dek,
            first_salt,
            plan,
            current,
            pending: Bytes::new(),
            hasher: Some(hasher),
            sealed: Vec::new(),
            footer,
            before_end: None,
            tail: Bytes::new(),
            outcome: None,
        })
    }

    /// With somebody who hears of the end before it goes out.
    pub(super) fn before_end(mut self, hears: &'a mut dyn BeforeEnd) -> Self {
        self.before_end = Some(hears);
        self
    }

    /// The salt of the first part.
    pub(super) fn first_salt(&self) -> Salt {
        self.first_salt
    }

    /// What was sealed; the error that ended it, where one did. A body that was not read to its end is refused.
    pub(super) fn finish(self) -> Result<Sealed, ObjectError> {
        self.outcome.unwrap_or(Err(ObjectError::Body(BodyRefused)))
    }

    async fn fill(&mut self, into: &mut [u8]) -> Result<usize, ObjectError> {
        let mut written = self.drain_tail(into);
        while let Some((sealer, left)) = &mut self.current {
            if into.len() - written < MIN_SEAL_BUFFER_BYTES {
                return Ok(written);
            }
            if *left > 0 {
                if self.pending.is_empty() {
                    match self.plain.next().await? {
                        Some(bytes) => {
                            self.hasher.as_mut().ok_or(BodyRefused)?.hand_over(&bytes).await?;
                            self.pending = bytes;
                        }
                        None => return Err(ObjectError::Body(BodyRefused)),
                    }
                }
                let take = self.pending.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let piece = &self.pending[..take.min(sealer.missing())];
                let progress = sealer.seal(piece, &mut into[written..])?;
                self.hasher.as_mut().ok_or(BodyRefused)?.update(&piece[..progress.consumed]);
                self.pending.advance(progress.consumed);
                *left -= progress.consumed as u64;
                written += progress.written;
                continue;
            }
            let following = self.plan.next();
            let verified = match following {
                None => Some(self.verify().await?),
                Some(_) => None,
            };
            let Some((mut sealer, _)) = self.current.take() else { break };
            let part = sealer.finish(&mut into[written..])?;
            written += part.written;
            self.sealed.push(part);
            self.current = following.map(|part| start(self.dek.keys(), part, random::bytes())).transpose()?;
            if let Some(digests) = verified {
                self.close(digests).await?;
                written += self.drain_tail(&mut into[written..]);
            }
        }
        Ok(written)
    }

    /// The end of the plaintext: nothing may follow, and the sender's proof must hold.
    async fn verify(&mut self) -> Result<Digests, ObjectError> {
        if !self.pending.is_empty() || self.plain.next().await?.is_some() {
            return Err(ObjectError::Body(BodyRefused));
        }
        let digests = self.hasher.take().ok_or(BodyRefused)?.finish().await?;
        self.plain.verify(&digests)?;
        Ok(digests)
    }

    async fn close(&mut self, digests: Digests) -> Result<(), ObjectError> {
        let sealed = Sealed { parts: std::mem::take(&mut self.sealed), digests };
        if let Some(hears) = self.before_end.take() {
            hears.sealed(&sealed).await?;
        }
        if let Some(make) = self.footer.take() {
            self.tail = Bytes::from(make(&sealed)?);
        }
        self.outcome = Some(Ok(sealed));
        Ok(())
    }

    fn drain_tail(&mut self, into: &mut [u8]) -> usize {
        let take = self.tail.len().min(into.len());
        self.tail.copy_to_slice(&mut into[..take]);
        take
    }
}

fn start(keys: &BodyKeys, part: PartPlan, salt: Salt) -> Result<(PartSealer, u64), SealError> {
    Ok((PartSealer::new(keys, part.number, salt)?, part.plaintext_bytes))
}

#[async_trait]
impl BodySource for SealingSource<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        match self.fill(into).await {
            Ok(written) => Ok(written),
            Err(error) => {
                self.current = None;
                self.tail = Bytes::new();
                self.outcome = Some(Err(error));
                Err(BodyAborted)
            }
        }
    }
}
