//! The last upstream part of a multipart object: a held-back part, verified on its way, and behind it the footer.

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use zeroize::Zeroize;

use crate::envelope::{FormatError, RangeOpener};
use crate::upstream::{BodyAborted, BodyReader, BodySource, UpstreamError};

use super::super::error::ObjectError;

/// Yields the stored bytes of the held-back part as they are, then the footer, which is withheld until every tag of
/// the part and its length were checked.
pub(in super::super) struct JoinedTail {
    held: Option<Held>,
    footer: Bytes,
    fault: Option<ObjectError>,
}

/// A held-back part that is read back.
pub(super) struct Held {
    body: Box<dyn BodyReader>,
    opener: RangeOpener,
    /// A copy of the run that is being read, which is opened only to be verified.
    run: Vec<u8>,
}

impl JoinedTail {
    /// The footer alone.
    pub(in super::super) fn footer(footer: Vec<u8>) -> Self {
        Self::new(None, footer)
    }

    /// The footer, behind what was held back.
    pub(super) fn new(held: Option<Held>, footer: Vec<u8>) -> Self {
        Self { held, footer: Bytes::from(footer), fault: None }
    }

    /// Why the body ended early.
    pub(super) fn into_fault(self) -> Option<ObjectError> {
        self.fault
    }

    async fn fill(&mut self, into: &mut [u8]) -> Result<usize, ObjectError> {
        if let Some(held) = &mut self.held {
            let read = held.body.read(into).await?;
            if read > 0 {
                held.verify(&into[..read])?;
                return Ok(read);
            }
        }
        if let Some(held) = self.held.take() {
            held.opener.finish()?;
        }
        let take = self.footer.len().min(into.len());
        self.footer.copy_to_slice(&mut into[..take]);
        Ok(take)
    }
}

impl Held {
    pub(super) fn new(body: Box<dyn BodyReader>, opener: RangeOpener) -> Self {
        Self { body, opener, run: Vec::new() }
    }

    fn verify(&mut self, mut stored: &[u8]) -> Result<(), FormatError> {
        while !stored.is_empty() {
            let run_bytes = self.opener.next_run(0);
            if run_bytes == 0 {
                return Err(FormatError::Excess);
            }
            let now;
            (now, stored) = stored.split_at(stored.len().min(run_bytes - self.run.len()));
            self.run.extend_from_slice(now);
            if self.run.len() == run_bytes {
                self.opener.open_run(&mut self.run)?;
                self.run.zeroize();
            }
        }
        Ok(())
    }
}

#[async_trait]
impl BodySource for JoinedTail {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        self.fill(into).await.map_err(|error| {
            self.held = None;
            self.footer = Bytes::new();
            self.fault = Some(error);
            BodyAborted
        })
    }
}

/// What the upstream says of a held-back part that it no longer has.
pub(super) fn lost(error: UpstreamError) -> ObjectError {
    match error {
        UpstreamError::NoSuchKey => UpstreamError::Broken("a held-back part is gone".into()).into(),
        error => error.into(),
    }
}
