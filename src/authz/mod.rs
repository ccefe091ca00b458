//! May they do it: one pure decision, whose answer is a token that the next stage cannot be called without.
//!
//! [`decide`] is the only maker of a [`Permit`]; `gateway/op/` takes [`Permitted`] requests only. What a request touches
//! besides its target is decided on its own: the source of a copy, each key of DeleteObjects, every versionId.

use std::fmt;

use crate::authn::{Authenticated, PrincipalKind};
use crate::base::{BucketName, ObjectKey, PrincipalId};
use crate::s3::Operation;

/// What an operation is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The service: ListBuckets.
    Service,
    /// A bucket that is to be made.
    NewBucket(BucketName),
    /// A bucket that is there.
    Bucket(BucketName),
    /// An object, there or not.
    Object {
        /// Its bucket.
        bucket: BucketName,
        /// Its key, decoded.
        key: ObjectKey,
        /// One version of it: reading or deleting one is another right than acting on the current object.
        version: Option<String>,
    },
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("the service"),
            Self::NewBucket(bucket) => write!(f, "new bucket {bucket}"),
            Self::Bucket(bucket) => write!(f, "bucket {bucket}"),
            Self::Object { bucket, key, version: None } => write!(f, "{bucket}/{:?}", key.as_str()),
            Self::Object { bucket, key, version: Some(version) } => {
                write!(f, "{bucket}/{:?} version {version:?}", key.as_str())
            }
        }
    }
}

/// What is known about rights on the resource. Today that is its bucket's owner; shared grants join it here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    bucket_owner: Option<PrincipalId>,
}

impl Grants {
    /// For what belongs to no bucket that is there.
    pub const fn none() -> Self {
        Self { bucket_owner: None }
    }

    /// For a bucket and what is in it.
    pub const fn of_bucket(owner: PrincipalId) -> Self {
        Self { bucket_owner: Some(owner) }
    }
}

/// The proof that somebody may do one operation on one resource. Only [`decide`] makes one.
#[derive(Debug)]
pub struct Permit {
    principal: PrincipalId,
    operation: Operation,
    resource: Resource,
}

impl Permit {
    /// Who may.
    pub const fn principal(&self) -> PrincipalId {
        self.principal
    }

    /// What.
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// On what.
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Joins the permit with the request that it is for.
    pub const fn with<R>(self, request: R) -> Permitted<R> {
        Permitted { permit: self, request }
    }
}

/// A request that may be carried out.
#[derive(Debug)]
pub struct Permitted<R> {
    permit: Permit,
    request: R,
}

impl<R> Permitted<R> {
    /// The permit.
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The request.
    pub const fn request(&self) -> &R {
        &self.request
    }

    /// Both.
    pub fn into_parts(self) -> (Permit, R) {
        (self.permit, self.request)
    }
}

/// Somebody may not. The client learns no more than that; the audit event has the rest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{principal} may not {operation} on {resource}")]
pub struct Denied {
    /// Who.
    pub principal: PrincipalId,
    /// What.
    pub operation: Operation,
    /// On what.
    pub resource: Resource,
}

/// Decides. Root may do everything, and alone makes buckets; in a bucket its owner may do everything; whoever is
/// somebody may ask for the list of buckets. What is not allowed here is denied.
pub fn decide(
    who: &Authenticated,
    operation: Operation,
    resource: Resource,
    grants: &Grants,
) -> Result<Permit, Denied> {
    let principal = who.principal().id;
    let allowed = match who.principal().kind {
        PrincipalKind::Root => true,
        PrincipalKind::User => match &resource {
            // The answer shows the caller's own buckets only.
            Resource::Service => operation == Operation::ListBuckets,
            Resource::NewBucket(_) => false,
            Resource::Bucket(_) | Resource::Object { .. } => grants.bucket_owner == Some(principal),
        },
    };
    if allowed { Ok(Permit { principal, operation, resource }) } else { Err(Denied { principal, operation, resource }) }
}

#[cfg(test)]
mod tests {
    use super::{Denied, Grants, Permit, Resource, decide};
    use crate::authn::{Authenticated, Principal, PrincipalKind};
    use crate::base::{BucketName, ObjectKey, PrincipalId};
    use crate::s3::Operation;

    const OWNER: PrincipalId = PrincipalId::from_bytes([1; 16]);
    const STRANGER: PrincipalId = PrincipalId::from_bytes([2; 16]);

    fn somebody(id: PrincipalId, kind: PrincipalKind) -> Authenticated {
        Authenticated::for_tests(Principal { id, name: "somebody".to_owned(), kind })
    }

    fn bucket() -> BucketName {
        BucketName::parse("data").expect("a name")
    }

    fn object(version: Option<&str>) -> Resource {
        let key = ObjectKey::parse("a/../b").expect("a key");
        Resource::Object { bucket: bucket(), key, version: version.map(str::to_owned) }
    }

    fn of_owner(who: PrincipalId, operation: Operation, resource: Resource) -> Result<Permit, Denied> {
        decide(&somebody(who, PrincipalKind::User), operation, resource, &Grants::of_bucket(OWNER))
    }

    #[test]
    fn root_may_do_everything() {
        let root = somebody(STRANGER, PrincipalKind::Root);
        for operation in Operation::ALL {
            for grants in [Grants::none(), Grants::of_bucket(OWNER)] {
                let permit = decide(&root, operation, object(None), &grants).expect("root");
                assert_eq!(
                    (permit.principal(), permit.operation(), permit.resource()),
                    (STRANGER, operation, &object(None))
                );
            }
        }
    }

    #[test]
    fn owner_may_do_everything_in_the_bucket() {
        for operation in Operation::ALL {
            for resource in [Resource::Bucket(bucket()), object(None), object(Some("v1"))] {
                assert!(of_owner(OWNER, operation, resource).is_ok());
            }
        }
    }

    #[test]
    fn stranger_may_do_nothing_in_the_bucket() {
        for operation in Operation::ALL {
            for resource in [Resource::Bucket(bucket()), object(None), object(Some("v1"))] {
                let denied = of_owner(STRANGER, operation, resource.clone()).expect_err("a stranger");
                assert_eq!(denied, Denied { principal: STRANGER, operation, resource });
            }
        }
    }

    #[test]
    fn without_a_bucket_a_user_may_only_list_buckets() {
        let user = somebody(OWNER, PrincipalKind::User);
        for operation in Operation::ALL {
            let service = decide(&user, operation, Resource::Service, &Grants::none());
            assert_eq!(service.is_ok(), operation == Operation::ListBuckets);
            assert!(decide(&user, operation, Resource::NewBucket(bucket()), &Grants::none()).is_err());
            assert!(
                decide(&user, operation, object(None), &Grants::none()).is_err(),
                "nobody owns a bucket that is not there"
            );
        }
    }
}
