//! Requests for the tests of this floor: a request line and headers, as a client would send them.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::{Addressing, Parsed, RequestView, S3Fault, parse};

/// A request that has been routed.
pub(super) struct Sample {
    parsed: Parsed,
    headers: HeaderMap,
}

impl Sample {
    /// `line` is method and target, as in `PUT /bucket/key`.
    pub(super) fn new(line: &str, headers: &[(&str, &str)]) -> Self {
        let (method, uri) = line.split_once(' ').expect("a method and a target");
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("localhost"));
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a header's name");
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
        }
        let method: Method = method.parse().expect("a method");
        let uri: Uri = uri.parse().expect("a target");
        let parsed = parse(&method, &uri, &map, &Addressing::default()).expect("a request that is routed");
        Self { parsed, headers: map }
    }

    /// Adds a header whose value is no text.
    pub(super) fn append_bytes(&mut self, name: &'static str, value: &[u8]) {
        self.headers.append(name, HeaderValue::from_bytes(value).expect("a header's value"));
    }

    /// Its view.
    pub(super) fn view(&self) -> Result<RequestView<'_>, S3Fault> {
        RequestView::new(&self.parsed, &self.headers)
    }
}

/// Parses a request with the parser of its operation.
pub(super) fn read<T>(
    line: &str,
    headers: &[(&str, &str)],
    parser: impl FnOnce(&RequestView<'_>) -> Result<T, S3Fault>,
) -> Result<T, S3Fault> {
    parser(&Sample::new(line, headers).view()?)
}
