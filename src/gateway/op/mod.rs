//! One file per S3 operation. Each takes a permitted request, and says in S3's terms what `objects` did with it.

use crate::authz::Permit;
use crate::s3::request::{
    BucketRequest, CompleteMultipartUploadRequest, CopyObjectRequest, CreateBucketRequest,
    CreateMultipartUploadRequest, DeleteObjectRequest, DeleteObjectsRequest, GetObjectRequest, ListBucketsRequest,
    ListMultipartUploadsRequest, ListObjectsRequest, ListObjectsV2Request, ListPartsRequest, ObjectRequest,
    PutObjectRequest, PutObjectTaggingRequest, UploadPartCopyRequest, UploadPartRequest, UploadRequest,
};
use crate::s3::{Operation as Op, S3Fault};
use crate::store::BucketRow;

use super::body::Arriving;
use super::call::Call;
use super::error::Failure;
use super::reply::Reply;

mod abort_multipart_upload;
mod complete_multipart_upload;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_object;
mod delete_object_tagging;
mod delete_objects;
mod get_bucket_location;
mod get_bucket_versioning;
mod get_object;
mod get_object_tagging;
mod head_bucket;
mod head_object;
mod list_buckets;
mod list_multipart_uploads;
mod list_objects;
mod list_objects_v2;
mod list_parts;
mod put_object;
mod put_object_tagging;
mod upload_part;
mod upload_part_copy;

/// Reads the typed request of the permitted operation, and carries it out. `bucket` is the target's, where it has one
/// that is there.
pub(super) async fn dispatch(
    call: &Call<'_>,
    permit: Permit,
    bucket: Option<&BucketRow>,
    body: &mut Arriving,
) -> Result<Reply, Failure> {
    let view = &call.view;
    let operation = permit.operation();
    let Some(bucket) = bucket else {
        return match operation {
            Op::ListBuckets => list_buckets::answer(call, permit.with(ListBucketsRequest::parse(view)?)).await,
            Op::CreateBucket => create_bucket::answer(call, permit.with(CreateBucketRequest::parse(view)?), body).await,
            other => Err(S3Fault::OperationNotImplemented(other).into()),
        };
    };
    let body_bytes = body.payload_bytes(call.who.payload());
    match operation {
        Op::HeadBucket => Ok(head_bucket::answer(bucket, &permit.with(BucketRequest::parse(view)?))),
        Op::GetBucketLocation => Ok(get_bucket_location::answer(bucket, &permit.with(BucketRequest::parse(view)?))),
        Op::GetBucketVersioning => Ok(get_bucket_versioning::answer(&permit.with(BucketRequest::parse(view)?))),
        Op::DeleteBucket => delete_bucket::answer(call, bucket, permit.with(BucketRequest::parse(view)?)).await,
        Op::ListObjects => list_objects::answer(call, bucket, permit.with(ListObjectsRequest::parse(view)?)).await,
        Op::ListObjectsV2 => {
            list_objects_v2::answer(call, bucket, permit.with(ListObjectsV2Request::parse(view)?)).await
        }
        Op::DeleteObjects => {
            delete_objects::answer(call, bucket, permit.with(DeleteObjectsRequest::parse(view)?), body).await
        }

        Op::GetObject => get_object::answer(call, bucket, permit.with(GetObjectRequest::parse(view)?)).await,
        Op::HeadObject => head_object::answer(call, bucket, permit.with(GetObjectRequest::parse(view)?)).await,
        Op::PutObject => put_object::answer(call, bucket, permit.with(PutObjectRequest::parse(view)?), body).await,
        Op::CopyObject => {
            copy_object::answer(call, bucket, permit.with(CopyObjectRequest::parse(view)?), body_bytes).await
        }
        Op::DeleteObject => delete_object::answer(call, bucket, permit.with(DeleteObjectRequest::parse(view)?)).await,
        Op::GetObjectTagging => {
            get_object_tagging::answer(call, bucket, permit.with(ObjectRequest::parse(view)?)).await
        }
        Op::PutObjectTagging => {
            put_object_tagging::answer(call, bucket, permit.with(PutObjectTaggingRequest::parse(view)?), body).await
        }
        Op::DeleteObjectTagging => {
            delete_object_tagging::answer(call, bucket, permit.with(ObjectRequest::parse(view)?)).await
        }

        Op::CreateMultipartUpload => {
            create_multipart_upload::answer(call, bucket, permit.with(CreateMultipartUploadRequest::parse(view)?)).await
        }
        Op::UploadPart => upload_part::answer(call, bucket, permit.with(UploadPartRequest::parse(view)?), body).await,
        Op::UploadPartCopy => {
            upload_part_copy::answer(call, bucket, permit.with(UploadPartCopyRequest::parse(view)?), body_bytes).await
        }
        Op::ListParts => list_parts::answer(call, bucket, permit.with(ListPartsRequest::parse(view)?)).await,
        Op::ListMultipartUploads => {
            list_multipart_uploads::answer(call, bucket, permit.with(ListMultipartUploadsRequest::parse(view)?)).await
        }
        Op::CompleteMultipartUpload => {
            let request = CompleteMultipartUploadRequest::parse(view)?;
            complete_multipart_upload::answer(call, bucket, permit.with(request), body).await
        }
        Op::AbortMultipartUpload => {
            abort_multipart_upload::answer(call, bucket, permit.with(UploadRequest::parse(view)?)).await
        }
        // The rest of the model was refused before anybody asked whether it is permitted.
        other => Err(S3Fault::OperationNotImplemented(other).into()),
    }
}
