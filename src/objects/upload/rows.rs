//! What the rows of an upload hold sealed: headers and metadata, part digests, the result. Sealed under K_upload,
//! each bound to its row, so that a row moved to another upload or part does not open.

use std::sync::Arc;

use crate::base::{
    ChecksumAlgorithm, ChecksumType, Digest, ETag, Md5, ObjectChecksum, ObjectKey, PartNumber, PrincipalId, Timestamp,
    random,
};
use crate::envelope::{BodyKeys, Manifest, ManifestPart, ObjectName, Salt, open_record, seal_record};
use crate::keys::UnwrappedDek;
use crate::store::{BucketRow, PartRow, UploadId, UploadRow};

use super::super::Objects;
use super::super::error::ObjectError;
use super::super::facts::ListedFacts;
use super::super::put::{NewObject, Written};

/// What CreateMultipartUpload fixed.
pub(super) struct UploadFacts {
    /// Algorithm and type, where the client named them.
    pub(super) checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Content headers, metadata and owner; everything else in it is blank.
    pub(super) blank: Manifest,
}

/// An upload with its keys and what its row held sealed.
pub(super) struct OpenUpload {
    pub(super) row: UploadRow,
    pub(super) name: ObjectName,
    pub(super) dek: Arc<UnwrappedDek>,
    pub(super) facts: UploadFacts,
}

/// The digests of one part.
pub(super) struct PartDigests {
    /// MD5 or opaque.
    pub(super) etag: ETag,
    pub(super) digests: Vec<Digest>,
}

impl PartDigests {
    /// The digest of one algorithm.
    pub(super) fn of(&self, algorithm: ChecksumAlgorithm) -> Option<Digest> {
        self.digests.iter().find(|digest| digest.algorithm() == algorithm).copied()
    }
}

impl Objects {
    /// An upload by its id, for exactly this bucket and key, with its keys.
    pub(super) async fn open_upload(
        &self,
        bucket: &BucketRow,
        key: &ObjectKey,
        upload_id: &str,
    ) -> Result<OpenUpload, ObjectError> {
        let upload_id = UploadId::parse(upload_id).ok_or(ObjectError::NoSuchUpload)?;
        let row = self.inner.store.upload(&upload_id).await?.ok_or(ObjectError::NoSuchUpload)?;
        if row.bucket_id != bucket.bucket_id || row.key != *key {
            return Err(ObjectError::NoSuchUpload);
        }
        self.open_upload_row(bucket, row).await
    }

    /// The keys of an upload of this bucket, and what its row holds sealed.
    pub(super) async fn open_upload_row(&self, bucket: &BucketRow, row: UploadRow) -> Result<OpenUpload, ObjectError> {
        let name = ObjectName::new(&bucket.bucket_id, row.key.as_bytes());
        let dek = self.inner.keys.open_dek(bucket.domain_id, &row.body_id, &name, &row.wrapped_dek).await?;
        let sealed = open_record(dek.keys().upload(), &facts_context(&row.upload_id), &row.sealed_facts)?;
        let facts = decode_facts(&sealed)?;
        Ok(OpenUpload { row, name, dek, facts })
    }
}

impl OpenUpload {
    /// Opens the digests of a part row of this upload.
    pub(super) fn digests(&self, part: &PartRow) -> Result<PartDigests, ObjectError> {
        let context = part_context(&self.row.upload_id, part.number, &part.salt);
        decode_digests(&open_record(self.dek.keys().upload(), &context, &part.sealed_digests)?)
    }

    /// Seals the digests of a part row to be.
    pub(super) fn seal_digests(&self, number: PartNumber, salt: &Salt, digests: &PartDigests) -> Vec<u8> {
        let context = part_context(&self.row.upload_id, number, salt);
        seal_record(self.dek.keys().upload(), &context, random::bytes(), &encode_digests(digests))
    }

    /// Seals the answer of Complete, for whoever asks again.
    pub(super) fn seal_result(&self, written: &Written) -> Vec<u8> {
        seal_record(
            self.dek.keys().upload(),
            &result_context(&self.row.upload_id),
            random::bytes(),
            &encode_result(written),
        )
    }

    /// The answer of a Complete that succeeded before.
    pub(super) fn result(&self, sealed: &[u8]) -> Result<Written, ObjectError> {
        decode_result(&open_record(self.dek.keys().upload(), &result_context(&self.row.upload_id), sealed)?)
    }
}

/// Seals what CreateMultipartUpload fixed.
pub(super) fn seal_facts(
    keys: &BodyKeys,
    upload_id: &UploadId,
    object: NewObject,
    checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    created: Timestamp,
) -> Result<Vec<u8>, ObjectError> {
    let mut encoded = match checksum {
        None => vec![0, 0],
        Some((algorithm, ChecksumType::FullObject)) => vec![algorithm.code(), 1],
        Some((algorithm, ChecksumType::Composite)) => vec![algorithm.code(), 2],
    };
    let blank = blank_manifest(object.content_headers, object.user_metadata, object.owner, created);
    encoded.extend(blank.encode().map_err(|_| ObjectError::MetadataTooLarge)?);
    Ok(seal_record(keys.upload(), &facts_context(upload_id), random::bytes(), &encoded))
}

