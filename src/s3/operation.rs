//! Every operation of the S3 model, by its name there, and whether this proxy answers it.
//!
//! The list is botocore's (`model.tsv`, 116 operations); the router's test holds the two together.

use std::fmt;

/// Whether an operation is answered or refused. Nothing is ever forwarded as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Parsed, authorised and answered.
    Implemented,
    /// Recognised by the router and refused by name.
    NotImplemented,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// An operation of the S3 model (2006-03-01).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// All of them, in the order of their names.
            pub const ALL: [Self; 116] = [$(Self::$name),*];

            /// The name in the S3 model, for metrics, logs and authorisation.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

operations! {
    /// `DELETE /{Bucket}/{Key+}`, with uploadId.
    AbortMultipartUpload,
    /// `POST /{Bucket}/{Key+}`, with uploadId.
    CompleteMultipartUpload,
    /// `PUT /{Bucket}/{Key+}`, with x-amz-copy-source.
    CopyObject,
    /// `PUT /{Bucket}`.
    CreateBucket,
    /// `POST /{Bucket}?metadataConfiguration`.
    CreateBucketMetadataConfiguration,
    /// `POST /{Bucket}?metadataTable`.
    CreateBucketMetadataTableConfiguration,
    /// `POST /{Bucket}/{Key+}?uploads`.
    CreateMultipartUpload,
    /// `GET /{Bucket}?session`.
    CreateSession,
    /// `DELETE /{Bucket}`.
    DeleteBucket,
    /// `DELETE /{Bucket}?analytics`, with id.
    DeleteBucketAnalyticsConfiguration,
    /// `DELETE /{Bucket}?cors`.
    DeleteBucketCors,
    /// `DELETE /{Bucket}?encryption`.
    DeleteBucketEncryption,
    /// `DELETE /{Bucket}?intelligent-tiering`, with id.
    DeleteBucketIntelligentTieringConfiguration,
    /// `DELETE /{Bucket}?inventory`, with id.
    DeleteBucketInventoryConfiguration,
    /// `DELETE /{Bucket}?lifecycle`.
    DeleteBucketLifecycle,
    /// `DELETE /{Bucket}?metadataConfiguration`.
    DeleteBucketMetadataConfiguration,
    /// `DELETE /{Bucket}?metadataTable`.
    DeleteBucketMetadataTableConfiguration,
    /// `DELETE /{Bucket}?metrics`, with id.
    DeleteBucketMetricsConfiguration,
    /// `DELETE /{Bucket}?ownershipControls`.
    DeleteBucketOwnershipControls,
    /// `DELETE /{Bucket}?policy`.
    DeleteBucketPolicy,
    /// `DELETE /{Bucket}?replication`.
    DeleteBucketReplication,
    /// `DELETE /{Bucket}?tagging`.
    DeleteBucketTagging,
    /// `DELETE /{Bucket}?website`.
    DeleteBucketWebsite,
    /// `DELETE /{Bucket}/{Key+}`.
    DeleteObject,
    /// `DELETE /{Bucket}/{Key+}?annotation`, with annotationName.
    DeleteObjectAnnotation,
    /// `DELETE /{Bucket}/{Key+}?tagging`.
    DeleteObjectTagging,
    /// `POST /{Bucket}?delete`.
    DeleteObjects,
    /// `DELETE /{Bucket}?publicAccessBlock`.
    DeletePublicAccessBlock,
    /// `GET /{Bucket}?abac`.
    GetBucketAbac,
    /// `GET /{Bucket}?accelerate`.
    GetBucketAccelerateConfiguration,
    /// `GET /{Bucket}?acl`.
    GetBucketAcl,
    /// `GET /{Bucket}?analytics`, with id.
    GetBucketAnalyticsConfiguration,
    /// `GET /{Bucket}?cors`.
    GetBucketCors,
    /// `GET /{Bucket}?encryption`.
    GetBucketEncryption,
    /// `GET /{Bucket}?intelligent-tiering`, with id.
    GetBucketIntelligentTieringConfiguration,
    /// `GET /{Bucket}?inventory`, with id.
    GetBucketInventoryConfiguration,
    /// `GET /{Bucket}?lifecycle`; deprecated twin on the same wire form.
    GetBucketLifecycle,
    /// `GET /{Bucket}?lifecycle`.
    GetBucketLifecycleConfiguration,
    /// `GET /{Bucket}?location`.
    GetBucketLocation,
    /// `GET /{Bucket}?logging`.
    GetBucketLogging,
    /// `GET /{Bucket}?metadataConfiguration`.
    GetBucketMetadataConfiguration,
    /// `GET /{Bucket}?metadataTable`.
    GetBucketMetadataTableConfiguration,
    /// `GET /{Bucket}?metrics`, with id.
    GetBucketMetricsConfiguration,
    /// `GET /{Bucket}?notification`; deprecated twin on the same wire form.
    GetBucketNotification,
    /// `GET /{Bucket}?notification`.
    GetBucketNotificationConfiguration,
    /// `GET /{Bucket}?ownershipControls`.
    GetBucketOwnershipControls,
    /// `GET /{Bucket}?policy`.
    GetBucketPolicy,
    /// `GET /{Bucket}?policyStatus`.
    GetBucketPolicyStatus,
    /// `GET /{Bucket}?replication`.
    GetBucketReplication,
    /// `GET /{Bucket}?requestPayment`.
    GetBucketRequestPayment,
    /// `GET /{Bucket}?tagging`.
    GetBucketTagging,
    /// `GET /{Bucket}?versioning`.
    GetBucketVersioning,
    /// `GET /{Bucket}?website`.
    GetBucketWebsite,
    /// `GET /{Bucket}/{Key+}`.
    GetObject,
    /// `GET /{Bucket}/{Key+}?acl`.
    GetObjectAcl,
    /// `GET /{Bucket}/{Key+}?annotation`, with annotationName.
    GetObjectAnnotation,
    /// `GET /{Bucket}/{Key+}?attributes`, with x-amz-object-attributes.
    GetObjectAttributes,
    /// `GET /{Bucket}/{Key+}?legal-hold`.
    GetObjectLegalHold,
    /// `GET /{Bucket}?object-lock`.
    GetObjectLockConfiguration,
    /// `GET /{Bucket}/{Key+}?retention`.
    GetObjectRetention,
    /// `GET /{Bucket}/{Key+}?tagging`.
    GetObjectTagging,
    /// `GET /{Bucket}/{Key+}?torrent`.
    GetObjectTorrent,
    /// `GET /{Bucket}?publicAccessBlock`.
    GetPublicAccessBlock,
    /// `HEAD /{Bucket}`.
    HeadBucket,
    /// `HEAD /{Bucket}/{Key+}`.
    HeadObject,
    /// `GET /{Bucket}?analytics`.
    ListBucketAnalyticsConfigurations,
    /// `GET /{Bucket}?intelligent-tiering`.
    ListBucketIntelligentTieringConfigurations,
    /// `GET /{Bucket}?inventory`.
    ListBucketInventoryConfigurations,
    /// `GET /{Bucket}?metrics`.
    ListBucketMetricsConfigurations,
    /// `GET /`.
    ListBuckets,
    /// `GET /`.
    ListDirectoryBuckets,
    /// `GET /{Bucket}?uploads`.
    ListMultipartUploads,
    /// `GET /{Bucket}/{Key+}?annotation`.
    ListObjectAnnotations,
    /// `GET /{Bucket}?versions`.
    ListObjectVersions,
    /// `GET /{Bucket}`.
    ListObjects,
    /// `GET /{Bucket}?list-type=2`.
    ListObjectsV2,
    /// `GET /{Bucket}/{Key+}`, with uploadId.
    ListParts,
    /// `PUT /{Bucket}?abac`.
    PutBucketAbac,
    /// `PUT /{Bucket}?accelerate`.
    PutBucketAccelerateConfiguration,
    /// `PUT /{Bucket}?acl`.
    PutBucketAcl,
    /// `PUT /{Bucket}?analytics`, with id.
    PutBucketAnalyticsConfiguration,
    /// `PUT /{Bucket}?cors`.
    PutBucketCors,
    /// `PUT /{Bucket}?encryption`.
    PutBucketEncryption,
    /// `PUT /{Bucket}?intelligent-tiering`, with id.
    PutBucketIntelligentTieringConfiguration,
    /// `PUT /{Bucket}?inventory`, with id.
    PutBucketInventoryConfiguration,
    /// `PUT /{Bucket}?lifecycle`; deprecated twin on the same wire form.
    PutBucketLifecycle,
    /// `PUT /{Bucket}?lifecycle`.
    PutBucketLifecycleConfiguration,
    /// `PUT /{Bucket}?logging`.
    PutBucketLogging,
    /// `PUT /{Bucket}?metrics`, with id.
    PutBucketMetricsConfiguration,
    /// `PUT /{Bucket}?notification`; deprecated twin on the same wire form.
    PutBucketNotification,
    /// `PUT /{Bucket}?notification`.
    PutBucketNotificationConfiguration,
    /// `PUT /{Bucket}?ownershipControls`.
    PutBucketOwnershipControls,
    /// `PUT /{Bucket}?policy`.
    PutBucketPolicy,
    /// `PUT /{Bucket}?replication`.
    PutBucketReplication,
    /// `PUT /{Bucket}?requestPayment`.
    PutBucketRequestPayment,
    /// `PUT /{Bucket}?tagging`.
    PutBucketTagging,
    /// `PUT /{Bucket}?versioning`.
    PutBucketVersioning,
    /// `PUT /{Bucket}?website`.
    PutBucketWebsite,
    /// `PUT /{Bucket}/{Key+}`.
    PutObject,
    /// `PUT /{Bucket}/{Key+}?acl`.
    PutObjectAcl,
    /// `PUT /{Bucket}/{Key+}?annotation`, with annotationName.
    PutObjectAnnotation,
    /// `PUT /{Bucket}/{Key+}?legal-hold`.
    PutObjectLegalHold,
    /// `PUT /{Bucket}?object-lock`.
    PutObjectLockConfiguration,
    /// `PUT /{Bucket}/{Key+}?retention`.
    PutObjectRetention,
    /// `PUT /{Bucket}/{Key+}?tagging`.
    PutObjectTagging,
    /// `PUT /{Bucket}?publicAccessBlock`.
    PutPublicAccessBlock,
    /// `PUT /{Bucket}/{Key+}?renameObject`, with x-amz-rename-source.
    RenameObject,
    /// `POST /{Bucket}/{Key+}?restore`.
    RestoreObject,
    /// `POST /{Bucket}/{Key+}?select&select-type=2`.
    SelectObjectContent,
    /// `PUT /{Bucket}?metadataAnnotationTable`.
    UpdateBucketMetadataAnnotationTableConfiguration,
    /// `PUT /{Bucket}?metadataInventoryTable`.
    UpdateBucketMetadataInventoryTableConfiguration,
    /// `PUT /{Bucket}?metadataJournalTable`.
    UpdateBucketMetadataJournalTableConfiguration,
    /// `PUT /{Bucket}/{Key+}?encryption`.
    UpdateObjectEncryption,
    /// `PUT /{Bucket}/{Key+}`, with partNumber, uploadId.
    UploadPart,
    /// `PUT /{Bucket}/{Key+}`, with partNumber, uploadId, with x-amz-copy-source.
    UploadPartCopy,
    /// `POST /WriteGetObjectResponse`, with x-amz-request-route,x-amz-request-token.
    WriteGetObjectResponse,
}

