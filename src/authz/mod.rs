//! What they may do.
