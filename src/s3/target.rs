//! Which bucket and key a request means: path style and virtual-host style.
//!
//! Keys are taken from the raw path of `http::Uri`. A URL library would rewrite `a/../b` and `%2e%2e` into another key.

use http::header::HOST;
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode;

use crate::base::limits::MAX_KEY_BYTES;
use crate::base::{BucketName, ObjectKey};

use super::fault::S3Fault;

/// The names under which buckets are hosts. Without any, every request is path style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addressing {
    domains: Vec<String>,
}

impl Addressing {
    /// `domains` like `s3.example.com`; case, and a dot at the end, do not matter.
    pub fn new(domains: impl IntoIterator<Item = String>) -> Self {
        let normal = |domain: String| domain.trim_end_matches('.').to_ascii_lowercase();
        Self { domains: domains.into_iter().map(normal).filter(|domain| !domain.is_empty()).collect() }
    }

    /// The bucket that the host names, if it names one. Only whole labels in front of a domain of ours count:
    /// `evils3.example.com` and a host that we do not know choose no bucket (s3s#649, #667).
    fn bucket_of_host(&self, host: &str) -> Option<String> {
        if self.domains.iter().any(|domain| domain == host) {
            return None;
        }
        let in_front = |domain: &String| host.strip_suffix(domain.as_str())?.strip_suffix('.').map(str::to_owned);
        // The longest domain wins, so that a domain inside another one is no bucket.
        self.domains.iter().filter_map(in_front).min_by_key(String::len)
    }
}

/// A bucket as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketLabel {
    /// A name that a bucket can have.
    Name(BucketName),
    /// A name that none can have, decoded.
    Impossible(String),
}

impl BucketLabel {
    fn new(raw: String) -> Self {
        BucketName::parse(&raw).map_or(Self::Impossible(raw), Self::Name)
    }

    /// The text of the name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Impossible(raw) => raw,
        }
    }
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The service: `/`.
    Service,
    /// A bucket: `/bucket` and `/bucket/`.
    Bucket(BucketLabel),
    /// An object.
    Object {
        /// Its bucket.
        bucket: BucketLabel,
        /// Its key, decoded; nothing is normalised.
        key: ObjectKey,
    },
}

impl Target {
    /// The bucket, if there is one.
    pub fn bucket(&self) -> Option<&BucketLabel> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object { bucket, .. } => Some(bucket),
        }
    }

    /// The key, if there is one.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Object { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Reads host and path.
    pub fn parse(uri: &Uri, headers: &HeaderMap, addressing: &Addressing) -> Result<Self, S3Fault> {
        let host = host(uri, headers)?;
        let path = uri.path().strip_prefix('/').ok_or(S3Fault::InvalidUri("the path does not start with '/'"))?;
        match addressing.bucket_of_host(&host) {
            Some(bucket) if bucket.is_empty() => Err(S3Fault::InvalidHost("the bucket's label is empty")),
            Some(bucket) => Self::in_bucket(BucketLabel::new(bucket), path),
            None if path.is_empty() => Ok(Self::Service),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                Self::in_bucket(BucketLabel::new(decode(bucket)?), key)
            }
        }
    }

    fn in_bucket(bucket: BucketLabel, raw_key: &str) -> Result<Self, S3Fault> {
        if raw_key.is_empty() {
            return Ok(Self::Bucket(bucket));
        }
        Ok(Self::Object { bucket, key: object_key(&decode(raw_key)?)? })
    }
}

/// A key from its decoded text, or the fault that S3 has for its length.
pub(crate) fn object_key(key: &str) -> Result<ObjectKey, S3Fault> {
    if key.len() > MAX_KEY_BYTES {
        return Err(S3Fault::KeyTooLong { bytes: key.len() });
    }
    ObjectKey::parse(key).ok_or(S3Fault::InvalidUri("the key is empty"))
}

/// Every `%` must be followed by two hex digits. percent-encoding alone would let others pass as they are, and two
/// spellings of one request would then mean different keys here and in the signature.
pub(crate) fn check_escapes(raw: &str) -> Result<(), S3Fault> {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = raw.as_bytes();
    let broken = |(at, byte): (usize, &u8)| *byte == b'%' && !(hex(bytes.get(at + 1)) && hex(bytes.get(at + 2)));
    if bytes.iter().enumerate().any(broken) {
        return Err(S3Fault::InvalidUri("a '%' is not followed by two hex digits"));
    }
    Ok(())
}

fn decode(raw: &str) -> Result<String, S3Fault> {
    check_escapes(raw)?;
    let decoded = percent_decode(raw.as_bytes()).decode_utf8();
    decoded.map(String::from).map_err(|_| S3Fault::InvalidUri("the path is not UTF-8"))
}

