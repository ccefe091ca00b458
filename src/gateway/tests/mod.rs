//! The gateway over its real floors.

mod bench;
mod bodies;
mod buckets;
mod checksums;
mod copies;
mod failures;
mod limits;
mod multipart;
mod objects;
mod pressure;
