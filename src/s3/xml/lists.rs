//! Answers that are listings. Each takes its request, so that what is echoed is what was asked.

use crate::base::{ChecksumAlgorithm, ChecksumType, Digest, ETag, PartNumber, Timestamp};

use crate::s3::answer::quoted;
use crate::s3::checksum::MultipartChecksum;
use crate::s3::date::iso8601;
use crate::s3::listing::{ContinuationToken, KeyEncoding};
use crate::s3::request::{
    ListBucketsRequest, ListMultipartUploadsRequest, ListObjectsRequest, ListObjectsV2Request, ListPartsRequest, Owners,
};

use super::answers::part_checksum;
use super::writer::Xml;

/// Nothing is ever archived or tiered here.
const STORAGE_CLASS: &str = "STANDARD";

/// Who owns a bucket, object or upload.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Its canonical id.
    pub id: &'a str,
    /// Its name.
    pub display_name: &'a str,
}

impl Owner<'_> {
    fn write(&self, xml: &mut Xml, element: &'static str) {
        xml.element(element, |xml| {
            xml.text("ID", self.id);
            xml.text("DisplayName", self.display_name);
        });
    }
}

/// A bucket of ListBuckets.
#[derive(Clone, Copy, Debug)]
pub struct BucketEntry<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it was made.
    pub created: Timestamp,
}

/// A page of ListBuckets.
#[derive(Clone, Copy, Debug)]
pub struct BucketPage<'a> {
    /// Its buckets, by name.
    pub buckets: &'a [BucketEntry<'a>],
    /// The region of them all.
    pub region: &'a str,
    /// Where the next page begins.
    pub next: Option<&'a ContinuationToken>,
}

/// Answers ListBuckets.
pub fn list_all_my_buckets_result(request: &ListBucketsRequest, page: &BucketPage<'_>, owner: &Owner<'_>) -> String {
    // S3 names regions only to clients that know of pages.
    let paged = request.max_buckets.is_some() || request.bucket_region.is_some() || request.continuation.is_some();
    Xml::document("ListAllMyBucketsResult", |xml| {
        owner.write(xml, "Owner");
        xml.element("Buckets", |xml| {
            for bucket in page.buckets {
                xml.element("Bucket", |xml| {
                    xml.text("Name", bucket.name);
                    xml.text("CreationDate", &iso8601(bucket.created));
                    if paged {
                        xml.text("BucketRegion", page.region);
                    }
                });
            }
        });
        xml.optional("ContinuationToken", page.next.map(ContinuationToken::encode).as_deref());
        xml.optional("Prefix", request.prefix.as_deref());
    })
}

/// An object of a listing.
#[derive(Clone, Copy, Debug)]
pub struct ObjectEntry<'a> {
    /// Its key.
    pub key: &'a str,
    /// When it was stored.
    pub last_modified: Timestamp,
    /// The ETag that GET and HEAD show.
    pub etag: ETag,
    /// The plaintext size that GET and HEAD show.
    pub size_bytes: u64,
    /// What checksum it has; the value is not listed.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// A page of objects and common prefixes, each in byte order.
#[derive(Clone, Copy, Debug)]
pub struct ListPage<'a> {
    /// Objects.
    pub objects: &'a [ObjectEntry<'a>],
    /// Common prefixes.
    pub common_prefixes: &'a [String],
    /// The last key or common prefix of this page, when there is another page.
    pub next_after: Option<&'a str>,
}

impl ListPage<'_> {
    fn write(&self, xml: &mut Xml, encoding: KeyEncoding, owner: Option<&Owner<'_>>) {
        for object in self.objects {
            xml.element("Contents", |xml| {
                xml.text("Key", &encoding.apply(object.key));
                xml.text("LastModified", &iso8601(object.last_modified));
                xml.text("ETag", &quoted(object.etag));
                if let Some((algorithm, kind)) = object.checksum {
                    xml.text("ChecksumAlgorithm", algorithm.name());
                    xml.text("ChecksumType", kind.name());
                }
                xml.number("Size", object.size_bytes);
                if let Some(owner) = owner {
                    owner.write(xml, "Owner");
                }
                xml.text("StorageClass", STORAGE_CLASS);
            });
        }
        common_prefixes(xml, encoding, self.common_prefixes);
    }
}

