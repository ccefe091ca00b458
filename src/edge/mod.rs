//! The S3 listener: connections, limits, drain.
