//! What the whole promises, shown from outside: one module per S3 operation, and the rules of the tree itself.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access_log;
mod addressing;
mod authentication;
mod buckets;
mod clock;
mod command_line;
mod complete_multipart_upload;
mod copy_object;
mod delete_objects;
mod doctor;
mod durability;
mod floors;
mod fuzz_corpus;
mod get_object;
mod harness;
mod list_objects_v2;
mod multipart;
mod payload_modes;
mod process;
mod put_object;
mod refusals;
mod startup;
mod tamper;
mod upload_part_copy;
mod upstream_faults;
mod upstreams;
