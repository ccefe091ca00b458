//! A client for tests: signs with an implementation that is not ours (`aws-sigv4`) and frames bodies as SDKs do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::request::Parts;

use crate::base::Timestamp;

use super::{CredentialLocation, RegionPolicy};

/// The access key of AWS's own examples.
pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// Its secret.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2013-05-24T00:00:00Z, when AWS's examples are sent.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_369_353_600);
/// SHA-256 of nothing.
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Somebody who sends requests.
pub(crate) struct Client {
    pub(crate) access_key_id: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) region: &'static str,
    pub(crate) signed_at: Timestamp,
    pub(crate) expires: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            access_key_id: ACCESS_KEY_ID,
            secret: SECRET,
            region: "us-east-1",
            signed_at: NOW,
            expires: Duration::from_secs(86400),
        }
    }
}

impl Client {
    fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(u64::try_from(self.signed_at.unix_seconds()).expect("after 1970"))
    }

    /// A signed request's head. `path_and_query` is as it goes over the wire; `payload` is a hash or a token.
    pub(crate) fn request(
        &self,
        location: CredentialLocation,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        payload: &str,
    ) -> Parts {
        self.request_pinned(location, method, path_and_query, headers, payload, payload)
    }

    /// The same, where the payload line of the signature and `x-amz-content-sha256` differ.
    pub(crate) fn request_pinned(
        &self,
        location: CredentialLocation,
        method: &str,
        path_and_query: &str,
        headers: &[(&str, &str)],
        signed_payload: &str,
        content_sha256: &str,
    ) -> Parts {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        if location == CredentialLocation::Query {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(self.expires);
        }
        let identity = Credentials::new(self.access_key_id, self.secret, None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("s3")
            .time(self.time())
            .settings(settings)
            .build()
            .expect("complete")
            .into();
        let host = [("host", "localhost:9000")];
        let all = host.iter().chain(headers).copied();
        let uri = format!("http://localhost:9000{path_and_query}");
        let body = SignableBody::Precomputed(signed_payload.to_owned());
        let signable = SignableRequest::new(method, uri.as_str(), all.clone(), body).expect("signable");
        let (instructions, _) = sign(signable, &params).expect("signed").into_parts();
        let mut builder = http::Request::builder().method(method).uri(&uri);
        for (name, value) in all {
            builder = builder.header(name, value);
        }
        let mut request = builder.body(()).expect("a request");
        instructions.apply_to_request_http1x(&mut request);
        let mut parts = request.into_parts().0;
        parts.uri = parts.uri.path_and_query().expect("a path").as_str().parse().expect("a URI");
        parts.headers.insert("x-amz-content-sha256", content_sha256.parse().expect("a value"));
        parts
    }

    /// A body framed as aws-chunked, its signatures chained from `seed` where there is one.
    pub(crate) fn frame(
        &self,
        body: &[u8],
        chunk: usize,
        seed: Option<&str>,
        trailer: Option<(&str, &str)>,
    ) -> Vec<u8> {
        let mut framer = Framer { client: self, previous: seed.map(str::to_owned), out: Vec::new() };
        for payload in body.chunks(chunk) {
            framer.chunk(payload);
            framer.out.extend_from_slice(payload);
            framer.out.extend_from_slice(b"\r\n");
        }
        framer.chunk(b"");
        if let Some((name, value)) = trailer {
            framer.trailer(name, value);
        }
        framer.out.extend_from_slice(b"\r\n");
        framer.out
    }
}

struct Framer<'a> {
    client: &'a Client,
    previous: Option<String>,
    out: Vec<u8>,
}

impl Framer<'_> {
    fn chunk(&mut self, payload: &[u8]) {
        let hash = format!("{EMPTY_SHA256}\n{}", sha256_hex(payload));
        self.out.extend_from_slice(format!("{:x}", payload.len()).as_bytes());
        if let Some(signature) = self.next("AWS4-HMAC-SHA256-PAYLOAD", &hash) {
            self.out.extend_from_slice(format!(";chunk-signature={signature}").as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    fn trailer(&mut self, name: &str, value: &str) {
        let hash = sha256_hex(format!("{name}:{value}\n").as_bytes());
        self.out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        if let Some(signature) = self.next("AWS4-HMAC-SHA256-TRAILER", &hash) {
            self.out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
    }

    fn next(&mut self, algorithm: &str, hash: &str) -> Option<String> {
        let client = self.client;
        let previous = self.previous.as_ref()?;
        let at = super::AmzDate::from_http_date(&httpdate::fmt_http_date(client.time())).expect("a date");
        let text = format!("{algorithm}\n{at}\n{}/{}/s3/aws4_request\n{previous}\n{hash}", at.day(), client.region);
        let key = v4::generate_signing_key(client.secret, client.time(), client.region, "s3");
        self.previous = Some(v4::calculate_signature(key, text.as_bytes()));
        self.previous.clone()
    }
}

/// In hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// The signature that a request carries, wherever that is.
pub(crate) fn signature_of(parts: &Parts) -> String {
    let header = parts.headers.get("authorization").map(|value| value.to_str().expect("ASCII").to_owned());
    let text = header.unwrap_or_else(|| parts.uri.query().expect("a query").to_owned());
    let at = text.rfind("Signature=").expect("signed") + "Signature=".len();
    text[at..at + 64].to_owned()
}

/// Verifies a request as `secret`'s, at `now`, from any region.
pub(crate) fn verify_at(
    parts: &Parts,
    secret: &str,
    now: Timestamp,
) -> Result<super::PayloadBinding, super::SigV4Fault> {
    verify_in(parts, secret, now, &RegionPolicy::Any)
}

/// The same for chosen regions.
pub(crate) fn verify_in(
    parts: &Parts,
    secret: &str,
    now: Timestamp,
    regions: &RegionPolicy,
) -> Result<super::PayloadBinding, super::SigV4Fault> {
    match super::AuthKind::of(parts)? {
        super::AuthKind::Header(claim) | super::AuthKind::Presigned(claim) => {
            let admitted = claim.admit(now, regions)?;
            admitted.verify(&super::SigningKey::derive(secret, admitted.credential().scope()))
        }
        super::AuthKind::SigV2 | super::AuthKind::SigV4a | super::AuthKind::Anonymous => {
            panic!("the test sent no SigV4 request")
        }
    }
}