fn common_prefixes(xml: &mut Xml, encoding: KeyEncoding, prefixes: &[String]) {
    for prefix in prefixes {
        xml.element("CommonPrefixes", |xml| xml.text("Prefix", &encoding.apply(prefix)));
    }
}

fn encoding_type(xml: &mut Xml, encoding: KeyEncoding) {
    if encoding == KeyEncoding::Url {
        xml.text("EncodingType", "url");
    }
}

fn truncated(xml: &mut Xml, more: bool) {
    xml.text("IsTruncated", if more { "true" } else { "false" });
}

/// Answers ListObjects.
pub fn list_bucket_result(request: &ListObjectsRequest, page: &ListPage<'_>, owner: &Owner<'_>) -> String {
    let encode = |text| request.encoding.apply(text);
    Xml::document("ListBucketResult", |xml| {
        xml.text("Name", request.bucket.as_str());
        xml.text("Prefix", &encode(&request.prefix));
        xml.text("Marker", &encode(request.marker.as_deref().unwrap_or_default()));
        // Only with a delimiter, as S3 has it; without one, clients go on from the last key.
        let next = page.next_after.filter(|_| request.delimiter.is_some());
        xml.optional("NextMarker", next.map(encode).as_deref());
        xml.number("MaxKeys", request.max_keys);
        xml.optional("Delimiter", request.delimiter.as_deref().map(encode).as_deref());
        encoding_type(xml, request.encoding);
        truncated(xml, page.next_after.is_some());
        page.write(xml, request.encoding, Some(owner));
    })
}

/// Answers ListObjectsV2.
pub fn list_bucket_result_v2(request: &ListObjectsV2Request, page: &ListPage<'_>, owner: &Owner<'_>) -> String {
    let encode = |text| request.encoding.apply(text);
    let token = page.next_after.map(|after| ContinuationToken { after: after.to_owned() }.encode());
    let count = page.objects.len().saturating_add(page.common_prefixes.len());
    Xml::document("ListBucketResult", |xml| {
        xml.text("Name", request.bucket.as_str());
        xml.text("Prefix", &encode(&request.prefix));
        xml.optional("StartAfter", request.start_after.as_deref().map(encode).as_deref());
        xml.optional("ContinuationToken", request.continuation_text.as_deref());
        xml.optional("NextContinuationToken", token.as_deref());
        xml.number("KeyCount", u64::try_from(count).unwrap_or(u64::MAX));
        xml.number("MaxKeys", request.max_keys);
        xml.optional("Delimiter", request.delimiter.as_deref().map(encode).as_deref());
        encoding_type(xml, request.encoding);
        truncated(xml, page.next_after.is_some());
        page.write(xml, request.encoding, (request.owners == Owners::Show).then_some(owner));
    })
}

/// A part of ListParts.
#[derive(Clone, Copy, Debug)]
pub struct PartEntry {
    /// Its number.
    pub number: PartNumber,
    /// When it was stored.
    pub last_modified: Timestamp,
    /// The ETag that UploadPart answered.
    pub etag: ETag,
    /// Its plaintext size.
    pub size_bytes: u64,
    /// Its checksum, of the algorithm that the upload was begun with.
    pub checksum: Option<Digest>,
}

/// A page of ListParts.
#[derive(Clone, Copy, Debug)]
pub struct PartPage<'a> {
    /// Its parts, ascending.
    pub parts: &'a [PartEntry],
    /// Whether there are parts after the last of them.
    pub more: More,
    /// The checksum that the upload was begun with.
    pub checksum: Option<MultipartChecksum>,
}

/// Whether a page is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// It is.
    No,
    /// There is another one.
    Yes,
}

