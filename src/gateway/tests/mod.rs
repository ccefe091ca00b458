//! The gateway over its real floors.

mod bench;
mod objects;
