//! GetBucketVersioning: it has never been on.

use crate::authz::Permitted;
use crate::gateway::reply::Reply;
use crate::s3::request::BucketRequest;
use crate::s3::xml::versioning_configuration;

/// Answers it.
pub(super) fn answer(_permitted: &Permitted<BucketRequest>) -> Reply {
    Reply::xml(versioning_configuration())
}
