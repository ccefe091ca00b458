//! The query string, read once: S3's parameters, and headers that a presigner moved into it.
//!
//! `+` is a plus, as in the signature (catalogue 2.5): every SDK sends a space as `%20`.

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode;

use super::fault::S3Fault;
use super::target::check_escapes;

/// More parameters than any presigned request with hoisted metadata has; it bounds the search for doubles.
const MAX_PARAMETERS: usize = 256;

/// What the signature itself brings into a query: read by authn, nothing to any operation.
const SIGNATURE_PARAMETERS: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// SigV2's: let through by the router, so that authn can refuse them by their right name.
const SIGV2_PARAMETERS: [&str; 3] = ["AWSAccessKeyId", "Expires", "Signature"];

/// A query, decoded. No name stands in it twice.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query {
    parameters: Vec<(String, String)>,
    hoisted: Vec<(HeaderName, HeaderValue)>,
}

impl Query {
    /// Reads the raw query of the request target.
    pub fn parse(raw: &str) -> Result<Self, S3Fault> {
        let mut query = Self::default();
        for (count, pair) in raw.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count == MAX_PARAMETERS {
                return Err(S3Fault::InvalidUri("too many query parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.add(decode(name)?, decode(value)?)?;
        }
        Ok(query)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), S3Fault> {
        let lower = name.to_ascii_lowercase();
        if SIGNATURE_PARAMETERS.contains(&lower.as_str()) {
            return Ok(());
        }
        if !lower.starts_with("x-amz-") {
            if self.value(&name).is_some() {
                return Err(S3Fault::argument(name, &value, "The query parameter is given more than once."));
            }
            self.parameters.push((name, value));
            return Ok(());
        }
        // From here on it is as good as a header, so it must be a legal one: it may come back in an answer.
        let bad = || S3Fault::argument(lower.clone(), "", "The value cannot stand in a header.");
        let header = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| bad())?;
        if self.hoisted(&lower).is_some_and(|earlier| *earlier != value) {
            return Err(S3Fault::ConflictingValues { name: lower });
        }
        self.hoisted.push((header, value));
        Ok(())
    }

    /// Whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of a parameter; empty when it has none.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The `x-amz-*` header that stands in the query, lower case.
    pub fn hoisted(&self, header: &str) -> Option<&HeaderValue> {
        self.hoisted.iter().find(|(name, _)| name.as_str() == header).map(|(_, value)| value)
    }

    /// All hoisted headers.
    pub fn hoisted_headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.hoisted.iter().map(|(name, value)| (name, value))
    }

    /// The parameters that an operation has to know: without `x-*`, which S3 leaves to clients
    /// (AWS "Amazon S3 server access logs: custom access log information"; SDKs send `x-id`), and SigV2's.
    pub fn meaningful(&self) -> impl Iterator<Item = &str> {
        let harmless = |name: &str| name.starts_with("x-") || SIGV2_PARAMETERS.contains(&name);
        self.parameters.iter().map(|(name, _)| name.as_str()).filter(move |name| !harmless(name))
    }
}

/// Hoisted metadata is the client's secret: only names are shown.
impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.parameters.iter().map(|(name, _)| name.as_str());
        f.debug_set().entries(names.chain(self.hoisted.iter().map(|(name, _)| name.as_str()))).finish()
    }
}

fn decode(raw: &str) -> Result<String, S3Fault> {
    check_escapes(raw)?;
    let decoded = percent_decode(raw.as_bytes()).decode_utf8();
    decoded.map(String::from).map_err(|_| S3Fault::InvalidUri("the query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::{MAX_PARAMETERS, Query};
    use crate::s3::S3Fault;

    #[test]
    fn plus_is_a_plus_and_escapes_are_decoded_once() {
        let query = Query::parse("prefix=a+b%20c%2525&delimiter=%2F&uploads").expect("sound");
        assert_eq!(query.value("prefix"), Some("a+b c%25"));
        assert_eq!(query.value("delimiter"), Some("/"));
        assert_eq!(query.value("uploads"), Some(""));
        assert!(!query.has("upload"));
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        let twice = Query::parse("uploadId=a&uploadId=b");
        assert!(matches!(twice, Err(S3Fault::InvalidArgument { name, .. }) if name == "uploadId"));
    }

    #[test]
    fn hoisted_headers_are_told_apart_from_the_signature() {
        let query = Query::parse("X-Amz-Signature=00&X-Amz-Date=1&x-amz-checksum-crc32=AAAAAA%3D%3D&x-id=PutObject");
        let query = query.expect("sound");
        assert_eq!(query.hoisted_headers().count(), 1);
        assert_eq!(query.hoisted("x-amz-checksum-crc32").expect("there"), "AAAAAA==");
        assert_eq!(query.meaningful().count(), 0);
    }

    #[test]
    fn a_hoisted_value_that_would_split_the_answer_is_refused() {
        let split = Query::parse("x-amz-meta-a=1%0d%0aset-cookie:%20x");
        assert!(matches!(split, Err(S3Fault::InvalidArgument { .. })));
        assert!(Query::parse("x-amz-meta-a%20b=1").is_err());
    }

    #[test]
    fn one_hoisted_header_twice_with_different_values_is_refused() {
        assert!(Query::parse("x-amz-acl=private&X-Amz-Acl=private").is_ok());
        let conflict = Query::parse("x-amz-acl=private&X-Amz-Acl=public-read");
        assert_eq!(conflict, Err(S3Fault::ConflictingValues { name: "x-amz-acl".to_owned() }));
    }

    #[test]
    fn broken_escapes_and_bytes_that_are_not_utf8_are_refused() {
        for raw in ["prefix=%", "prefix=%4", "prefix=%zz", "prefix=%ff", "%c3=1"] {
            assert!(matches!(Query::parse(raw), Err(S3Fault::InvalidUri(_))), "{raw}");
        }
    }

    #[test]
    fn too_many_parameters_are_refused() {
        let raw: String = (0..=MAX_PARAMETERS).map(|n| format!("p{n}&")).collect();
        assert!(matches!(Query::parse(&raw), Err(S3Fault::InvalidUri(_))));
    }

    #[test]
    fn debug_shows_no_values() {
        let query = Query::parse("x-amz-meta-a=secret&prefix=hidden").expect("sound");
        let shown = format!("{query:?}");
        assert!(shown.contains("x-amz-meta-a") && !shown.contains("secret") && !shown.contains("hidden"));
    }
}
