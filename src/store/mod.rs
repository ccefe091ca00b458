//! The database: users, access keys, buckets, bucket keys, uploads, parts; and the index, a file of its own.
