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
    /// Where it is, as GetBucketLocation and HeadBucket say.
    pub region: &'a str,
}

/// A page of ListBuckets.
#[derive(Clone, Copy, Debug)]
pub struct BucketPage<'a> {
    /// Its buckets, by name.
    pub buckets: &'a [BucketEntry<'a>],
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
                        xml.text("BucketRegion", bucket.region);
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

#[cfg(test)]
mod tests {
    use super::{
        BucketEntry, BucketPage, ListPage, More, NextUpload, ObjectEntry, Owner, PartEntry, PartPage, UploadEntry,
        UploadPage, list_all_my_buckets_result, list_bucket_result, list_bucket_result_v2,
        list_multipart_uploads_result, list_parts_result,
    };
    use crate::base::{ChecksumAlgorithm, ChecksumType, ETag, Md5, PartNumber, Timestamp};
    use crate::s3::listing::ContinuationToken;
    use crate::s3::request::{
        ListBucketsRequest, ListMultipartUploadsRequest, ListObjectsRequest, ListObjectsV2Request, ListPartsRequest,
    };
    use crate::s3::sample::read;
    use crate::s3::xml::DECLARATION;
    use crate::s3::xml::reader::{Element, Limits, parse};

    use percent_encoding::percent_decode_str;
    use proptest::prelude::{any, proptest};

    const OWNER: Owner<'_> = Owner { id: "0123", display_name: "root" };
    const AT: Timestamp = Timestamp::from_unix_millis(1_741_305_906_789);
    const EMPTY_MD5: ETag =
        ETag::Md5(Md5([0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0, 0xb2, 4, 0xe9, 0x80, 9, 0x98, 0xec, 0xf8, 0x42, 0x7e]));

    fn tree(document: &str, root: &str) -> Element {
        assert!(document.starts_with(DECLARATION));
        parse(document.as_bytes(), root, Limits { bytes: 1 << 20, elements: 1000 }).expect(document)
    }

