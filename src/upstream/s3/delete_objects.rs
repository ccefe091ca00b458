//! DeleteObjects: many at once, each with its own result.

use std::collections::{HashMap, HashSet};

use crate::base::BucketName;
use crate::upstream::{DeleteReply, ObjectRef, UpstreamError, VersionId, WriteCondition};

use super::call::{Method, Payload};
use super::fault::{About, Refusal};
use super::xml::{escape, walk};
use super::{S3Upstream, content_md5, object};

type Outcome = Result<DeleteReply, UpstreamError>;
/// What became of each, by key and version.
type Told = HashMap<(String, String), Result<DeleteReply, Refusal>>;

pub(super) async fn delete(
    upstream: &S3Upstream,
    bucket: &BucketName,
    objects: &[ObjectRef],
) -> Result<Vec<Outcome>, UpstreamError> {
    let mut document = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    let mut together = 0;
    for object in objects {
        if let Some(entry) = entry(object) {
            document.push_str(&entry);
            together += 1;
        }
    }
    document.push_str("</Delete>");
    let told = if together == 0 { HashMap::new() } else { send(upstream, bucket, document.into_bytes()).await? };
    let of_keys = of_keys(&told, objects);
    // A refusal stands, whatever else is said.
    let told_of = |object| {
        let (name, refused) = (name_of(object), |told: &&Result<_, _>| told.is_err());
        of_keys.get(&name).filter(refused).or_else(|| told.get(&name)).or_else(|| of_keys.get(&name))
    };
    let mut results = Vec::with_capacity(objects.len());
    for object in objects {
        results.push(match entry(object) {
            // XML has no way to write such a key: it goes alone, in a path.
            None => object::delete(upstream, object, WriteCondition::None).await,
            // Named twice, it is told once: that holds for every mention.
            Some(_) => match told_of(object) {
                Some(told) => told.clone().map_err(|refusal| refusal.error(About::Object)),
                None => Err(UpstreamError::Broken("it says nothing of a key that was to be deleted".to_owned())),
            },
        });
    }
    Ok(results)
}

/// Key and version, by which results are found again: they come in any order.
fn name(key: &str, version: Option<&str>) -> (String, String) {
    (key.to_owned(), version.unwrap_or_default().to_owned())
}

fn name_of(object: &ObjectRef) -> (String, String) {
    name(object.key.as_str(), object.version.as_ref().map(|id| &*id.0))
}

/// What is told of versions that nobody named, by their keys: Garage names the one that it removed, of an object that was
/// named without. That is no version that a client can ask for.
fn of_keys(told: &Told, objects: &[ObjectRef]) -> Told {
    let named: HashSet<_> = objects.iter().map(name_of).collect();
    let mut of_keys = Told::new();
    for ((key, _), result) in told.iter().filter(|(name, _)| !named.contains(*name)) {
        match result {
            Ok(_) => drop(of_keys.entry(name(key, None)).or_insert_with(|| Ok(DeleteReply::default()))),
            Err(refusal) => drop(of_keys.insert(name(key, None), Err(refusal.clone()))),
        }
    }
    of_keys
}

fn entry(object: &ObjectRef) -> Option<String> {
    let key = escape(object.key.as_str())?;
    Some(match &object.version {
        None => format!("<Object><Key>{key}</Key></Object>"),
        Some(version) => format!("<Object><Key>{key}</Key><VersionId>{}</VersionId></Object>", escape(&version.0)?),
    })
}

async fn send(upstream: &S3Upstream, bucket: &BucketName, document: Vec<u8>) -> Result<Told, UpstreamError> {
    let call = upstream
        .client
        .call(Method::Post, bucket, None)
        .query("delete", "")
        // S3 wants one of its checksums here; this one every service knows.
        .header("content-md5", content_md5(&document))
        .payload(Payload::Signed(document));
    read(&upstream.client.ask(&call, About::Bucket).await?.document)
}

/// What an answer says of each key and version.
pub(super) fn read(answer: &[u8]) -> Result<Told, UpstreamError> {
    let mut told = HashMap::new();
    let mut entry = Entry::default();
    let root = walk(answer, |ended| match (ended.parent, ended.name) {
        (_, "Key") => ended.text.clone_into(&mut entry.key),
        (_, "VersionId") => ended.text.clone_into(&mut entry.version),
        (_, "DeleteMarkerVersionId") => ended.text.clone_into(&mut entry.marker_version),
        (_, "DeleteMarker") => entry.delete_marker = ended.text.trim() == "true",
        (_, "Code") => ended.text.clone_into(&mut entry.code),
        ("DeleteResult", "Deleted") => {
            let entry = std::mem::take(&mut entry);
            // A refusal stands, whatever else is said.
            told.entry(entry.name()).or_insert_with(|| Ok(entry.reply()));
        }
        ("DeleteResult", "Error") => {
            let entry = std::mem::take(&mut entry);
            match entry.outcome() {
                Ok(reply) => drop(told.entry(entry.name()).or_insert(Ok(reply))),
                Err(refusal) => drop(told.insert(entry.name(), Err(refusal))),
            }
        }
        _ => {}
    })?;
    match root.as_str() {
        "DeleteResult" => Ok(told),
        "Error" => Err(Refusal::of_key(&entry.code).error(About::Bucket)),
        _ => Err(UpstreamError::Broken("its answer to DeleteObjects is another document".to_owned())),
    }
}

/// One result as it is read.
#[derive(Default)]
struct Entry {
    key: String,
    version: String,
    marker_version: String,
    delete_marker: bool,
    code: String,
}

impl Entry {
    fn name(&self) -> (String, String) {
        let version = if self.version == "null" { "" } else { &self.version };
        name(&self.key, Some(version))
    }

    fn reply(&self) -> DeleteReply {
        let version = if self.delete_marker { &self.marker_version } else { &self.version };
        let version = Some(version).filter(|id| !id.is_empty() && *id != "null");
        DeleteReply { version: version.map(|id| VersionId(id.as_str().into())), delete_marker: self.delete_marker }
    }

    /// What is gone already is deleted.
    fn outcome(&self) -> Result<DeleteReply, Refusal> {
        let refusal = Refusal::of_key(&self.code);
        match refusal.error(About::Object) {
            UpstreamError::NoSuchKey => Ok(DeleteReply::default()),
            _ => Err(refusal),
        }
    }
}