/// Answers ListParts.
pub fn list_parts_result(request: &ListPartsRequest, page: &PartPage<'_>, owner: &Owner<'_>) -> String {
    Xml::document("ListPartsResult", |xml| {
        xml.text("Bucket", request.bucket.as_str());
        xml.text("Key", request.key.as_str());
        xml.text("UploadId", &request.upload_id);
        owner.write(xml, "Initiator");
        owner.write(xml, "Owner");
        xml.text("StorageClass", STORAGE_CLASS);
        xml.number("PartNumberMarker", request.after);
        let last = page.parts.last().map_or(0, |part| part.number.get());
        xml.number("NextPartNumberMarker", last);
        xml.number("MaxParts", request.max_parts);
        truncated(xml, page.more == More::Yes);
        if let Some(checksum) = page.checksum {
            xml.text("ChecksumAlgorithm", checksum.algorithm.name());
            xml.text("ChecksumType", checksum.kind.name());
        }
        for part in page.parts {
            xml.element("Part", |xml| {
                xml.number("PartNumber", part.number.get());
                xml.text("LastModified", &iso8601(part.last_modified));
                xml.text("ETag", &quoted(part.etag));
                xml.number("Size", part.size_bytes);
                part_checksum(xml, part.checksum.as_ref());
            });
        }
    })
}

/// An upload of ListMultipartUploads.
#[derive(Clone, Copy, Debug)]
pub struct UploadEntry<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its id, as clients have it.
    pub upload_id: &'a str,
    /// When it was begun.
    pub initiated: Timestamp,
    /// The checksum that it was begun with.
    pub checksum: Option<MultipartChecksum>,
}

/// Where the next page of ListMultipartUploads begins.
#[derive(Clone, Copy, Debug)]
pub struct NextUpload<'a> {
    /// Its key-marker.
    pub key: &'a str,
    /// Its upload-id-marker.
    pub upload_id: &'a str,
}

/// A page of ListMultipartUploads.
#[derive(Clone, Copy, Debug)]
pub struct UploadPage<'a> {
    /// Its uploads, by key and then by age.
    pub uploads: &'a [UploadEntry<'a>],
    /// Common prefixes.
    pub common_prefixes: &'a [String],
    /// Where the next page begins.
    pub next: Option<NextUpload<'a>>,
}

/// Answers ListMultipartUploads.
pub fn list_multipart_uploads_result(
    request: &ListMultipartUploadsRequest,
    page: &UploadPage<'_>,
    owner: &Owner<'_>,
) -> String {
    let encode = |text| request.encoding.apply(text);
    Xml::document("ListMultipartUploadsResult", |xml| {
        xml.text("Bucket", request.bucket.as_str());
        xml.text("KeyMarker", &encode(request.key_marker.as_deref().unwrap_or_default()));
        xml.text("UploadIdMarker", request.upload_id_marker.as_deref().unwrap_or_default());
        xml.optional("NextKeyMarker", page.next.map(|next| encode(next.key)).as_deref());
        xml.optional("NextUploadIdMarker", page.next.map(|next| next.upload_id));
        xml.text("Prefix", &encode(&request.prefix));
        xml.optional("Delimiter", request.delimiter.as_deref().map(encode).as_deref());
        xml.number("MaxUploads", request.max_uploads);
        encoding_type(xml, request.encoding);
        truncated(xml, page.next.is_some());
        for upload in page.uploads {
            xml.element("Upload", |xml| {
                xml.text("Key", &encode(upload.key));
                xml.text("UploadId", upload.upload_id);
                owner.write(xml, "Initiator");
                owner.write(xml, "Owner");
                xml.text("StorageClass", STORAGE_CLASS);
                xml.text("Initiated", &iso8601(upload.initiated));
                if let Some(checksum) = upload.checksum {
                    xml.text("ChecksumAlgorithm", checksum.algorithm.name());
                    xml.text("ChecksumType", checksum.kind.name());
                }
            });
        }
        common_prefixes(xml, request.encoding, page.common_prefixes);
    })
}