/// The host without its port, lower case. The signature covers the Host header, so a request line that names
/// another one is refused instead of believed.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<String, S3Fault> {
    let mut named = headers.get_all(HOST).iter();
    let header = named.next().map(|host| host.to_str().map_err(|_| S3Fault::InvalidHost("it is not ASCII")));
    let header = header.transpose()?;
    if named.next().is_some() {
        return Err(S3Fault::InvalidHost("there is more than one Host header"));
    }
    let line = uri.authority().map(|authority| authority.as_str());
    let host = match (header, line) {
        (Some(header), Some(line)) if !header.eq_ignore_ascii_case(line) => {
            return Err(S3Fault::InvalidHost("the request line and the Host header differ"));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(S3Fault::InvalidHost("there is no Host header")),
    };
    Ok(without_port(host).trim_end_matches('.').to_ascii_lowercase())
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or(host, |end| &host[..=end]);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::{Addressing, BucketLabel, Target};
    use crate::s3::S3Fault;

    use http::{HeaderMap, HeaderValue, Uri};

    fn addressing() -> Addressing {
        Addressing::new(["s3.example.com".to_owned(), "Eu.S3.example.com.".to_owned()])
    }

    fn target(host: &str, path: &str) -> Result<Target, S3Fault> {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_str(host).expect("a header"));
        Target::parse(&path.parse::<Uri>().expect("a target"), &headers, &addressing())
    }

    fn parts(host: &str, path: &str) -> (String, Option<String>) {
        let target = target(host, path).expect("sound");
        let bucket = target.bucket().expect("a bucket").as_str().to_owned();
        (bucket, target.key().map(|key| key.as_str().to_owned()))
    }

    fn pair(bucket: &str, key: &str) -> (String, Option<String>) {
        (bucket.to_owned(), Some(key.to_owned()))
    }

    #[test]
    fn path_style_and_virtual_host_style_mean_the_same() {
        for (host, path) in [
            ("127.0.0.1:9000", "/bucket/a/b"),
            ("[::1]:9000", "/bucket/a/b"),
            ("localhost", "/bucket/a/b"),
            ("s3.example.com:443", "/bucket/a/b"),
            ("S3.Example.COM.", "/bucket/a/b"),
            ("bucket.s3.example.com:8443", "/a/b"),
            ("bucket.S3.example.com", "/a/b"),
            ("bucket.eu.s3.example.com", "/a/b"),
        ] {
            assert_eq!(parts(host, path), pair("bucket", "a/b"), "{host}{path}");
        }
        assert_eq!(target("s3.example.com", "/"), Ok(Target::Service));
        assert_eq!(target("eu.s3.example.com", "/"), Ok(Target::Service));
        assert_eq!(parts("my.dotted.bucket.s3.example.com", "/k"), pair("my.dotted.bucket", "k"));
    }

    #[test]
    fn a_host_chooses_a_bucket_only_at_a_label_boundary() {
        for host in ["evils3.example.com", "bucket.other.example", "victim-bucket", "s3.example.com.evil.test"] {
            assert_eq!(target(host, "/"), Ok(Target::Service), "{host}");
            assert_eq!(parts(host, "/b-path/k"), pair("b-path", "k"), "{host}");
        }
        assert!(matches!(target(".s3.example.com", "/k"), Err(S3Fault::InvalidHost(_))));
    }

    #[test]
    fn keys_are_kept_as_they_were_sent() {
        for (raw, key) in [
            ("/b-1/a/../b", "a/../b"),
            ("/b-1/a/%2e%2E/b", "a/../b"),
            ("/b-1/./x", "./x"),
            ("/b-1//x//", "/x//"),
            ("/b-1//", "/"),
            ("/b-1/a+b%20c%2B", "a+b c+"),
            ("/b-1/100%25", "100%"),
            ("/b-1/%2525", "%25"),
            ("/b-1/a%2Fb", "a/b"),
            ("/b-1/%C3%A9", "é"),
            ("/b-1/a%3Fb", "a?b"),
            ("/b-1/%01%0a", "\u{1}\n"),
            ("/b-1/..", ".."),
        ] {
            assert_eq!(parts("localhost", raw), pair("b-1", key), "{raw}");
        }
    }

    #[test]
    fn a_bucket_with_a_trailing_slash_is_the_bucket() {
        assert_eq!(parts("localhost", "/bucket/"), ("bucket".to_owned(), None));
        assert_eq!(parts("localhost", "/bucket"), ("bucket".to_owned(), None));
        assert_eq!(parts("bucket.s3.example.com", "/"), ("bucket".to_owned(), None));
    }

    #[test]
    fn names_that_no_bucket_has_are_kept_raw() {
        for (raw, name) in [("/Up/k", "Up"), ("/a%2Fb/k", "a/b"), ("//k", ""), ("/../k", ".."), ("/%2e%2e/k", "..")] {
            let target = target("localhost", raw).expect("sound");
            assert_eq!(target.bucket(), Some(&BucketLabel::Impossible(name.to_owned())), "{raw}");
        }
    }

    #[test]
    fn broken_escapes_and_bytes_that_are_not_utf8_are_refused() {
        for raw in ["/b-1/%", "/b-1/%4", "/b-1/%zz", "/b-1/%ff", "/%c3/x", "/b-1/%c3%28"] {
            assert!(matches!(target("localhost", raw), Err(S3Fault::InvalidUri(_))), "{raw}");
        }
        assert!(matches!(target("localhost", "*"), Err(S3Fault::InvalidUri(_))));
    }

    #[test]
    fn a_key_has_at_most_1024_bytes_after_decoding() {
        let longest = format!("/b-1/{}", "%61".repeat(1024));
        assert_eq!(parts("localhost", &longest), pair("b-1", &"a".repeat(1024)));
        let longer = format!("/b-1/{}", "a".repeat(1025));
        assert_eq!(target("localhost", &longer), Err(S3Fault::KeyTooLong { bytes: 1025 }));
    }

    #[test]
    fn a_request_line_that_names_another_host_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a.s3.example.com"));
        let other = "http://b.s3.example.com/k".parse::<Uri>().expect("a target");
        assert!(matches!(Target::parse(&other, &headers, &addressing()), Err(S3Fault::InvalidHost(_))));
        headers.append("host", HeaderValue::from_static("b.s3.example.com"));
        let path = "/k".parse::<Uri>().expect("a target");
        assert!(matches!(Target::parse(&path, &headers, &addressing()), Err(S3Fault::InvalidHost(_))));
        assert!(matches!(Target::parse(&path, &HeaderMap::new(), &addressing()), Err(S3Fault::InvalidHost(_))));
    }
}
