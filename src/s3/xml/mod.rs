//! XML as S3 has it: bounded parsers for the bodies of requests, writers for every answer.
//!
//! Parsers take a whole body, at most as long as the limit that stands beside each; they know no DTD and no entities
//! but the five of XML itself. Writers return a document that begins with [`DECLARATION`].

mod answers;
mod bodies;
mod lists;
mod reader;
mod writer;

pub use answers::{
    CompletedUpload, DeleteFailure, DeleteOutcome, ErrorAnswer, complete_multipart_upload_result, copy_object_result,
    copy_part_result, delete_result, error, initiate_multipart_upload_result, location_constraint, object_path,
    tagging, versioning_configuration,
};
pub use bodies::{
    CompletedPart, DeleteBody, DeleteEntry, DeleteTarget, MAX_COMPLETE_XML_BYTES, MAX_CREATE_BUCKET_XML_BYTES,
    MAX_DELETE_XML_BYTES, MAX_TAGGING_XML_BYTES, Verbosity, complete_multipart_upload, create_bucket_configuration,
    delete, put_tagging,
};
pub use lists::{
    BucketEntry, BucketPage, ListPage, More, NextUpload, ObjectEntry, Owner, PartEntry, PartPage, UploadEntry,
    UploadPage, list_all_my_buckets_result, list_bucket_result, list_bucket_result_v2, list_multipart_uploads_result,
    list_parts_result,
};
pub use writer::DECLARATION;
