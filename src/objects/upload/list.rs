//! ListParts and ListMultipartUploads: from the rows, in plaintext terms; the footer part is never among them.

use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, ObjectKey, PartNumber, PrincipalId, Timestamp};
use crate::store::{BucketRow, PartPlace, PartRow, UploadMarker, UploadState};
use crate::upstream::StoredPart;

use super::super::Objects;
use super::super::condition::upstream_error;
use super::super::error::ObjectError;

/// One part as clients see it.
#[derive(Clone, Copy, Debug)]
pub struct ListedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its plaintext length in bytes.
    pub plaintext_bytes: u64,
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum, where the upload has an algorithm.
    pub digest: Option<Digest>,
    /// When it was stored.
    pub last_modified: Timestamp,
}

/// A page of parts.
#[derive(Clone, Debug)]
pub struct PartList {
    /// By number.
    pub parts: Vec<ListedPart>,
    /// Whether there are more.
    pub truncated: bool,
    /// What CreateMultipartUpload declared.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Who began the upload.
    pub owner: PrincipalId,
}

/// A page of uploads, asked for.
#[derive(Clone, Debug, Default)]
pub struct UploadListRequest {
    /// Only keys that start with it.
    pub prefix: String,
    /// Keys that contain it after the prefix are rolled up.
    pub delimiter: Option<String>,
    /// Only uploads after this key.
    pub key_marker: Option<String>,
    /// With `key_marker`: only uploads of that key after this id, and later keys.
    pub upload_id_marker: Option<String>,
    /// At most this many uploads and common prefixes together.
    pub max_entries: u32,
}

/// An upload in flight.
#[derive(Clone, Debug)]
pub struct UploadEntry {
    /// Its key.
    pub key: ObjectKey,
    /// As clients name it.
    pub upload_id: String,
    /// When it was begun.
    pub initiated: Timestamp,
    /// Who began it.
    pub owner: PrincipalId,
}

/// A page of uploads.
#[derive(Clone, Debug, Default)]
pub struct UploadListing {
    /// By key, then by id.
    pub uploads: Vec<UploadEntry>,
    /// Prefixes up to and including the delimiter.
    pub common_prefixes: Vec<String>,
    /// Key and id after which the next page starts.
    pub next: Option<(String, String)>,
}

impl Objects {
    /// Up to `max` parts with numbers above `after`.
    pub async fn list_parts(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        upload_id: &str,
        after: u16,
        max: u32,
    ) -> Result<PartList, ObjectError> {
        let upload = self.open_upload(bucket, key, upload_id).await?;
        if matches!(upload.row.state, UploadState::Completed { .. } | UploadState::Aborted { .. }) {
            return Err(ObjectError::NoSuchUpload);
        }
        let rows = self.inner.store.parts(&upload.row.upload_id, after, max.saturating_add(1)).await?;
        let re_sent = rows.windows(2).any(|pair| pair[0].number == pair[1].number);
        let current = match re_sent {
            true => {
                let reference = upload.at_upstream(bucket);
                self.upstream(bucket)?
                    .list_parts(&reference, after, max.saturating_add(1))
                    .await
                    .map_err(upstream_error)?
            }
            false => Vec::new(),
        };
        let mut parts = Vec::new();
        for attempts in rows.chunk_by(|one, other| one.number == other.number) {
            let Some(row) = accepted(attempts, &current) else { continue };
            let digests = upload.digests(row)?;
            parts.push(ListedPart {
                number: row.number,
                plaintext_bytes: row.plaintext_bytes,
                etag: digests.etag,
                digest: upload.facts.checksum.and_then(|(algorithm, _)| digests.of(algorithm)),
                last_modified: row.modified,
            });
        }
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let truncated = parts.len() > max;
        parts.truncate(max);
        Ok(PartList { parts, truncated, checksum: upload.facts.checksum, owner: upload.row.initiator })
    }

    /// One page of the uploads in flight of a bucket.
    pub async fn list_uploads(
        &self,
        bucket: &BucketRow,
        request: &UploadListRequest,
    ) -> Result<UploadListing, ObjectError> {
        let max = usize::try_from(request.max_entries).unwrap_or(usize::MAX);
        let mut listing = UploadListing::default();
        let mut marker = request.key_marker.clone().map(|key| (key, request.upload_id_marker.clone()));
        // A key marker that is a common prefix of an earlier page is passed as a whole.
        let passed = request.key_marker.clone().filter(|key| request.common_prefix_of(key).as_ref() == Some(key));
        loop {
            let after = marker.as_ref().map(|(key, id)| UploadMarker { key, upload_id: id.as_deref() });
            let page_size = request.max_entries.saturating_add(1);
            let page = self.inner.store.uploads(bucket.bucket_id, &request.prefix, after, page_size).await?;
            let Some(last) = page.last() else { return Ok(listing) };
            marker = Some((last.key.as_str().to_owned(), Some(last.upload_id.to_string())));
            let is_final = page.len() < usize::try_from(page_size).unwrap_or(usize::MAX);
            for row in page {
                let prefix = request.common_prefix_of(row.key.as_str());
                if prefix.is_some() && (listing.common_prefixes.last() == prefix.as_ref() || passed == prefix) {
                    continue;
                }
                if listing.uploads.len() + listing.common_prefixes.len() == max {
                    listing.next = Some(listing.last_entry());
                    return Ok(listing);
                }
                match prefix {
                    Some(prefix) => listing.common_prefixes.push(prefix),
                    None => listing.uploads.push(UploadEntry {
                        key: row.key,
                        upload_id: row.upload_id.to_string(),
                        initiated: row.created,
                        owner: row.initiator,
                    }),
                }
            }
            if is_final {
                return Ok(listing);
            }
        }
    }
}

impl UploadListRequest {
    fn common_prefix_of(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter.as_deref()?;
        let rest = key.strip_prefix(self.prefix.as_str())?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(key[..self.prefix.len() + end].to_owned())
    }
}

impl UploadListing {
    fn last_entry(&self) -> (String, String) {
        let upload = self.uploads.last().map(|entry| (entry.key.as_str().to_owned(), entry.upload_id.clone()));
        let prefix = self.common_prefixes.last().map(|prefix| (prefix.clone(), String::new()));
        upload.max(prefix).unwrap_or_default()
    }
}

/// Of several attempts at one number: the one that the upstream holds, unless one was held back after it.
fn accepted<'a>(attempts: &'a [PartRow], current: &[StoredPart]) -> Option<&'a PartRow> {
    let last = attempts.last()?;
    if matches!(last.place, PartPlace::Held(_)) {
        return Some(last);
    }
    let held_upstream = |row: &&PartRow| match &row.place {
        PartPlace::Upstream(etag) => current.iter().any(|part| *part.etag.0 == **etag),
        PartPlace::Held(_) => false,
    };
    attempts.iter().find(held_upstream).or(Some(last))
}
