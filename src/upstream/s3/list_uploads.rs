//! ListParts and ListMultipartUploads, page by page.

use crate::base::{BucketName, ObjectKey, Timestamp};
use crate::s3::date::parse_date;
use crate::upstream::{ListedUpload, StoredPart, UploadRef, UpstreamError, UpstreamEtag, UpstreamUploadId};

use super::S3Upstream;
use super::call::Method;
use super::facts::{MAX_ID_BYTES, etag};
use super::fault::About;
use super::list::name;
use super::xml::walk;

/// What services give at most in one answer.
const PAGE: u32 = 1000;
/// Uploads that are sorted at once: all of one key belong together, and some services list all of a bucket at once.
const MAX_UPLOADS: usize = 40_000;
/// Pages that are fetched for one listing: more than [`MAX_UPLOADS`] need, also in pages of half their length.
const MAX_ROUNDS: u32 = 100;

/// Up to `max` parts with numbers above `after`.
pub(super) async fn parts(
    upstream: &S3Upstream,
    upload: &UploadRef,
    after: u16,
    max: u32,
) -> Result<Vec<StoredPart>, UpstreamError> {
    let mut parts: Vec<StoredPart> = Vec::new();
    let mut marker = after;
    loop {
        let wanted = max.saturating_sub(u32::try_from(parts.len()).unwrap_or(u32::MAX)).min(PAGE);
        let call = upstream
            .client
            .call(Method::Get, &upload.bucket, Some(&upload.key))
            .query("uploadId", &upload.id.0)
            .query("part-number-marker", &marker.to_string())
            .query("max-parts", &wanted.to_string());
        let document = upstream.client.ask(&call, About::Upload).await?.document;
        let truncated = read_parts(&document, marker, &mut parts)?;
        parts.truncate(usize::try_from(max).unwrap_or(usize::MAX));
        let last = parts.last().map_or(marker, |part| part.number);
        if !truncated || last == marker || parts.len() as u64 >= u64::from(max) {
            return Ok(parts);
        }
        marker = last;
    }
}

/// Adds the parts of one answer; says whether there are more.
pub(super) fn read_parts(document: &[u8], after: u16, parts: &mut Vec<StoredPart>) -> Result<bool, UpstreamError> {
    let mut truncated = false;
    let (mut number, mut tag, mut bytes, mut at): Partial = Partial::default();
    let mut read = Vec::new();
    let root = walk(document, |ended| match (ended.parent, ended.name) {
        ("Part", "PartNumber") => number = ended.text.trim().parse().ok(),
        ("Part", "ETag") => tag = etag(ended.text).ok(),
        ("Part", "Size") => bytes = ended.text.trim().parse().ok(),
        ("Part", "LastModified") => at = parse_date(ended.text.trim()),
        ("ListPartsResult", "Part") => read.push((number.take(), tag.take(), bytes.take(), at.take())),
        ("ListPartsResult", "IsTruncated") => truncated = ended.text.trim() == "true",
        _ => {}
    })?;
    if root != "ListPartsResult" {
        return Err(broken("its answer to ListParts is another document"));
    }
    let mut before = after;
    for part in read {
        let (Some(number), Some(etag), Some(stored_bytes), Some(last_modified)) = part else {
            return Err(broken("it lists a part without number, ETag, size or date"));
        };
        if number <= before {
            return Err(broken("it lists parts out of order"));
        }
        before = number;
        parts.push(StoredPart { number, etag, stored_bytes, last_modified });
    }
    Ok(truncated)
}

type Partial = (Option<u16>, Option<UpstreamEtag>, Option<u64>, Option<Timestamp>);

/// Up to `max` uploads after (key, id), by key and then id.
///
/// Services sort the uploads of a key by their beginning, and some know no markers. So those of `after`'s key are
/// asked for by themselves, markers name keys only, and the order is made here.
pub(super) async fn uploads(
    upstream: &S3Upstream,
    bucket: &BucketName,
    after: Option<(&str, &str)>,
    max: u32,
) -> Result<Vec<ListedUpload>, UpstreamError> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    if let Some((key, _)) = after {
        gather(upstream, bucket, Part::OfKey(key), max, after, &mut found).await?;
    }
    if found.len() < max || max == 0 {
        gather(upstream, bucket, Part::After(after.map(|(key, _)| key)), max, after, &mut found).await?;
    }
    sort(&mut found);
    found.truncate(max);
    Ok(found)
}

fn sort(uploads: &mut Vec<ListedUpload>) {
    let name = |listed: &ListedUpload| (listed.upload.key.clone(), listed.upload.id.0.clone());
    uploads.sort_by_cached_key(name);
    uploads.dedup_by(|a, b| a.upload == b.upload);
}