    fn entry(key: &str) -> ObjectEntry<'_> {
        let checksum = Some((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject));
        ObjectEntry { key, last_modified: AT, etag: EMPTY_MD5, size_bytes: 0, checksum }
    }

    fn text<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
        element.text_of(name).expect("at most one")
    }

    fn v2(query: &str, page: &ListPage<'_>) -> Element {
        let request =
            read(&format!("GET /bucket?list-type=2{query}"), &[], ListObjectsV2Request::parse).expect("sound");
        tree(&list_bucket_result_v2(&request, page, &OWNER), "ListBucketResult")
    }

    #[test]
    fn a_page_of_version_two() {
        let page = ListPage { objects: &[entry("a")], common_prefixes: &["b/".to_owned()], next_after: Some("b/") };
        let root = v2("&delimiter=%2F&start-after=0&max-keys=2", &page);
        let expected = [
            ("Name", "bucket"),
            ("Prefix", ""),
            ("StartAfter", "0"),
            ("KeyCount", "2"),
            ("MaxKeys", "2"),
            ("Delimiter", "/"),
            ("IsTruncated", "true"),
        ];
        for (name, value) in expected {
            assert_eq!(text(&root, name), Some(value), "{name}");
        }
        let next = text(&root, "NextContinuationToken").expect("a token");
        assert_eq!(ContinuationToken::decode(next).expect("ours").after, "b/");
        let object = root.one("Contents").expect("one").expect("one");
        assert_eq!(text(object, "ETag"), Some("\"d41d8cd98f00b204e9800998ecf8427e\""));
        assert_eq!((text(object, "Size"), text(object, "StorageClass")), (Some("0"), Some("STANDARD")));
        assert_eq!(text(object, "LastModified"), Some("2025-03-07T00:05:06.000Z"));
        assert_eq!(text(object, "ChecksumAlgorithm"), Some("CRC64NVME"));
        assert_eq!(object.one("Owner").expect("at most one").map(|_| ()), None);
        assert_eq!(text(root.one("CommonPrefixes").expect("one").expect("one"), "Prefix"), Some("b/"));
    }

    #[test]
    fn owners_are_shown_when_asked_for() {
        let page = ListPage { objects: &[entry("a")], common_prefixes: &[], next_after: None };
        let root = v2("&fetch-owner=true", &page);
        let owner = root.one("Contents").expect("one").expect("one").one("Owner").expect("one").expect("one");
        assert_eq!(text(owner, "ID"), Some("0123"));
        assert_eq!((text(&root, "IsTruncated"), text(&root, "NextContinuationToken")), (Some("false"), None));
    }

    #[test]
    fn version_one_names_the_next_marker_only_with_a_delimiter() {
        let page = ListPage { objects: &[entry("a b")], common_prefixes: &[], next_after: Some("a b") };
        let list = |query: &str| {
            let request = read(&format!("GET /bucket?{query}"), &[], ListObjectsRequest::parse).expect("sound");
            tree(&list_bucket_result(&request, &page, &OWNER), "ListBucketResult")
        };
        assert_eq!(text(&list("marker=x"), "NextMarker"), None);
        let root = list("delimiter=%20%2F&marker=a%20a&prefix=a%20&encoding-type=url");
        for (name, value) in [("NextMarker", "a%20b"), ("Marker", "a%20a"), ("Prefix", "a%20"), ("Delimiter", "%20/")] {
            assert_eq!(text(&root, name), Some(value), "{name}");
        }
        assert_eq!(text(&root, "EncodingType"), Some("url"));
    }

    #[test]
    fn buckets_name_their_region_to_clients_that_know_pages() {
        let buckets = [BucketEntry { name: "b-1", created: AT, region: "eu-west-1" }];
        let next = ContinuationToken { after: "b-1".to_owned() };
        let page = BucketPage { buckets: &buckets, next: Some(&next) };
        for (line, region) in [("GET /", None), ("GET /?max-buckets=1", Some("eu-west-1"))] {
            let request = read(line, &[], ListBucketsRequest::parse).expect("sound");
            let root = tree(&list_all_my_buckets_result(&request, &page, &OWNER), "ListAllMyBucketsResult");
            let bucket = root.one("Buckets").expect("one").expect("one").one("Bucket").expect("one").expect("one");
            assert_eq!((text(bucket, "Name"), text(bucket, "BucketRegion")), (Some("b-1"), region));
        }
    }

    #[test]
    fn parts_and_their_markers() {
        let number = PartNumber::new(7).expect("a number");
        let part = PartEntry { number, last_modified: AT, etag: EMPTY_MD5, size_bytes: 5, checksum: None };
        let page = PartPage { parts: &[part], more: More::Yes, checksum: None };
        let request = read("GET /bucket/key?uploadId=u&part-number-marker=3", &[], ListPartsRequest::parse);
        let root = tree(&list_parts_result(&request.expect("sound"), &page, &OWNER), "ListPartsResult");
        assert_eq!((text(&root, "PartNumberMarker"), text(&root, "NextPartNumberMarker")), (Some("3"), Some("7")));
        assert_eq!(text(&root, "IsTruncated"), Some("true"));
        assert_eq!(text(root.one("Part").expect("one").expect("one"), "Size"), Some("5"));
    }

    #[test]
    fn uploads_are_encoded_and_their_ids_are_not() {
        let uploads = [UploadEntry { key: "a b", upload_id: "u+1", initiated: AT, checksum: None }];
        let next = Some(NextUpload { key: "a b", upload_id: "u+1" });
        let page = UploadPage { uploads: &uploads, common_prefixes: &["c d/".to_owned()], next };
        let request = read("GET /bucket?uploads&encoding-type=url", &[], ListMultipartUploadsRequest::parse);
        let document = list_multipart_uploads_result(&request.expect("sound"), &page, &OWNER);
        let root = tree(&document, "ListMultipartUploadsResult");
        assert_eq!((text(&root, "NextKeyMarker"), text(&root, "NextUploadIdMarker")), (Some("a%20b"), Some("u+1")));
        let upload = root.one("Upload").expect("one").expect("one");
        assert_eq!((text(upload, "Key"), text(upload, "UploadId")), (Some("a%20b"), Some("u+1")));
    }

    proptest! {
        #[test]
        fn odd_keys_survive_the_document(key in any::<String>()) {
            // XML has no way at all to write NUL; S3 has such keys, and clients ask for encoding-type=url.
            let key = key.replace('\0', "");
            let page = ListPage { objects: &[entry(&key)], common_prefixes: std::slice::from_ref(&key), next_after: None };
            let root = v2("", &page);
            assert_eq!(text(root.one("Contents").expect("one").expect("one"), "Key"), Some(key.as_str()));
        }

        #[test]
        fn encoded_keys_survive_with_every_character(key in any::<String>()) {
            let page = ListPage { objects: &[entry(&key)], common_prefixes: &[], next_after: None };
            let root = v2("&encoding-type=url", &page);
            let encoded = text(root.one("Contents").expect("one").expect("one"), "Key").expect("a key");
            assert_eq!(percent_decode_str(encoded).decode_utf8().expect("UTF-8"), key);
        }
    }
}
