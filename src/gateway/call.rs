//! What every operation is handed beside its request, and the way from a name to a permit.

use std::sync::Arc;

use http::request::Parts;

use crate::authn::{Authenticated, Principal, RegionPolicy};
use crate::authz::{self, Grants, Permit, Resource};
use crate::base::{BucketName, Clock, ObjectKey, PrincipalId};
use crate::objects::Objects;
use crate::s3::{BucketLabel, Operation, Parsed, RequestView, S3Fault, Target};
use crate::store::BucketRow;

use super::error::{Failure, Place};
use super::{Gateway, Scheme};

/// One request under way.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// What it is answered with.
    pub(super) gateway: &'a Arc<Gateway>,
    /// Its head, as it came.
    pub(super) head: &'a Parts,
    /// Its head, held against the table of headers.
    pub(super) view: RequestView<'a>,
    /// Who sent it.
    pub(super) who: &'a Authenticated,
    /// For documents that tell of failures inside a 200.
    pub(super) place: &'a Place,
}

impl Call<'_> {
    /// Sealed objects.
    pub(super) fn objects(&self) -> &Objects {
        &self.gateway.parts.objects
    }

    /// The time.
    pub(super) fn clock(&self) -> &Clock {
        &self.gateway.parts.clock
    }

    /// How clients reach us.
    pub(super) fn scheme(&self) -> Scheme {
        self.gateway.parts.scheme
    }

    /// What GetBucketLocation answers.
    pub(super) fn region(&self) -> &str {
        &self.gateway.parts.region
    }

    /// Which other regions are taken.
    pub(super) fn regions(&self) -> &RegionPolicy {
        &self.gateway.parts.regions
    }

    /// Who sent it.
    pub(super) fn principal(&self) -> &Principal {
        self.who.principal()
    }

    /// The bucket of the target: none for the service and for a bucket that is to be made.
    pub(super) async fn target_bucket(&self, parsed: &Parsed) -> Result<Option<BucketRow>, Failure> {
        match parsed.target.bucket() {
            None => Ok(None),
            Some(_) if parsed.operation == Operation::CreateBucket => Ok(None),
            Some(BucketLabel::Name(name)) => self.bucket(name).await.map(Some),
            Some(BucketLabel::Impossible(raw)) => Err(S3Fault::NoSuchBucket { name: raw.clone() }.into()),
        }
    }

    /// A bucket by its name.
    pub(super) async fn bucket(&self, name: &BucketName) -> Result<BucketRow, Failure> {
        let found = self.objects().bucket(name).await;
        found.map_err(|error| Failure::from(error).and("BucketName", name.as_str()))
    }

    /// The permit for the request's own target.
    pub(super) fn permit_target(&self, parsed: &Parsed, bucket: Option<&BucketRow>) -> Result<Permit, Failure> {
        let version = parsed.query.value("versionId").filter(|version| !version.is_empty()).map(str::to_owned);
        let resource = match (&parsed.target, bucket) {
            (Target::Service, _) => Resource::Service,
            (Target::Bucket(BucketLabel::Name(name)), None) => Resource::NewBucket(name.clone()),
            (
                Target::Bucket(BucketLabel::Impossible(raw))
                | Target::Object { bucket: BucketLabel::Impossible(raw), .. },
                _,
            ) => {
                return Err(S3Fault::InvalidBucketName { name: raw.clone() }.into());
            }
            (Target::Bucket(BucketLabel::Name(name)), Some(_)) => Resource::Bucket(name.clone()),
            (Target::Object { bucket: BucketLabel::Name(name), key }, _) => {
                Resource::Object { bucket: name.clone(), key: key.clone(), version }
            }
        };
        self.permit(parsed.operation, resource, bucket.map(|bucket| bucket.owner))
    }

    /// The permit for something else that the request touches: a copy's source, one of many keys.
    pub(super) fn permit_object(
        &self,
        operation: Operation,
        bucket: &BucketRow,
        key: &ObjectKey,
        version: Option<&str>,
    ) -> Result<Permit, Failure> {
        let resource =
            Resource::Object { bucket: bucket.name.clone(), key: key.clone(), version: version.map(str::to_owned) };
        self.permit(operation, resource, Some(bucket.owner))
    }

    fn permit(&self, operation: Operation, resource: Resource, owner: Option<PrincipalId>) -> Result<Permit, Failure> {
        let grants = owner.map_or_else(Grants::none, Grants::of_bucket);
        authz::decide(self.who, operation, resource, &grants).map_err(|denied| {
            tracing::warn!(
                target: "audit",
                event = "denied",
                request_id = %self.place.request_id,
                access_key_id = self.who.access_key_id(),
                principal = %denied.principal,
                operation = denied.operation.name(),
                resource = %denied.resource,
            );
            Failure::from(denied)
        })
    }
}
