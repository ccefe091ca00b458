//! Bodies on their way to and from blobs. Files are written and, where they are not cached, read on blocking threads;
//! the runtime's own threads never wait for a disk. At most two buffers live per stream.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::upstream::{BodyAborted, BodyReader, BodySource, MIN_BUFFER_BYTES, PutBody, STREAM_BYTES, UpstreamError};

use super::blob::{BlobName, BlobStore, FreshBlob, Lease};
use super::fault;

/// One write or read: large enough that the hop to a blocking thread is small beside it.
const BUFFER_BYTES: usize = 256 << 10;
/// One buffer is filled while the other is written.
const _: () = assert!(2 * BUFFER_BYTES <= STREAM_BYTES);

/// Runs what blocks away from the runtime's threads. It runs to its end even when the caller is dropped.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, UpstreamError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, UpstreamError> + Send + 'static,
{
    joined(spawn_blocking(work)).await
}

async fn joined<T>(handle: JoinHandle<Result<T, UpstreamError>>) -> Result<T, UpstreamError> {
    handle.await.unwrap_or_else(|_| Err(UpstreamError::Unavailable("the process is shutting down".into())))
}

/// Writes a body into a new blob and makes it durable. Anything but exactly its length leaves nothing behind.
pub(super) async fn store_body(store: &Arc<BlobStore>, body: PutBody<'_>) -> Result<FreshBlob, UpstreamError> {
    let (store, stored_bytes) = (Arc::clone(store), body.stored_bytes);
    let blob = blocking(move || FreshBlob::create(store, stored_bytes)).await?;
    let size = buffer_size(stored_bytes);
    let mut disk = Disk::AtRest(blob, Vec::new());
    let mut buffer = vec![0; size];
    let mut left = stored_bytes;
    loop {
        let Filled { bytes, end } = fill(body.source, &mut buffer).await?;
        left = left.checked_sub(bytes as u64).ok_or(BodyAborted)?;
        if bytes > 0 {
            let (blob, spare) = disk.rest().await?;
            disk = Disk::write(blob, std::mem::replace(&mut buffer, spare), bytes);
        }
        match end {
            End::Reached if left == 0 => break,
            End::Reached => return Err(BodyAborted.into()),
            End::NotYet => buffer.resize(size, 0),
        }
    }
    let (mut blob, _) = disk.rest().await?;
    blocking(move || blob.seal().map(|()| blob)).await
}

/// A small body and the read that finds its end fit in one buffer.
fn buffer_size(stored_bytes: u64) -> usize {
    usize::try_from(stored_bytes).unwrap_or(usize::MAX).saturating_add(MIN_BUFFER_BYTES).min(BUFFER_BYTES)
}

/// The blob and the buffer that is not being filled: idle, or on a blocking thread.
enum Disk {
    AtRest(FreshBlob, Vec<u8>),
    Writing(JoinHandle<Result<(FreshBlob, Vec<u8>), UpstreamError>>),
}

impl Disk {
    fn write(mut blob: FreshBlob, buffer: Vec<u8>, len: usize) -> Self {
        Self::Writing(spawn_blocking(move || blob.write(&buffer[..len]).map(|()| (blob, buffer))))
    }

    async fn rest(self) -> Result<(FreshBlob, Vec<u8>), UpstreamError> {
        match self {
            Self::AtRest(blob, buffer) => Ok((blob, buffer)),
            Self::Writing(handle) => joined(handle).await,
        }
    }
}

struct Filled {
    bytes: usize,
    end: End,
}

enum End {
    Reached,
    NotYet,
}

/// Reads until the buffer has no room for another read, or the end.
async fn fill(source: &mut dyn BodySource, buffer: &mut [u8]) -> Result<Filled, BodyAborted> {
    let mut bytes = 0;
    while buffer.len() - bytes >= MIN_BUFFER_BYTES {
        let into = &mut buffer[bytes..];
        let room = into.len();
        match source.read(into).await? {
            0 => return Ok(Filled { bytes, end: End::Reached }),
            read if read <= room => bytes += read,
            _ => return Err(BodyAborted),
        }
    }
    Ok(Filled { bytes, end: End::NotYet })
}

/// A run of bytes of one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) blob: BlobName,
    /// Length of the whole blob.
    pub(super) blob_bytes: u64,
    /// The first byte of the run.
    pub(super) offset: u64,
    /// Length of the run.
    pub(super) len: u64,
}

/// Reads pieces in order. The first may be open already; the others are under a lease and opened when they are reached.
pub(super) struct PiecesReader {
    pub(super) store: Arc<BlobStore>,
    pub(super) pieces: VecDeque<Piece>,
    pub(super) open: Option<Arc<File>>,
    pub(super) lease: Option<Lease>,
    /// For reads that the page cache cannot answer at once.
    pub(super) buffer: Vec<u8>,
}

#[async_trait]
impl BodyReader for PiecesReader {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, UpstreamError> {
        while self.pieces.front().is_some_and(|piece| piece.len == 0) {
            self.pieces.pop_front();
            self.open = None;
        }
        let Some(piece) = self.pieces.front().copied() else {
            self.lease = None;
            return Ok(0);
        };
        let file = match &self.open {
            Some(file) => Arc::clone(file),
            None => self.open_piece(piece).await?,
        };
        let len = usize::try_from(piece.len).unwrap_or(usize::MAX).min(into.len());
        let read = match read_cached(&file, &mut into[..len], piece.offset) {
            Some(read) => read,
            None => self.read_blocking(file, &mut into[..len], piece).await?,
        };
        if read == 0 && len > 0 {
            return Err(UpstreamError::Broken(format!("{} ends early", self.store.path(piece.blob).display())));
        }
        if let Some(front) = self.pieces.front_mut() {
            front.offset += read as u64;
            front.len -= read as u64;
        }
        Ok(read)
    }
}

impl PiecesReader {
    async fn open_piece(&mut self, piece: Piece) -> Result<Arc<File>, UpstreamError> {
        let store = Arc::clone(&self.store);
        let file = blocking(move || {
            let missing = || UpstreamError::Broken(format!("{} is missing", store.path(piece.blob).display()));
            store.open_blob(piece.blob, piece.blob_bytes)?.ok_or_else(missing)
        })
        .await?;
        Ok(Arc::clone(self.open.insert(Arc::new(file))))
    }

    async fn read_blocking(&mut self, file: Arc<File>, into: &mut [u8], piece: Piece) -> Result<usize, UpstreamError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(into.len().min(BUFFER_BYTES), 0);
        let path = self.store.path(piece.blob);
        let (buffer, read) = blocking(move || {
            let read = file.read_at(&mut buffer, piece.offset).map_err(|error| fault::of_io("read", &path, &error))?;
            Ok((buffer, read))
        })
        .await?;
        into[..read].copy_from_slice(&buffer[..read]);
        self.buffer = buffer;
        Ok(read)
    }
}

/// Straight into the caller's buffer when the page cache has the bytes: no thread hop and no second copy.
/// `None` when it has not, or the file system cannot say.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, into: &mut [u8], offset: u64) -> Option<usize> {
    let mut into = [std::io::IoSliceMut::new(into)];
    rustix::io::preadv2(file, &mut into, offset, rustix::io::ReadWriteFlags::NOWAIT).ok().filter(|read| *read > 0)
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> Option<usize> {
    None
}
