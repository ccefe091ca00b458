-- The proxy's state. Written for SQLite and, with BLOB read as BYTEA, for Postgres: no type, function or clause that
-- only one of them has. What is secret arrives here wrapped or sealed; nothing in this file opens anything.

-- One row: which deployment this is, and which keyring its keys are wrapped by. A start with another keyring must
-- be refused before it makes keys that nobody can find again, so the keyring's name is kept.
CREATE TABLE deployment (
    only_row          BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    deployment_id     BLOB   NOT NULL CHECK (octet_length(deployment_id) = 16),
    keyring           TEXT   NOT NULL,
    -- The state key (seals access keys' secrets), wrapped by the keyring; rewrapped when the KEK rotates.
    state_key_version BIGINT NOT NULL,
    state_key_wrap    BLOB   NOT NULL,
    created           BIGINT NOT NULL               -- milliseconds since 1970, as every time here
);

CREATE TABLE principals (
    principal_id BLOB   NOT NULL PRIMARY KEY CHECK (octet_length(principal_id) = 16),
    name         TEXT   NOT NULL UNIQUE,
    kind         BIGINT NOT NULL CHECK (kind IN (1, 2)),    -- 1 root, 2 user
    created      BIGINT NOT NULL
);

CREATE TABLE access_keys (
    access_key_id TEXT   NOT NULL PRIMARY KEY,
    principal_id  BLOB   NOT NULL REFERENCES principals (principal_id) ON DELETE CASCADE,
    -- Sealed under the state key with the access key id as context: a secret moved to another row does not open.
    sealed_secret BLOB   NOT NULL,
    status        BIGINT NOT NULL CHECK (status IN (1, 2)), -- 1 active, 2 inactive
    created       BIGINT NOT NULL
);
CREATE INDEX access_keys_by_principal ON access_keys (principal_id);

CREATE TABLE buckets (
    name      TEXT   NOT NULL PRIMARY KEY,
    -- Part of every object's name binding: a bucket that is deleted and made again is another one.
    bucket_id BLOB   NOT NULL UNIQUE CHECK (octet_length(bucket_id) = 16),
    domain_id BLOB   NOT NULL CHECK (octet_length(domain_id) = 16),
    -- The upstream's name in the configuration.
    upstream  TEXT   NOT NULL,
    -- No foreign key to principals: a user may go, its buckets stay.
    owner     BLOB   NOT NULL CHECK (octet_length(owner) = 16),
    region    TEXT   NOT NULL,
    created   BIGINT NOT NULL
);

-- Never deleted with a bucket: objects of the domain, copies and backups name keys by id.
CREATE TABLE bucket_keys (
    key_id      BLOB   NOT NULL PRIMARY KEY CHECK (octet_length(key_id) = 16),
    domain_id   BLOB   NOT NULL CHECK (octet_length(domain_id) = 16),
    epoch       BIGINT NOT NULL CHECK (epoch >= 1),
    wrap        BLOB   NOT NULL,
    -- The KEK's version: after a rotation a rewrap finds its rows by it.
    version     BIGINT NOT NULL,
    keyring     TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    -- Two proxies that make the same epoch at once: one wins, the other reads the winner's key.
    UNIQUE (domain_id, epoch)
);

CREATE TABLE uploads (
    -- Ours, shown to clients; the upstream's id never leaves the proxy.
    upload_id          TEXT   NOT NULL PRIMARY KEY,
    bucket_id          BLOB   NOT NULL REFERENCES buckets (bucket_id) ON DELETE CASCADE,
    -- Bytes, not text: S3 lists in byte order, and a text column sorts by the database's collation.
    object_key         BLOB   NOT NULL,
    upstream_upload_id TEXT   NOT NULL,
    body_id            BLOB   NOT NULL CHECK (octet_length(body_id) = 16),
    dek_scheme         BIGINT NOT NULL,
    dek_key_id         BLOB   NOT NULL CHECK (octet_length(dek_key_id) = 16),
    dek_key_version    BIGINT NOT NULL,
    dek_wrap           BLOB   NOT NULL,
    -- Content headers, metadata, checksum declaration: sealed under the upload's own key.
    sealed_facts       BLOB   NOT NULL,
    initiator          BLOB   NOT NULL CHECK (octet_length(initiator) = 16),
    created            BIGINT NOT NULL,
    -- The footer goes one above it, so it is raised before a part's first byte goes up; 0 before the first part.
    highest_part_begun BIGINT NOT NULL,
    state              BIGINT NOT NULL CHECK (state IN (1, 2, 3, 4)), -- 1 open, 2 completing, 3 completed, 4 aborted
    -- Complete is idempotent: its answer is kept, sealed, for clients that ask again.
    sealed_result      BLOB,
    finished           BIGINT,
    CHECK ((state = 3) = (sealed_result IS NOT NULL)),
    CHECK ((state IN (3, 4)) = (finished IS NOT NULL))
);
CREATE INDEX uploads_by_name ON uploads (bucket_id, object_key, upload_id);
CREATE INDEX uploads_by_age ON uploads (state, created);
-- Which uploads a retired bucket key still wraps.
CREATE INDEX uploads_by_key ON uploads (dek_key_id);

CREATE TABLE parts (
    upload_id       TEXT   NOT NULL REFERENCES uploads (upload_id) ON DELETE CASCADE,
    number          BIGINT NOT NULL CHECK (number BETWEEN 1 AND 10000),
    -- A part sent again is another row: its attempts are told apart by their salts, never by "the latest".
    salt            BLOB   NOT NULL CHECK (octet_length(salt) = 24),
    plaintext_bytes BIGINT NOT NULL,
    sealed_digests  BLOB   NOT NULL,
    -- Where the ciphertext is: a part at the upstream, or a held-back object in the internal bucket.
    upstream_etag   TEXT,
    held_key        TEXT,
    stored_bytes    BIGINT NOT NULL,
    finished_seq    BIGINT NOT NULL,
    modified        BIGINT NOT NULL,
    PRIMARY KEY (upload_id, number, salt),
    UNIQUE (upload_id, finished_seq),
    CHECK ((upstream_etag IS NULL) <> (held_key IS NULL))
);
CREATE INDEX parts_by_held_key ON parts (held_key) WHERE held_key IS NOT NULL;
