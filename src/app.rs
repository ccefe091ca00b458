//! From configuration to a running server: the order of start and drain.
