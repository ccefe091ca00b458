//! Who sent this request.
