//! Tests of the S3 upstream: against a double that fails on demand, and against a real MinIO.

mod minio;
