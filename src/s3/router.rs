//! Routing is a table: method, level, sub-resource parameters and distinguishing headers give the operation.
//!
//! The table is the S3 model's bindings (`model.tsv`). It is an allow-list: a request that fits no row, or that
//! carries a parameter its row does not know, is refused by name and never forwarded.

use http::{HeaderMap, Method};

use super::fault::S3Fault;
use super::operation::Operation as Op;
use super::query::Query;
use super::target::Target;

use self::Key::{Callback, Header, Param, Sub, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
    Head,
    Put,
    Post,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

/// What a request must have for a row to fit.
#[derive(Clone, Copy, Debug)]
enum Key {
    /// A parameter that names a sub-resource; its value means nothing.
    Sub(&'static str),
    /// A parameter with one value.
    Value(&'static str, &'static str),
    /// A parameter that the operation cannot do without.
    Param(&'static str),
    /// A header, or the same header hoisted into the query.
    Header(&'static str),
    /// The path of the Object Lambda callback, which looks like a bucket.
    Callback,
}

struct Route {
    operation: Op,
    verb: Verb,
    level: Level,
    keys: &'static [Key],
    parameters: &'static [&'static str],
}

const fn route(
    operation: Op,
    verb: Verb,
    level: Level,
    keys: &'static [Key],
    parameters: &'static [&'static str],
) -> Route {
    Route { operation, verb, level, keys, parameters }
}

/// The four deprecated operations (Get/PutBucketLifecycle, Get/PutBucketNotification) have the wire form of their
/// successors and no row of their own.
const ROUTES: [Route; 112] = [
    route(Op::AbortMultipartUpload, Verb::Delete, Level::Object, &[Param("uploadId")], &[]),
    route(Op::CompleteMultipartUpload, Verb::Post, Level::Object, &[Param("uploadId")], &[]),
    route(Op::CopyObject, Verb::Put, Level::Object, &[Header("x-amz-copy-source")], &[]),
    route(Op::CreateBucket, Verb::Put, Level::Bucket, &[], &[]),
    route(Op::CreateBucketMetadataConfiguration, Verb::Post, Level::Bucket, &[Sub("metadataConfiguration")], &[]),
    route(Op::CreateBucketMetadataTableConfiguration, Verb::Post, Level::Bucket, &[Sub("metadataTable")], &[]),
    route(Op::CreateMultipartUpload, Verb::Post, Level::Object, &[Sub("uploads")], &[]),
    route(Op::CreateSession, Verb::Get, Level::Bucket, &[Sub("session")], &[]),
    route(Op::DeleteBucket, Verb::Delete, Level::Bucket, &[], &[]),
    route(Op::DeleteBucketAnalyticsConfiguration, Verb::Delete, Level::Bucket, &[Sub("analytics"), Param("id")], &[]),
    route(Op::DeleteBucketCors, Verb::Delete, Level::Bucket, &[Sub("cors")], &[]),
    route(Op::DeleteBucketEncryption, Verb::Delete, Level::Bucket, &[Sub("encryption")], &[]),
    route(
        Op::DeleteBucketIntelligentTieringConfiguration,
        Verb::Delete,
        Level::Bucket,
        &[Sub("intelligent-tiering"), Param("id")],
        &[],
    ),
    route(Op::DeleteBucketInventoryConfiguration, Verb::Delete, Level::Bucket, &[Sub("inventory"), Param("id")], &[]),
    route(Op::DeleteBucketLifecycle, Verb::Delete, Level::Bucket, &[Sub("lifecycle")], &[]),
    route(Op::DeleteBucketMetadataConfiguration, Verb::Delete, Level::Bucket, &[Sub("metadataConfiguration")], &[]),
    route(Op::DeleteBucketMetadataTableConfiguration, Verb::Delete, Level::Bucket, &[Sub("metadataTable")], &[]),
    route(Op::DeleteBucketMetricsConfiguration, Verb::Delete, Level::Bucket, &[Sub("metrics"), Param("id")], &[]),
    route(Op::DeleteBucketOwnershipControls, Verb::Delete, Level::Bucket, &[Sub("ownershipControls")], &[]),
    route(Op::DeleteBucketPolicy, Verb::Delete, Level::Bucket, &[Sub("policy")], &[]),
    route(Op::DeleteBucketReplication, Verb::Delete, Level::Bucket, &[Sub("replication")], &[]),
    route(Op::DeleteBucketTagging, Verb::Delete, Level::Bucket, &[Sub("tagging")], &[]),
    route(Op::DeleteBucketWebsite, Verb::Delete, Level::Bucket, &[Sub("website")], &[]),
    route(Op::DeleteObject, Verb::Delete, Level::Object, &[], &["versionId"]),
    route(
        Op::DeleteObjectAnnotation,
        Verb::Delete,
        Level::Object,
        &[Sub("annotation"), Param("annotationName")],
        &["versionId"],
    ),
    route(Op::DeleteObjectTagging, Verb::Delete, Level::Object, &[Sub("tagging")], &["versionId"]),
    route(Op::DeleteObjects, Verb::Post, Level::Bucket, &[Sub("delete")], &[]),
    route(Op::DeletePublicAccessBlock, Verb::Delete, Level::Bucket, &[Sub("publicAccessBlock")], &[]),
    route(Op::GetBucketAbac, Verb::Get, Level::Bucket, &[Sub("abac")], &[]),
    route(Op::GetBucketAccelerateConfiguration, Verb::Get, Level::Bucket, &[Sub("accelerate")], &[]),
    route(Op::GetBucketAcl, Verb::Get, Level::Bucket, &[Sub("acl")], &[]),
    route(Op::GetBucketAnalyticsConfiguration, Verb::Get, Level::Bucket, &[Sub("analytics"), Param("id")], &[]),
    route(Op::GetBucketCors, Verb::Get, Level::Bucket, &[Sub("cors")], &[]),
    route(Op::GetBucketEncryption, Verb::Get, Level::Bucket, &[Sub("encryption")], &[]),
    route(
        Op::GetBucketIntelligentTieringConfiguration,
        Verb::Get,
        Level::Bucket,
        &[Sub("intelligent-tiering"), Param("id")],
        &[],
    ),
    route(Op::GetBucketInventoryConfiguration, Verb::Get, Level::Bucket, &[Sub("inventory"), Param("id")], &[]),
    route(Op::GetBucketLifecycleConfiguration, Verb::Get, Level::Bucket, &[Sub("lifecycle")], &[]),
    route(Op::GetBucketLocation, Verb::Get, Level::Bucket, &[Sub("location")], &[]),
    route(Op::GetBucketLogging, Verb::Get, Level::Bucket, &[Sub("logging")], &[]),
    route(Op::GetBucketMetadataConfiguration, Verb::Get, Level::Bucket, &[Sub("metadataConfiguration")], &[]),
    route(Op::GetBucketMetadataTableConfiguration, Verb::Get, Level::Bucket, &[Sub("metadataTable")], &[]),
    route(Op::GetBucketMetricsConfiguration, Verb::Get, Level::Bucket, &[Sub("metrics"), Param("id")], &[]),
    route(Op::GetBucketNotificationConfiguration, Verb::Get, Level::Bucket, &[Sub("notification")], &[]),
    route(Op::GetBucketOwnershipControls, Verb::Get, Level::Bucket, &[Sub("ownershipControls")], &[]),
    route(Op::GetBucketPolicy, Verb::Get, Level::Bucket, &[Sub("policy")], &[]),
    route(Op::GetBucketPolicyStatus, Verb::Get, Level::Bucket, &[Sub("policyStatus")], &[]),
    route(Op::GetBucketReplication, Verb::Get, Level::Bucket, &[Sub("replication")], &[]),
    route(Op::GetBucketRequestPayment, Verb::Get, Level::Bucket, &[Sub("requestPayment")], &[]),
    route(Op::GetBucketTagging, Verb::Get, Level::Bucket, &[Sub("tagging")], &[]),
    route(Op::GetBucketVersioning, Verb::Get, Level::Bucket, &[Sub("versioning")], &[]),
    route(Op::GetBucketWebsite, Verb::Get, Level::Bucket, &[Sub("website")], &[]),
    route(
        Op::GetObject,
        Verb::Get,
        Level::Object,
        &[],
        &[
            "partNumber",
            "response-cache-control",
            "response-content-disposition",
            "response-content-encoding",
            "response-content-language",
            "response-content-type",
            "response-expires",
            "versionId",
        ],
    ),
    route(Op::GetObjectAcl, Verb::Get, Level::Object, &[Sub("acl")], &["versionId"]),
    route(
        Op::GetObjectAnnotation,
        Verb::Get,
        Level::Object,
        &[Sub("annotation"), Param("annotationName")],
        &["versionId"],
    ),
    route(Op::GetObjectAttributes, Verb::Get, Level::Object, &[Sub("attributes")], &["versionId"]),
    route(Op::GetObjectLegalHold, Verb::Get, Level::Object, &[Sub("legal-hold")], &["versionId"]),
    route(Op::GetObjectLockConfiguration, Verb::Get, Level::Bucket, &[Sub("object-lock")], &[]),
    route(Op::GetObjectRetention, Verb::Get, Level::Object, &[Sub("retention")], &["versionId"]),
    route(Op::GetObjectTagging, Verb::Get, Level::Object, &[Sub("tagging")], &["versionId"]),
    route(Op::GetObjectTorrent, Verb::Get, Level::Object, &[Sub("torrent")], &[]),
    route(Op::GetPublicAccessBlock, Verb::Get, Level::Bucket, &[Sub("publicAccessBlock")], &[]),
    route(Op::HeadBucket, Verb::Head, Level::Bucket, &[], &[]),
    route(
        Op::HeadObject,
        Verb::Head,
        Level::Object,
        &[],
        &[
            "partNumber",
            "response-cache-control",
            "response-content-disposition",
            "response-content-encoding",
            "response-content-language",
            "response-content-type",
            "response-expires",
            "versionId",
        ],
    ),
    route(
        Op::ListBucketAnalyticsConfigurations,
        Verb::Get,
        Level::Bucket,
        &[Sub("analytics")],
        &["continuation-token"],
    ),
    route(
        Op::ListBucketIntelligentTieringConfigurations,
        Verb::Get,
        Level::Bucket,
        &[Sub("intelligent-tiering")],
        &["continuation-token"],
    ),
    route(
        Op::ListBucketInventoryConfigurations,
        Verb::Get,
        Level::Bucket,
        &[Sub("inventory")],
        &["continuation-token"],
    ),
    route(Op::ListBucketMetricsConfigurations, Verb::Get, Level::Bucket, &[Sub("metrics")], &["continuation-token"]),
    route(
        Op::ListBuckets,
        Verb::Get,
        Level::Service,
        &[],
        &["bucket-region", "continuation-token", "max-buckets", "prefix"],
    ),
    route(
        Op::ListDirectoryBuckets,
        Verb::Get,
        Level::Service,
        &[Param("max-directory-buckets")],
        &["continuation-token"],
    ),
    route(
        Op::ListMultipartUploads,
        Verb::Get,
        Level::Bucket,
        &[Sub("uploads")],
        &["delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"],
    ),
    route(
        Op::ListObjectAnnotations,
        Verb::Get,
        Level::Object,
        &[Sub("annotation")],
        &["annotation-prefix", "continuation-token", "max-annotation-results", "versionId"],
    ),
    route(
        Op::ListObjectVersions,
        Verb::Get,
        Level::Bucket,
        &[Sub("versions")],
        &["delimiter", "encoding-type", "key-marker", "max-keys", "prefix", "version-id-marker"],
    ),
    route(
        Op::ListObjects,
        Verb::Get,
        Level::Bucket,
        &[],
        &["delimiter", "encoding-type", "marker", "max-keys", "prefix"],
    ),
    route(
        Op::ListObjectsV2,
        Verb::Get,
        Level::Bucket,
        &[Value("list-type", "2")],
        &["continuation-token", "delimiter", "encoding-type", "fetch-owner", "max-keys", "prefix", "start-after"],
    ),
    route(Op::ListParts, Verb::Get, Level::Object, &[Param("uploadId")], &["max-parts", "part-number-marker"]),
    route(Op::PutBucketAbac, Verb::Put, Level::Bucket, &[Sub("abac")], &[]),
    route(Op::PutBucketAccelerateConfiguration, Verb::Put, Level::Bucket, &[Sub("accelerate")], &[]),
    route(Op::PutBucketAcl, Verb::Put, Level::Bucket, &[Sub("acl")], &[]),
    route(Op::PutBucketAnalyticsConfiguration, Verb::Put, Level::Bucket, &[Sub("analytics"), Param("id")], &[]),
    route(Op::PutBucketCors, Verb::Put, Level::Bucket, &[Sub("cors")], &[]),
    route(Op::PutBucketEncryption, Verb::Put, Level::Bucket, &[Sub("encryption")], &[]),
    route(
        Op::PutBucketIntelligentTieringConfiguration,
        Verb::Put,
        Level::Bucket,
        &[Sub("intelligent-tiering"), Param("id")],
        &[],
    ),
    route(Op::PutBucketInventoryConfiguration, Verb::Put, Level::Bucket, &[Sub("inventory"), Param("id")], &[]),
    route(Op::PutBucketLifecycleConfiguration, Verb::Put, Level::Bucket, &[Sub("lifecycle")], &[]),
    route(Op::PutBucketLogging, Verb::Put, Level::Bucket, &[Sub("logging")], &[]),
    route(Op::PutBucketMetricsConfiguration, Verb::Put, Level::Bucket, &[Sub("metrics"), Param("id")], &[]),
    route(Op::PutBucketNotificationConfiguration, Verb::Put, Level::Bucket, &[Sub("notification")], &[]),
    route(Op::PutBucketOwnershipControls, Verb::Put, Level::Bucket, &[Sub("ownershipControls")], &[]),
    route(Op::PutBucketPolicy, Verb::Put, Level::Bucket, &[Sub("policy")], &[]),
    route(Op::PutBucketReplication, Verb::Put, Level::Bucket, &[Sub("replication")], &[]),
    route(Op::PutBucketRequestPayment, Verb::Put, Level::Bucket, &[Sub("requestPayment")], &[]),
    route(Op::PutBucketTagging, Verb::Put, Level::Bucket, &[Sub("tagging")], &[]),
    route(Op::PutBucketVersioning, Verb::Put, Level::Bucket, &[Sub("versioning")], &[]),
    route(Op::PutBucketWebsite, Verb::Put, Level::Bucket, &[Sub("website")], &[]),
    route(Op::PutObject, Verb::Put, Level::Object, &[], &[]),
    route(Op::PutObjectAcl, Verb::Put, Level::Object, &[Sub("acl")], &["versionId"]),
    route(
        Op::PutObjectAnnotation,
        Verb::Put,
        Level::Object,
        &[Sub("annotation"), Param("annotationName")],
        &["versionId"],
    ),
    route(Op::PutObjectLegalHold, Verb::Put, Level::Object, &[Sub("legal-hold")], &["versionId"]),
    route(Op::PutObjectLockConfiguration, Verb::Put, Level::Bucket, &[Sub("object-lock")], &[]),
    route(Op::PutObjectRetention, Verb::Put, Level::Object, &[Sub("retention")], &["versionId"]),
    route(Op::PutObjectTagging, Verb::Put, Level::Object, &[Sub("tagging")], &["versionId"]),
    route(Op::PutPublicAccessBlock, Verb::Put, Level::Bucket, &[Sub("publicAccessBlock")], &[]),
    route(Op::RenameObject, Verb::Put, Level::Object, &[Sub("renameObject")], &[]),
    route(Op::RestoreObject, Verb::Post, Level::Object, &[Sub("restore")], &["versionId"]),
    route(Op::SelectObjectContent, Verb::Post, Level::Object, &[Sub("select"), Value("select-type", "2")], &[]),
    route(
        Op::UpdateBucketMetadataAnnotationTableConfiguration,
        Verb::Put,
        Level::Bucket,
        &[Sub("metadataAnnotationTable")],
        &[],
    ),
    route(
        Op::UpdateBucketMetadataInventoryTableConfiguration,
        Verb::Put,
        Level::Bucket,
        &[Sub("metadataInventoryTable")],
        &[],
    ),
    route(
        Op::UpdateBucketMetadataJournalTableConfiguration,
        Verb::Put,
        Level::Bucket,
        &[Sub("metadataJournalTable")],
        &[],
    ),
    route(Op::UpdateObjectEncryption, Verb::Put, Level::Object, &[Sub("encryption")], &["versionId"]),
    route(Op::UploadPart, Verb::Put, Level::Object, &[Param("partNumber"), Param("uploadId")], &[]),
    route(
        Op::UploadPartCopy,
        Verb::Put,
        Level::Object,
        &[Param("partNumber"), Param("uploadId"), Header("x-amz-copy-source")],
        &[],
    ),
    route(Op::WriteGetObjectResponse, Verb::Post, Level::Bucket, &[Callback], &[]),
];

/// Finds the operation of a request.
pub(super) fn route_request(
    method: &Method,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Op, S3Fault> {
    let request = Asked { method, target, query, headers };
    let level = request.level();
    let rows = || ROUTES.iter().filter(move |row| row.level == level);

    // The row with most keys: UploadPartCopy before UploadPart before PutObject.
    let mut best: Option<&Route> = None;
    for row in rows().filter(|row| request.fits(row)) {
        if best.is_none_or(|best| row.keys.len() > best.keys.len()) {
            best = Some(row);
        }
    }
    let Some(best) = best else { return Err(request.refusal(level)) };

    let Some(unknown) = query.meaningful().find(|name| !best.knows(name)) else { return Ok(best.operation) };
    // A sub-resource that other methods have is the wrong method; any other parameter is something we do not do.
    let elsewhere =
        rows().any(|row| row.has_sub(unknown)) && !rows().any(|row| request.is_verb(row) && row.has_sub(unknown));
    Err(if elsewhere {
        S3Fault::MethodNotAllowed { method: method.to_string(), resource: unknown.to_owned() }
    } else {
        S3Fault::ParameterNotImplemented { name: unknown.to_owned() }
    })
}

impl Route {
    fn knows(&self, parameter: &str) -> bool {
        let in_key = |key: &Key| matches!(key, Sub(name) | Value(name, _) | Param(name) if *name == parameter);
        self.parameters.contains(&parameter) || self.keys.iter().any(in_key)
    }

    fn has_sub(&self, parameter: &str) -> bool {
        self.keys.iter().any(|key| matches!(key, Sub(name) if *name == parameter))
    }
}

struct Asked<'a> {
    method: &'a Method,
    target: &'a Target,
    query: &'a Query,
    headers: &'a HeaderMap,
}

impl Asked<'_> {
    fn level(&self) -> Level {
        match self.target {
            Target::Service => Level::Service,
            Target::Bucket(_) => Level::Bucket,
            Target::Object { .. } => Level::Object,
        }
    }

    fn is_verb(&self, row: &Route) -> bool {
        *self.method
            == match row.verb {
                Verb::Get => Method::GET,
                Verb::Head => Method::HEAD,
                Verb::Put => Method::PUT,
                Verb::Post => Method::POST,
                Verb::Delete => Method::DELETE,
            }
    }

    fn fits(&self, row: &Route) -> bool {
        self.is_verb(row) && row.keys.iter().all(|key| self.has(key))
    }

    fn has(&self, key: &Key) -> bool {
        match key {
            Sub(name) | Param(name) => self.query.has(name),
            Value(name, value) => self.query.value(name) == Some(value),
            Header(name) => self.headers.contains_key(*name) || self.query.hoisted(name).is_some(),
            Callback => self.target.bucket().is_some_and(|bucket| bucket.as_str() == "WriteGetObjectResponse"),
        }
    }

    fn refusal(&self, level: Level) -> S3Fault {
        let resource = match level {
            Level::Service => "SERVICE",
            Level::Bucket => "BUCKET",
            Level::Object => "OBJECT",
        };
        match *self.method {
            Method::OPTIONS if level != Level::Service => S3Fault::CorsNotEnabled,
            Method::POST if level == Level::Bucket && self.query.meaningful().next().is_none() => {
                S3Fault::FormUploadNotImplemented
            }
            _ => {
                let sub = self.query.meaningful().find(|name| ROUTES.iter().any(|row| row.has_sub(name)));
                let resource = sub.unwrap_or(resource).to_owned();
                S3Fault::MethodNotAllowed { method: self.method.to_string(), resource }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::{HeaderMap, HeaderValue, Method, Uri};

    use super::{Op, route_request};
    use crate::s3::query::Query;
    use crate::s3::target::{Addressing, Target};
    use crate::s3::{Operation, S3Fault};

    fn routed(method: &str, uri: &str, headers: &[(&'static str, &'static str)]) -> Result<Op, S3Fault> {
        let uri: Uri = uri.parse().expect("a target");
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("localhost"));
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let target = Target::parse(&uri, &map, &Addressing::default())?;
        let query = Query::parse(uri.query().unwrap_or(""))?;
        route_request(&method.parse::<Method>().expect("a method"), &target, &query, &map)
    }

    struct Row {
        operation: &'static str,
        method: &'static str,
        uri: String,
        optional: Vec<&'static str>,
        headers: Vec<(&'static str, &'static str)>,
        deprecated: bool,
    }

    fn model() -> Vec<Row> {
        let lines = include_str!("model.tsv").lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let mut cells = line.split('\t').chain(std::iter::repeat(""));
                let mut cell = || cells.next().unwrap_or("");
                let (operation, method, path) = (cell(), cell(), cell());
                let (mut required, mut optional) = (Vec::new(), Vec::new());
                for name in cell().split(',').filter(|name| !name.is_empty()) {
                    name.strip_suffix('*')
                        .map_or_else(|| optional.push(name), |name| required.push(format!("{name}=1")));
                }
                // Directory buckets are listed from another host; here its own parameter tells the two apart.
                if operation == "ListDirectoryBuckets" {
                    required.push("max-directory-buckets=1".to_owned());
                    optional.retain(|name| *name != "max-directory-buckets");
                }
                let headers = cell().split(',').filter(|name| !name.is_empty()).map(|name| (name, "b/k")).collect();
                let path = path.replace("{Bucket}", "bucket").replace("{Key+}", "key");
                let mark = if path.contains('?') || required.is_empty() { "&" } else { "?" };
                let uri = format!("{path}{}{}", if required.is_empty() { "" } else { mark }, required.join("&"));
                Row { operation, method, uri, optional, headers, deprecated: cell() == "deprecated" }
            })
            .collect()
    }

    #[test]
    fn every_operation_of_the_model_is_routed_by_its_binding() {
        let mut reached = BTreeSet::new();
        for row in model() {
            let operation = routed(row.method, &row.uri, &row.headers).expect(row.operation);
            if row.deprecated {
                let successor = format!("{}Configuration", row.operation);
                assert_eq!(operation.name(), successor);
            } else {
                assert_eq!(operation.name(), row.operation, "{} {}", row.method, row.uri);
                reached.insert(operation);
            }
        }
        assert_eq!(reached.len(), Operation::ALL.len() - 4);
    }

    #[test]
    fn every_optional_parameter_of_the_model_is_known() {
        for row in model() {
            for parameter in &row.optional {
                let mark = if row.uri.contains('?') { '&' } else { '?' };
                let uri = format!("{}{mark}{parameter}=1", row.uri);
                assert!(routed(row.method, &uri, &row.headers).is_ok(), "{} {uri}", row.method);
            }
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_on_every_operation() {
        for row in model() {
            let mark = if row.uri.contains('?') { '&' } else { '?' };
            for unknown in ["tomorrow", "tomorrow=1"] {
                let fault = routed(row.method, &format!("{}{mark}{unknown}", row.uri), &row.headers);
                assert_eq!(fault, Err(S3Fault::ParameterNotImplemented { name: "tomorrow".to_owned() }));
            }
        }
    }

    #[test]
    fn what_signatures_and_sdks_put_into_the_query_is_harmless() {
        let presigned = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb&X-Amz-Date=d&X-Amz-Expires=1\
                         &X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Security-Token=t&x-id=GetObject&x-mark=1";
        assert_eq!(routed("GET", &format!("/bucket/key?{presigned}"), &[]), Ok(Op::GetObject));
        assert_eq!(routed("GET", &format!("/bucket?list-type=2&{presigned}"), &[]), Ok(Op::ListObjectsV2));
        assert_eq!(routed("GET", "/bucket/key?AWSAccessKeyId=a&Signature=b&Expires=1", &[]), Ok(Op::GetObject));
    }

    #[test]
    fn the_most_specific_row_wins() {
        let copy = [("x-amz-copy-source", "b/k")];
        assert_eq!(routed("PUT", "/bucket/key", &[]), Ok(Op::PutObject));
        assert_eq!(routed("PUT", "/bucket/key", &copy), Ok(Op::CopyObject));
        assert_eq!(routed("PUT", "/bucket/key?partNumber=1&uploadId=u", &[]), Ok(Op::UploadPart));
        assert_eq!(routed("PUT", "/bucket/key?partNumber=1&uploadId=u", &copy), Ok(Op::UploadPartCopy));
        assert_eq!(routed("GET", "/bucket?inventory&id=1", &[]), Ok(Op::GetBucketInventoryConfiguration));
        assert_eq!(routed("GET", "/bucket?inventory", &[]), Ok(Op::ListBucketInventoryConfigurations));
        assert_eq!(routed("GET", "/bucket?uploads=", &[]), Ok(Op::ListMultipartUploads));
    }

    #[test]
    fn a_copy_source_hoisted_into_the_query_is_a_copy() {
        assert_eq!(routed("PUT", "/bucket/key?x-amz-copy-source=b%2Fk", &[]), Ok(Op::CopyObject));
    }

    #[test]
    fn two_sub_resources_are_not_one_operation() {
        assert!(matches!(routed("GET", "/bucket?acl&policy", &[]), Err(S3Fault::ParameterNotImplemented { .. })));
        assert!(matches!(routed("PUT", "/bucket/key?partNumber=1", &[]), Err(S3Fault::ParameterNotImplemented { .. })));
        assert!(matches!(routed("GET", "/bucket?list-type=3", &[]), Err(S3Fault::ParameterNotImplemented { .. })));
    }

    #[test]
    fn methods_without_meaning_are_refused() {
        for (method, uri, resource) in [
            ("PUT", "/", "SERVICE"),
            ("POST", "/", "SERVICE"),
            ("PATCH", "/bucket", "BUCKET"),
            ("POST", "/bucket/key", "OBJECT"),
            ("TRACE", "/bucket/key", "OBJECT"),
            ("PUT", "/bucket?location", "location"),
            ("POST", "/bucket/key?acl", "acl"),
            ("HEAD", "/bucket/key?tagging", "tagging"),
        ] {
            let expected = S3Fault::MethodNotAllowed { method: method.to_owned(), resource: resource.to_owned() };
            assert_eq!(routed(method, uri, &[]), Err(expected), "{method} {uri}");
        }
    }

    #[test]
    fn forms_and_preflights_have_faults_of_their_own() {
        assert_eq!(routed("POST", "/bucket", &[]), Err(S3Fault::FormUploadNotImplemented));
        assert_eq!(routed("OPTIONS", "/bucket/key", &[]), Err(S3Fault::CorsNotEnabled));
    }
}
