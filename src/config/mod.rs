//! Configuration: raw (serde), then resolved, every fault reported at once.
