//! Buffers for bodies on their way up, used again and again: what is read into them is never zeroed first.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::upstream::MIN_BUFFER_BYTES;

/// How much of a body goes out in one write. Design.md, section 3: 128-256 KiB.
pub(super) const RUN_BYTES: usize = 256 << 10;
/// A run, and room for one more read of its source: the last bytes go out only after the source has said that they are.
pub(super) const BUFFER_BYTES: usize = RUN_BYTES + MIN_BUFFER_BYTES;
/// How many are kept: 10 MiB. Beyond that many uploads at once, buffers come and go.
const MAX_SPARE: usize = 32;

/// Spare buffers.
#[derive(Default)]
pub(super) struct Buffers {
    spare: Mutex<Vec<Box<[u8]>>>,
}

/// A buffer of [`BUFFER_BYTES`], given back when it is dropped. It holds ciphertext only.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    home: Arc<Buffers>,
}

impl Buffers {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn take(self: &Arc<Self>) -> Buffer {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = spare.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        Buffer { bytes, home: Arc::clone(self) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = self.home.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MAX_SPARE {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}
