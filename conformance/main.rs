//! What the whole promises, shown from outside: one module per S3 operation, and the rules of the tree itself.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod floors;