/// Which uploads of a bucket.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// Those of one key.
    OfKey(&'a str),
    /// Those of the keys after one, or all.
    After(Option<&'a str>),
}

/// Adds uploads until there are `max` of whole keys, or no more.
async fn gather(
    upstream: &S3Upstream,
    bucket: &BucketName,
    part: Part<'_>,
    max: usize,
    after: Option<(&str, &str)>,
    found: &mut Vec<ListedUpload>,
) -> Result<(), UpstreamError> {
    let mut markers: Option<(String, Option<String>)> = match part {
        Part::OfKey(_) | Part::After(None) => None,
        Part::After(Some(key)) => Some((key.to_owned(), None)),
    };
    for _ in 0..MAX_ROUNDS {
        let mut call = upstream
            .client
            .call(Method::Get, bucket, None)
            .query("uploads", "")
            .query("encoding-type", "url")
            .query("max-uploads", &PAGE.to_string());
        if let Part::OfKey(key) = part {
            call = call.query("prefix", key);
        }
        if let Some((key, id)) = &markers {
            call = call.query("key-marker", key);
            if let Some(id) = id {
                call = call.query("upload-id-marker", id);
            }
        }
        let document = upstream.client.ask(&call, About::Bucket).await?.document;
        let page = read_uploads(&document, bucket)?;
        let last_key = page.uploads.iter().map(|listed| listed.upload.key.clone()).max();
        let mut passed = false;
        for listed in page.uploads {
            let key = listed.upload.key.as_str();
            match part {
                Part::OfKey(wanted) if key != wanted => passed = true,
                Part::OfKey(_) | Part::After(_) if after.is_none_or(|after| (key, &*listed.upload.id.0) > after) => {
                    found.push(listed);
                }
                Part::OfKey(_) | Part::After(_) => {}
            }
        }
        if found.len() > MAX_UPLOADS {
            return Err(broken("one key has more uploads than can be listed"));
        }
        // Of the last key there may be more, with smaller ids.
        let whole = found.iter().filter(|listed| Some(&listed.upload.key) < last_key.as_ref()).count();
        let enough = matches!(part, Part::After(_)) && whole >= max;
        let Some(next) = page.next.filter(|_| !passed && !enough) else { return Ok(()) };
        if !goes_on(markers.as_ref(), &next) {
            return Err(broken("a listing of uploads does not go on"));
        }
        markers = Some(next);
    }
    Err(broken("a listing of uploads does not come to an end"))
}

/// Whether `next` is behind the markers that led to it: a greater key, or more uploads of the same. Ids come in the
/// order in which their uploads were begun, so they need not rise, only change.
fn goes_on(markers: Option<&(String, Option<String>)>, next: &(String, Option<String>)) -> bool {
    match markers {
        None => !next.0.is_empty(),
        Some((key, id)) => next.0 > *key || (next.0 == *key && next.1.is_some() && next.1 != *id),
    }
}

/// One answer.
pub(super) struct UploadPage {
    pub(super) uploads: Vec<ListedUpload>,
    next: Option<(String, Option<String>)>,
}

pub(super) fn read_uploads(document: &[u8], bucket: &BucketName) -> Result<UploadPage, UpstreamError> {
    let (mut truncated, mut encoded) = (false, false);
    let (mut next_key, mut next_id) = (String::new(), None);
    let (mut key, mut id, mut initiated) = (String::new(), String::new(), None);
    let mut read = Vec::new();
    let root = walk(document, |ended| match (ended.parent, ended.name) {
        ("Upload", "Key") => ended.text.clone_into(&mut key),
        ("Upload", "UploadId") => ended.text.trim().clone_into(&mut id),
        ("Upload", "Initiated") => initiated = parse_date(ended.text.trim()),
        ("ListMultipartUploadsResult", "Upload") => {
            read.push((std::mem::take(&mut key), std::mem::take(&mut id), initiated.take()));
        }
        ("ListMultipartUploadsResult", "IsTruncated") => truncated = ended.text.trim() == "true",
        ("ListMultipartUploadsResult", "EncodingType") => encoded = ended.text.trim() == "url",
        ("ListMultipartUploadsResult", "NextKeyMarker") => ended.text.clone_into(&mut next_key),
        ("ListMultipartUploadsResult", "NextUploadIdMarker") => {
            next_id = Some(ended.text.trim().to_owned()).filter(|id| !id.is_empty());
        }
        _ => {}
    })?;
    if root != "ListMultipartUploadsResult" {
        return Err(broken("its answer to ListMultipartUploads is another document"));
    }
    let mut uploads = Vec::with_capacity(read.len());
    for (key, id, initiated) in read {
        let key = ObjectKey::parse(&name(&key, encoded)?).filter(|_| !id.is_empty() && id.len() <= MAX_ID_BYTES);
        let (Some(key), Some(initiated)) = (key, initiated) else {
            return Err(broken("it lists an upload without key, id or date"));
        };
        let upload = UploadRef { bucket: bucket.clone(), key, id: UpstreamUploadId(id.into()) };
        uploads.push(ListedUpload { upload, initiated });
    }
    let next = if truncated { Some((name(&next_key, encoded)?, next_id)) } else { None };
    Ok(UploadPage { uploads, next })
}

fn broken(text: &str) -> UpstreamError {
    UpstreamError::Broken(text.to_owned())
}