fn blank_manifest(
    content_headers: Vec<(crate::envelope::ContentHeader, Vec<u8>)>,
    user_metadata: Vec<(Vec<u8>, Vec<u8>)>,
    owner: PrincipalId,
    created: Timestamp,
) -> Manifest {
    Manifest {
        plaintext_bytes: 0,
        etag: ETag::Opaque([0; 16]),
        checksums: Vec::new(),
        parts: vec![ManifestPart::single(0, [0; 24])],
        content_headers,
        user_metadata,
        owner,
        created,
    }
}

fn decode_facts(bytes: &[u8]) -> Result<UploadFacts, ObjectError> {
    let [code, type_code, manifest @ ..] = bytes else { return Err(ObjectError::Row("an upload's facts")) };
    let algorithm = ChecksumAlgorithm::from_code(*code);
    let checksum = match (algorithm, type_code) {
        (None, 0) if *code == 0 => None,
        (Some(algorithm), 1) => Some((algorithm, ChecksumType::FullObject)),
        (Some(algorithm), 2) => Some((algorithm, ChecksumType::Composite)),
        _ => return Err(ObjectError::Row("an upload's checksum declaration")),
    };
    Ok(UploadFacts { checksum, blank: Manifest::decode(manifest)? })
}

fn encode_digests(part: &PartDigests) -> Vec<u8> {
    let (kind, value) = match part.etag {
        // A part's ETag is never one of a multipart object; 2 is that one's number elsewhere.
        ETag::Md5(md5) | ETag::Multipart(md5, _) => (1, md5.0),
        ETag::Opaque(random) => (3, random),
    };
    let mut out = vec![kind];
    out.extend(value);
    for digest in &part.digests {
        out.push(digest.algorithm().code());
        out.extend_from_slice(digest.bytes());
    }
    out
}

fn decode_digests(bytes: &[u8]) -> Result<PartDigests, ObjectError> {
    let damaged = ObjectError::Row("a part's digests");
    let Some((&[kind, ref value @ ..], mut rest)) = bytes.split_first_chunk::<17>() else { return Err(damaged) };
    let etag = match kind {
        1 => ETag::Md5(Md5(*value)),
        3 => ETag::Opaque(*value),
        _ => return Err(damaged),
    };
    let mut digests = Vec::new();
    while let [code, tail @ ..] = rest {
        let Some(algorithm) = ChecksumAlgorithm::from_code(*code) else { return Err(damaged) };
        let Some((digest, tail)) = tail.split_at_checked(algorithm.digest_bytes()) else { return Err(damaged) };
        digests.extend(Digest::new(algorithm, digest));
        rest = tail;
    }
    Ok(PartDigests { etag, digests })
}

/// Listed facts, plaintext length, the number of checksum parts, the checksum's value.
fn encode_result(written: &Written) -> Vec<u8> {
    let listed = ListedFacts {
        etag: written.etag,
        checksum: written.checksum.map(|checksum| (checksum.digest.algorithm(), checksum.kind)),
        last_modified: written.last_modified,
        tag_count: 0,
    };
    let mut out = listed.encode().to_vec();
    out.extend(written.plaintext_bytes.to_be_bytes());
    out.extend(written.checksum.map_or(0, |checksum| checksum.parts).to_be_bytes());
    out.extend_from_slice(written.checksum.as_ref().map_or(&[], |checksum| checksum.digest.bytes()));
    out
}

fn decode_result(bytes: &[u8]) -> Result<Written, ObjectError> {
    let damaged = ObjectError::Row("an upload's result");
    let Some((listed, rest)) = bytes.split_at_checked(ListedFacts::ENCODED_BYTES) else { return Err(damaged) };
    let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Err(damaged) };
    let Some((parts, digest)) = rest.split_first_chunk::<2>() else { return Err(damaged) };
    let listed = ListedFacts::decode(listed)?;
    let checksum = match listed.checksum {
        None => None,
        Some((algorithm, kind)) => {
            let digest = Digest::new(algorithm, digest).ok_or(damaged)?;
            Some(ObjectChecksum { digest, kind, parts: u16::from_be_bytes(*parts) })
        }
    };
    Ok(Written {
        etag: listed.etag,
        checksum,
        version: None,
        last_modified: listed.last_modified,
        plaintext_bytes: u64::from_be_bytes(*length),
    })
}

fn facts_context(upload_id: &UploadId) -> Vec<u8> {
    [b"upload facts\0".as_slice(), upload_id.as_str().as_bytes()].concat()
}

fn result_context(upload_id: &UploadId) -> Vec<u8> {
    [b"upload result\0".as_slice(), upload_id.as_str().as_bytes()].concat()
}

fn part_context(upload_id: &UploadId, number: PartNumber, salt: &Salt) -> Vec<u8> {
    [b"part digests\0".as_slice(), upload_id.as_str().as_bytes(), &[0], &number.get().to_be_bytes(), salt].concat()
}
