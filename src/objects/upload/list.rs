//! ListParts and ListMultipartUploads: from the rows, in plaintext terms; the footer part is never among them.

use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, ObjectKey, PartNumber, PrincipalId, Timestamp};
use crate::store::{BucketRow, PartRow, UploadMarker, UploadRow, UploadState};

use super::super::Objects;
use super::super::error::ObjectError;
use super::attempts::{Attempts, numbered};

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
    /// What CreateMultipartUpload declared.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
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
        let wanted = usize::try_from(max).unwrap_or(usize::MAX);
        let (mut parts, mut passed) = (Vec::new(), after);
        // An attempt that never arrived is no part, so that a page of numbers may hold fewer parts.
        while parts.len() <= wanted {
            let rows = self.inner.store.parts(&upload.row.upload_id, passed, max.saturating_add(1)).await?;
            let Some(highest) = rows.last().map(|row| row.number.get()) else { break };
            let ambiguous = |attempts: &[PartRow]| attempts.len() > 1 || Attempts(attempts).has_unanswered();
            let at_upstream = match by_number(&rows).any(ambiguous) {
                true => self.upstream_parts(bucket, &upload.at_upstream(bucket), passed, highest).await?,
                false => Vec::new(),
            };
            for attempts in by_number(&rows) {
                let part = attempts.first().and_then(|row| numbered(&at_upstream, row.number.get()));
                let Some(row) = Attempts(attempts).current(part) else { continue };
                let digests = upload.digests(row)?;
                parts.push(ListedPart {
                    number: row.number,
                    plaintext_bytes: row.plaintext_bytes,
                    etag: digests.etag,
                    digest: upload.facts.checksum.and_then(|(algorithm, _)| digests.of(algorithm)),
                    last_modified: row.modified,
                });
            }
            passed = highest;
        }
        let truncated = parts.len() > wanted;
        parts.truncate(wanted);
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
                    None => listing.uploads.push(self.upload_entry(bucket, row).await?),
                }
            }
            if is_final {
                return Ok(listing);
            }
        }
    }

    /// An upload whose keys are gone for good is listed all the same.
    async fn upload_entry(&self, bucket: &BucketRow, row: UploadRow) -> Result<UploadEntry, ObjectError> {
        let (key, upload_id) = (row.key.clone(), row.upload_id.to_string());
        let (initiated, owner) = (row.created, row.initiator);
        let checksum = match self.open_upload_row(bucket, row).await {
            Ok(upload) => upload.facts.checksum,
            Err(ObjectError::Keys(error)) if !error.is_lasting() => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, upload_id, "an upload is listed without its checksum");
                None
            }
        };
        Ok(UploadEntry { key, upload_id, initiated, owner, checksum })
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

/// The attempts at each number; rows come by number.
fn by_number(rows: &[PartRow]) -> impl Iterator<Item = &[PartRow]> {
    rows.chunk_by(|one, other| one.number == other.number)
}
