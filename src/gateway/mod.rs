//! The pipeline from request to reply.
