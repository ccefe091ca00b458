//! What an operator says of an S3 service.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::SecretText;

/// Everything that [`S3Upstream::open`](super::S3Upstream::open) needs.
pub struct S3Settings {
    /// Where the service listens.
    pub endpoint: Endpoint,
    /// The region that requests are signed for.
    pub region: String,
    /// How buckets are named in requests.
    pub addressing: Addressing,
    /// Who we are to the service.
    pub credentials: CredentialsSource,
    /// A PEM file with the only authorities trusted, instead of the machine's. For `https` endpoints.
    pub ca_file: Option<PathBuf>,
    /// How long one connection may take to stand, TLS included.
    pub connect_timeout: Duration,
    /// How long a read or a write may make no progress. There is no total timeout: 5 GiB over a slow line is no fault.
    pub idle_timeout: Duration,
    /// How many connections are kept for the next request. Those in use are bounded by the requests that use them.
    pub max_idle_connections: usize,
    /// How bodies of objects and parts are protected on their way up.
    pub payload: PayloadMode,
}

impl S3Settings {
    /// The default of [`S3Settings::region`]: what S3 itself and most services call their first one.
    pub const DEFAULT_REGION: &'static str = "us-east-1";
    /// The default of [`S3Settings::connect_timeout`].
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// The default of [`S3Settings::idle_timeout`].
    pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
    /// The default of [`S3Settings::max_idle_connections`].
    pub const DEFAULT_MAX_IDLE_CONNECTIONS: usize = 256;
}

/// How a request names its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`.
    Path,
    /// `https://bucket.endpoint/key`.
    VirtualHost,
}

/// How the body of an object or a part is protected on its way up. Either way it is ciphertext whose tags every
/// reader checks; a checksum makes the service refuse bytes that changed on the way, instead of storing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadMode {
    /// `UNSIGNED-PAYLOAD`: TLS protects it. Over plain HTTP nothing does, which is for a trusted network.
    Unsigned,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER` with a CRC-64/NVME, where the service's capabilities have it; else the other.
    TrailerChecksum,
}

/// Where credentials come from.
pub enum CredentialsSource {
    /// Given.
    Static(StaticCredentials),
    /// A profile of an AWS shared-credentials file; read again when the file changes.
    File {
        /// The file.
        path: PathBuf,
        /// The section in it.
        profile: String,
    },
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where there is one, `AWS_SESSION_TOKEN`; read once.
    Environment,
    /// The provider chain of the AWS SDKs: environment, profiles, web identity, containers, instance metadata. Renewed
    /// before they expire.
    Aws,
}

/// Credentials that do not change.
pub struct StaticCredentials {
    /// The access key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretText,
    /// The session token of temporary credentials.
    pub session_token: Option<SecretText>,
}

/// The scheme, host and port of a service; never a path, a query or credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether bytes go through TLS.
    pub scheme: Scheme,
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Plain HTTP, or HTTP through TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http://`, port 80 unless given.
    Http,
    /// `https://`, port 443 unless given.
    Https,
}

impl Scheme {
    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What is wrong with an endpoint, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be like \"https://s3.example.net\" or \"http://127.0.0.1:9000\", without a path: {0}")]
pub struct EndpointFault(&'static str);

impl Endpoint {
    /// Reads `scheme://host[:port][/]`.
    pub fn parse(text: &str) -> Result<Self, EndpointFault> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointFault("the scheme is missing"))?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(EndpointFault("the scheme is neither http nor https")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err(EndpointFault("the host is missing"));
        }
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or(EndpointFault("the port is wrong"))?,
        };
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    /// The Host header for the service itself: with the port, unless it is the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = if self.is_ipv6() { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether buckets can be names below it.
    pub fn takes_virtual_hosts(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_err()
    }

    fn is_ipv6(&self) -> bool {
        self.host.contains(':')
    }
}

/// Host and port; an IPv6 address stands in brackets.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), EndpointFault> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(EndpointFault("the bracket is not closed"))?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| EndpointFault("the IPv6 address is wrong"))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(EndpointFault("something follows the host")),
        };
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.bytes().all(legal) { Ok((host, port)) } else { Err(EndpointFault("the host has other characters")) }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Scheme};

    #[test]
    fn endpoints_are_read() {
        for (text, scheme, host, port, authority) in [
            ("https://S3.example.net", Scheme::Https, "s3.example.net", 443, "s3.example.net"),
            ("https://s3.example.net:443/", Scheme::Https, "s3.example.net", 443, "s3.example.net"),
            ("http://127.0.0.1:9000", Scheme::Http, "127.0.0.1", 9000, "127.0.0.1:9000"),
            ("http://[::1]:9000", Scheme::Http, "::1", 9000, "[::1]:9000"),
            ("https://[::1]", Scheme::Https, "::1", 443, "[::1]"),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!((endpoint.scheme, endpoint.host.as_str(), endpoint.port), (scheme, host, port));
            assert_eq!(endpoint.authority(), authority);
        }
        assert_eq!(Endpoint::parse("http://h:80").expect("sound").to_string(), "http://h");
        assert!(!Endpoint::parse("http://[::1]").expect("sound").takes_virtual_hosts());
        assert!(Endpoint::parse("http://localhost").expect("sound").takes_virtual_hosts());
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "s3.example.net",
            "ftp://h",
            "https://",
            "https://:9000",
            "https://h/path",
            "https://h?x",
            "https://user:secret@h",
            "https://user@h",
            "https://h:0",
            "https://h:65536",
            "https://h:",
            "https://h:1:2",
            "https://[::1",
            "https://[x]",
            "https://[::1]x",
            "https://h h",
            "https://h\r\nx: y",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text:?}");
        }
    }
}
