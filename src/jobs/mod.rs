//! Work in the background: sweeping what is left over.
