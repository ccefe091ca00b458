-- What the directory's blobs are called. Blobs are immutable files of random names; each is owned by exactly one row
-- of `extent` or `part`, and a blob that no row names is a leftover.

CREATE TABLE bucket (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT;

-- The current version of every key, one row each, so that a listing never steps over old ones (versioning will keep
-- those, and delete markers, in a table of their own). `key` is a BLOB: blobs compare by memcmp, which is S3's order
-- of UTF-8 bytes, whatever the key contains. AUTOINCREMENT: an id is never used again, so "is this row still there?"
-- can be asked by id. `tags` is S3's own header form, percent-encoded `name=value&name=value`.
CREATE TABLE object (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket           INTEGER NOT NULL REFERENCES bucket (id),
    key              BLOB    NOT NULL,
    etag             BLOB    NOT NULL CHECK (length(etag) = 16),
    stored_bytes     INTEGER NOT NULL CHECK (stored_bytes >= 0),
    last_modified_ms INTEGER NOT NULL,
    tags             TEXT    NOT NULL,
    UNIQUE (bucket, key)
) STRICT;

-- The blobs of an object, in order. By `start_byte`, so that a range of a 10,000-part object finds its few blobs
-- without reading the other rows. `object` refers to no table, because the row may move among old versions.
CREATE TABLE extent (
    object       INTEGER NOT NULL,
    start_byte   INTEGER NOT NULL CHECK (start_byte >= 0),
    blob         BLOB    NOT NULL UNIQUE CHECK (length(blob) = 16),
    stored_bytes INTEGER NOT NULL CHECK (stored_bytes >= 0),
    PRIMARY KEY (object, start_byte)
) STRICT, WITHOUT ROWID;

-- Multipart uploads in flight. `upload_id` is TEXT: ListMultipartUploads pages by it, from markers that clients make up.
CREATE TABLE upload (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket       INTEGER NOT NULL REFERENCES bucket (id),
    key          BLOB    NOT NULL,
    upload_id    TEXT    NOT NULL UNIQUE,
    tags         TEXT    NOT NULL,
    initiated_ms INTEGER NOT NULL,
    UNIQUE (bucket, key, upload_id)
) STRICT;

-- A part is its blob, and the blob's name is its ETag. A re-sent part replaces the row: the last to finish wins.
CREATE TABLE part (
    upload           INTEGER NOT NULL REFERENCES upload (id),
    number           INTEGER NOT NULL CHECK (number BETWEEN 1 AND 10001),
    blob             BLOB    NOT NULL UNIQUE CHECK (length(blob) = 16),
    stored_bytes     INTEGER NOT NULL CHECK (stored_bytes >= 0),
    last_modified_ms INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
