-- Uploads at the upstream that copies are made in, while they are: after a crash they are aborted by their names. A
-- service need not list what is in flight (MinIO does for a whole key only), nor is all that it lists ours.
CREATE TABLE copy_uploads (
    upstream_upload_id TEXT   NOT NULL,
    bucket_id          BLOB   NOT NULL REFERENCES buckets (bucket_id) ON DELETE CASCADE,
    object_key         BLOB   NOT NULL,
    begun              BIGINT NOT NULL,
    -- An upstream's ids may be unique in a bucket only.
    PRIMARY KEY (bucket_id, upstream_upload_id)
);
CREATE INDEX copy_uploads_by_age ON copy_uploads (begun, upstream_upload_id, bucket_id);
