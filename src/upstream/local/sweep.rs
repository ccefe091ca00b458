//! What a killed process leaves: temporary files, and blobs that no row names. Removed at start, before any request,
//! when every file in the blob directories is either named or such a leftover.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::upstream::UpstreamError;

use super::blob::{BLOBS_DIR, BlobName, BlobStore};
use super::body::blocking;
use super::fault::{self, NamesError};
use super::names::Names;

/// Removes the leftovers and says how many there were. One of the 256 directories at a time: memory stays small.
pub(super) async fn leftovers(names: &Names, dir: &Path) -> Result<usize, UpstreamError> {
    let blobs = dir.join(BLOBS_DIR);
    let mut removed = 0;
    for first_byte in 0..=u8::MAX {
        let named = named_blobs(names, first_byte).await?;
        let fan_dir = BlobStore::fan_dir(&blobs, first_byte);
        removed += blocking(move || remove_unnamed(&fan_dir, &named)).await?;
    }
    Ok(removed)
}

async fn named_blobs(names: &Names, first_byte: u8) -> Result<HashSet<BlobName>, NamesError> {
    let (mut first, mut last) = ([0; 16], [u8::MAX; 16]);
    (first[0], last[0]) = (first_byte, first_byte);
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT blob FROM extent WHERE blob BETWEEN ?1 AND ?2 UNION ALL SELECT blob FROM part WHERE blob BETWEEN ?1 AND ?2",
    )
    .bind(first.as_slice())
    .bind(last.as_slice())
    .fetch_all(&mut *names.reader().await?)
    .await?;
    Ok(rows.iter().filter_map(|row| BlobName::from_slice(row)).collect())
}

fn remove_unnamed(fan_dir: &Path, named: &HashSet<BlobName>) -> Result<usize, UpstreamError> {
    let failed = |error: &std::io::Error| fault::of_io("sweep", fan_dir, error);
    let mut leftovers: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(fan_dir).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let blob = entry.file_name().to_str().and_then(BlobName::from_file_name);
        if !blob.is_some_and(|blob| named.contains(&blob)) {
            leftovers.push(entry.path());
        }
    }
    leftovers.iter().try_for_each(fs::remove_file).map_err(|error| failed(&error))?;
    Ok(leftovers.len())
}
