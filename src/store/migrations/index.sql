-- The index of objects: an SQLite file of its own, always SQLite, on each proxy. It may be lost at any time. It has no
-- migrations: a file of another version is put aside and filled again by use.

CREATE TABLE objects (
    bucket_id       BLOB    NOT NULL,
    object_key      BLOB    NOT NULL,   -- bytes: compared as S3 does
    version         TEXT    NOT NULL,   -- '' for the current object of a bucket without versions
    -- The validator: upstream answers every LIST, HEAD and GET with both; a row that differs is a miss.
    upstream_etag   TEXT    NOT NULL,
    stored_bytes    INTEGER NOT NULL,
    plaintext_bytes INTEGER NOT NULL,
    sealed_facts    BLOB    NOT NULL,   -- ETag and more, under a key derived from the bucket key
    footer_id       BLOB    NOT NULL,
    key_id          BLOB    NOT NULL,
    key_version     INTEGER NOT NULL,
    PRIMARY KEY (bucket_id, object_key, version)
) WITHOUT ROWID;                        -- a page of LIST reads neighbours: one tree, no second lookup per row

-- M || T verbatim (ciphertext already). Beside the objects, because LIST never reads it and would page past it.
CREATE TABLE footers (
    bucket_id     BLOB NOT NULL,
    object_key    BLOB NOT NULL,
    version       TEXT NOT NULL,
    upstream_etag TEXT NOT NULL,
    footer        BLOB NOT NULL,
    PRIMARY KEY (bucket_id, object_key, version)
);