impl Operation {
    /// Whether this proxy answers it.
    pub const fn support(self) -> Support {
        match self {
            Self::AbortMultipartUpload
            | Self::CompleteMultipartUpload
            | Self::CopyObject
            | Self::CreateBucket
            | Self::CreateMultipartUpload
            | Self::DeleteBucket
            | Self::DeleteObject
            | Self::DeleteObjectTagging
            | Self::DeleteObjects
            | Self::GetBucketLocation
            | Self::GetBucketVersioning
            | Self::GetObject
            | Self::GetObjectTagging
            | Self::HeadBucket
            | Self::HeadObject
            | Self::ListBuckets
            | Self::ListMultipartUploads
            | Self::ListObjects
            | Self::ListObjectsV2
            | Self::ListParts
            | Self::PutObject
            | Self::PutObjectTagging
            | Self::UploadPart
            | Self::UploadPartCopy => Support::Implemented,
            _ => Support::NotImplemented,
        }
    }

    /// Whether it puts a new object under a key: the operations whose conditions guard a publication.
    pub const fn publishes(self) -> bool {
        matches!(self, Self::PutObject | Self::CopyObject | Self::CompleteMultipartUpload)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, Support};

    #[test]
    fn names_are_those_of_the_model_in_its_order() {
        let model = include_str!("model.tsv").lines().filter(|line| !line.starts_with('#'));
        let names: Vec<&str> = model.filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(names, Operation::ALL.map(Operation::name));
    }

    #[test]
    fn twenty_four_operations_are_answered() {
        let answered = Operation::ALL.into_iter().filter(|op| op.support() == Support::Implemented).count();
        assert_eq!(answered, 24);
    }
}
