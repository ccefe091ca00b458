//! DeleteObjects: every key, and every version, is authorised on its own; a key that fails does not fail the others.

use crate::authz::Permitted;
use crate::base::ObjectKey;
use crate::gateway::body::Arriving;
use crate::gateway::call::Call;
use crate::gateway::error::Failure;
use crate::gateway::reply::Reply;
use crate::gateway::terms;
use crate::objects::WriteGuard;
use crate::s3::Operation;
use crate::s3::request::DeleteObjectsRequest;
use crate::s3::xml::{self, DeleteEntry, DeleteFailure, DeleteOutcome, MAX_DELETE_XML_BYTES};
use crate::store::BucketRow;

/// Answers it.
pub(super) async fn answer(
    call: &Call<'_>,
    bucket: &BucketRow,
    permitted: Permitted<DeleteObjectsRequest>,
    body: &mut Arriving,
) -> Result<Reply, Failure> {
    let checksums = permitted.request().checksums;
    let document = body.document(call.who.payload(), checksums, MAX_DELETE_XML_BYTES).await?;
    let listed = xml::delete(&document)?;

    let admitted: Vec<Result<(ObjectKey, WriteGuard), Failure>> =
        listed.entries.iter().map(|entry| admit(call, bucket, entry)).collect();
    let targets: Vec<(ObjectKey, WriteGuard)> = admitted.iter().filter_map(|one| one.as_ref().ok()).cloned().collect();
    let mut deleted = call.objects().delete_many(bucket, &targets).await?.into_iter();
    let failures: Vec<Option<Failure>> = admitted
        .into_iter()
        .map(|one| match one {
            Err(failure) => Some(failure),
            Ok(_) => match deleted.next() {
                Some(Ok(_)) => None,
                Some(Err(error)) => Some(error.into()),
                None => Some(Failure::internal("a bulk delete has fewer results than keys")),
            },
        })
        .collect();
    for failure in failures.iter().flatten() {
        failure.log(call.place.request_id, "one key of DeleteObjects");
    }

    let outcomes: Vec<DeleteOutcome<'_>> = listed
        .entries
        .iter()
        .zip(&failures)
        .map(|(entry, failure)| DeleteOutcome {
            key: &entry.key,
            version_id: entry.version_id.as_deref(),
            failure: failure
                .as_ref()
                .map(|failure| DeleteFailure { code: failure.code().name(), message: failure.message() }),
        })
        .collect();
    Ok(Reply::xml(xml::delete_result(&outcomes, listed.verbosity)))
}

fn admit(call: &Call<'_>, bucket: &BucketRow, entry: &DeleteEntry) -> Result<(ObjectKey, WriteGuard), Failure> {
    let target = entry.target.clone()?;
    let version = terms::version_name(target.version);
    call.permit_object(Operation::DeleteObject, bucket, &target.key, version)?;
    Ok((target.key, terms::guard(&target.condition)))
}
