//! The object format, version 1: FORMAT.md beside this file is the specification. Pure: no I/O, no clock, no randomness.
