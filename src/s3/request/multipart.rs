//! The multipart requests.

use std::ops::Range;

use crate::base::limits::MAX_PART_NUMBER;
use crate::base::{BucketName, ChecksumType, ObjectKey, PartNumber};

use crate::s3::checksum::{BodyChecksums, MultipartChecksum, ObjectChecksumClaim, parse_kind};
use crate::s3::conditions::{ReadConditions, WriteCondition};
use crate::s3::content::{ContentHeaders, UserMetadata};
use crate::s3::copy_source::{CopySource, parse_range};
use crate::s3::fault::S3Fault;
use crate::s3::headers::RequestView;
use crate::s3::listing::{KeyEncoding, max_entries, number, text};
use crate::s3::tagging::TagSet;

use super::{part_number, upload};

/// CreateMultipartUpload. Conditions are not read: it publishes nothing, CompleteMultipartUpload does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateMultipartUploadRequest {
    /// The bucket of the object to come.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its Content-Type and kin.
    pub content: ContentHeaders,
    /// Its x-amz-meta-*.
    pub metadata: UserMetadata,
    /// Its tags.
    pub tags: TagSet,
    /// Its checksum; `None` is S3's own CRC64NVME.
    pub checksum: Option<MultipartChecksum>,
}

impl CreateMultipartUploadRequest {
    /// Reads target and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key) = request.object()?;
        Ok(Self {
            bucket,
            key,
            content: ContentHeaders::parse(request)?,
            metadata: UserMetadata::parse(request)?,
            tags: TagSet::parse_header(request)?,
            checksum: MultipartChecksum::parse(request)?,
        })
    }
}

/// UploadPart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPartRequest {
    /// The upload's bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its id, as the client sent it.
    pub upload_id: String,
    /// Which part.
    pub part_number: PartNumber,
    /// What must match before it is a part.
    pub checksums: BodyChecksums,
}

impl UploadPartRequest {
    /// Reads target, query and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key, upload_id) = upload(request)?;
        Ok(Self {
            bucket,
            key,
            upload_id,
            part_number: required_part_number(request)?,
            checksums: BodyChecksums::parse(request)?,
        })
    }
}

/// UploadPartCopy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPartCopyRequest {
    /// The upload's bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its id, as the client sent it.
    pub upload_id: String,
    /// Which part.
    pub part_number: PartNumber,
    /// The source, which is authorised on its own.
    pub source: CopySource,
    /// Which bytes of it, never empty; beyond its end is the client's mistake. `None` is all of them.
    pub range: Option<Range<u64>>,
    /// What must hold of the source.
    pub source_conditions: ReadConditions,
}

impl UploadPartCopyRequest {
    /// Reads target, query and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key, upload_id) = upload(request)?;
        Ok(Self {
            bucket,
            key,
            upload_id,
            part_number: required_part_number(request)?,
            source: CopySource::parse(request)?,
            range: parse_range(request)?,
            source_conditions: ReadConditions::parse_copy_source(request)?,
        })
    }
}

fn required_part_number(request: &RequestView<'_>) -> Result<PartNumber, S3Fault> {
    part_number(request)?.ok_or_else(|| S3Fault::argument("partNumber", "", "The part number is missing."))
}

/// CompleteMultipartUpload; its body is a CompleteMultipartUpload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteMultipartUploadRequest {
    /// The upload's bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its id, as the client sent it.
    pub upload_id: String,
    /// Of the body.
    pub document: BodyChecksums,
    /// The object's checksum, to be compared.
    pub checksum: Option<ObjectChecksumClaim>,
    /// The type it must have been begun with.
    pub checksum_type: Option<ChecksumType>,
    /// x-amz-mp-object-size: the plaintext bytes of all parts.
    pub object_bytes: Option<u64>,
    /// What must hold of the object that it replaces.
    pub condition: WriteCondition,
}

impl CompleteMultipartUploadRequest {
    /// Reads target, query and headers.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key, upload_id) = upload(request)?;
        let size = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let size = digits.then(|| text.parse::<u64>().ok()).flatten();
            size.ok_or_else(|| S3Fault::argument("x-amz-mp-object-size", text, "The size is not a number of bytes."))
        };
        Ok(Self {
            bucket,
            key,
            upload_id,
            document: BodyChecksums::parse_md5_alone(request)?,
            checksum: ObjectChecksumClaim::parse(request)?,
            checksum_type: parse_kind(request)?,
            object_bytes: request.text("x-amz-mp-object-size")?.map(|text| size(&text)).transpose()?,
            condition: WriteCondition::parse(request)?,
        })
    }
}

/// AbortMultipartUpload: nothing but the upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRequest {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its id, as the client sent it.
    pub upload_id: String,
}

impl UploadRequest {
    /// Reads target and query.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key, upload_id) = upload(request)?;
        Ok(Self { bucket, key, upload_id })
    }
}

/// ListParts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPartsRequest {
    /// The upload's bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its id, as the client sent it.
    pub upload_id: String,
    /// Only parts above this number; 0 is all.
    pub after: u16,
    /// 0 to 1000.
    pub max_parts: u32,
}

impl ListPartsRequest {
    /// Reads target and query.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let (bucket, key, upload_id) = upload(request)?;
        let marker = |text: &str| {
            let marker = number(text).filter(|number| i32::try_from(*number).is_ok());
            let refuse = || S3Fault::argument("part-number-marker", text, "The marker is not a part number.");
            marker.map(|number| u16::try_from(number).unwrap_or(MAX_PART_NUMBER)).ok_or_else(refuse)
        };
        Ok(Self {
            bucket,
            key,
            upload_id,
            after: request.parameter("part-number-marker").map(marker).transpose()?.unwrap_or(0),
            max_parts: max_entries(request, "max-parts")?,
        })
    }
}

/// ListMultipartUploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMultipartUploadsRequest {
    /// Which bucket.
    pub bucket: BucketName,
    /// Only keys that start with it; empty is all.
    pub prefix: String,
    /// Rolls keys up; of any length, never empty.
    pub delimiter: Option<String>,
    /// Only keys after this one, or uploads of this key after `upload_id_marker`.
    pub key_marker: Option<String>,
    /// Without effect where there is no `key_marker`, and then `None`.
    pub upload_id_marker: Option<String>,
    /// 0 to 1000.
    pub max_uploads: u32,
    /// How keys are written.
    pub encoding: KeyEncoding,
}

impl ListMultipartUploadsRequest {
    /// Reads target and query.
    pub fn parse(request: &RequestView<'_>) -> Result<Self, S3Fault> {
        let key_marker = text(request, "key-marker");
        let upload_id_marker = key_marker.as_ref().and_then(|_| text(request, "upload-id-marker"));
        Ok(Self {
            bucket: request.bucket()?,
            prefix: text(request, "prefix").unwrap_or_default(),
            delimiter: text(request, "delimiter"),
            key_marker,
            upload_id_marker,
            max_uploads: max_entries(request, "max-uploads")?,
            encoding: KeyEncoding::parse(request)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        CompleteMultipartUploadRequest, CreateMultipartUploadRequest, ListMultipartUploadsRequest, ListPartsRequest,
        UploadPartCopyRequest, UploadPartRequest, UploadRequest,
    };
    use crate::s3::S3Fault;
    use crate::s3::conditions::WriteCondition;
    use crate::s3::sample::read;

    #[test]
    fn create_takes_what_put_object_takes() {
        let headers = [("x-amz-meta-a", "1"), ("x-amz-tagging", "t=1"), ("x-amz-checksum-algorithm", "CRC64NVME")];
        let request = read("POST /bucket/key?uploads", &headers, CreateMultipartUploadRequest::parse).expect("sound");
        assert_eq!(request.metadata.iter().count(), 1);
        assert!(request.checksum.is_some());
    }

    #[test]
    fn parts_are_numbered_from_1_to_10000() {
        let part = |number: &str| {
            let line = format!("PUT /bucket/key?partNumber={number}&uploadId=u");
            read(&line, &[], UploadPartRequest::parse).map(|request| request.part_number.get())
        };
        assert_eq!((part("1"), part("10000")), (Ok(1), Ok(10_000)));
        for number in ["0", "10001", "-1", "x", "", "1.0", "65537"] {
            assert!(matches!(part(number), Err(S3Fault::InvalidArgument { .. })), "{number}");
        }
    }

    #[test]
    fn an_upload_id_that_cannot_be_ours_is_no_upload() {
        for id in [String::new(), "u".repeat(257)] {
            let fault = read(&format!("DELETE /bucket/key?uploadId={id}"), &[], UploadRequest::parse);
            assert_eq!(fault, Err(S3Fault::NoSuchUpload { upload_id: id }));
        }
    }

    #[test]
    fn a_part_copy_has_a_source_and_perhaps_a_range() {
        let copy = |range: &[(&str, &str)]| {
            let headers = [&[("x-amz-copy-source", "b-1/k%2F%3F")], range].concat();
            read("PUT /bucket/key?partNumber=1&uploadId=u", &headers, UploadPartCopyRequest::parse)
        };
        assert_eq!(copy(&[]).map(|request| request.range), Ok(None));
        let request = copy(&[("x-amz-copy-source-range", "bytes=1-2")]).expect("sound");
        assert_eq!((request.source.key.as_str(), request.range), ("k/?", Some(1..3)));
    }

    #[test]
    fn complete_reads_size_type_and_condition() {
        let complete = |headers: &[(&str, &str)]| {
            read("POST /bucket/key?uploadId=u", headers, CompleteMultipartUploadRequest::parse)
        };
        let headers =
            [("x-amz-mp-object-size", "6442450944"), ("x-amz-checksum-type", "COMPOSITE"), ("if-none-match", "*")];
        let request = complete(&headers).expect("sound");
        assert_eq!((request.object_bytes, request.condition), (Some(6 << 30), WriteCondition::Absent));
        for size in ["", "-1", "x", "99999999999999999999"] {
            let fault = complete(&[("x-amz-mp-object-size", size)]);
            assert!(matches!(fault, Err(S3Fault::InvalidArgument { .. })), "{size}");
        }
    }

    #[test]
    fn markers_of_parts_are_numbers() {
        let parts = |query: &str| read(&format!("GET /bucket/key?uploadId=u{query}"), &[], ListPartsRequest::parse);
        assert_eq!(parts("").map(|request| (request.after, request.max_parts)), Ok((0, 1000)));
        let marker = |text: &str| parts(&format!("&part-number-marker={text}&max-parts=3"));
        assert_eq!(marker("7").map(|request| (request.after, request.max_parts)), Ok((7, 3)));
        assert_eq!(marker("70000").map(|request| request.after), Ok(10_000));
        assert!(matches!(marker("x"), Err(S3Fault::InvalidArgument { .. })));
    }

    #[test]
    fn an_upload_id_marker_alone_means_nothing() {
        let list = |query: &str| read(&format!("GET /bucket?uploads{query}"), &[], ListMultipartUploadsRequest::parse);
        assert_eq!(list("&upload-id-marker=u").map(|request| request.upload_id_marker), Ok(None));
        let request = list("&key-marker=k&upload-id-marker=u").expect("sound");
        assert_eq!((request.key_marker.as_deref(), request.upload_id_marker.as_deref()), (Some("k"), Some("u")));
    }
}
