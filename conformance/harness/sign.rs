//! Signing with an implementation that is not ours.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::{SigningParams, calculate_signature, generate_signing_key};
use time::OffsetDateTime;
use time::macros::format_description;

/// Who signs, for where, and what the signer's clock says.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// Added to the true time, in seconds.
    pub(crate) clock_error: i64,
}

/// Where the signature goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    Header,
    Presigned { expires_seconds: u64 },
    Anonymous,
}

/// What signing adds to a request.
#[derive(Default)]
pub(crate) struct Signature {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    /// The seed of the chunk chain.
    pub(crate) seed: String,
}

impl Credentials {
    pub(crate) fn new(access_key: &str, secret_key: &str) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
            clock_error: 0,
        }
    }

    pub(crate) fn with_secret(&self, secret_key: &str) -> Self {
        Self { secret_key: secret_key.to_owned(), ..self.clone() }
    }

    #[expect(clippy::disallowed_methods, reason = "a client has a clock of its own")]
    pub(crate) fn now(&self) -> SystemTime {
        let error = Duration::from_secs(self.clock_error.unsigned_abs());
        if self.clock_error < 0 { SystemTime::now() - error } else { SystemTime::now() + error }
    }

    /// Signs what is given and nothing else: a header that is not in `headers` stays unsigned.
    pub(crate) fn sign(
        &self,
        auth: Auth,
        now: SystemTime,
        (method, uri): (&str, &str),
        headers: &[(String, String)],
        payload_token: &str,
    ) -> Signature {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        match auth {
            Auth::Header => {}
            Auth::Presigned { expires_seconds } => {
                settings.signature_location = SignatureLocation::QueryParams;
                settings.expires_in = Some(Duration::from_secs(expires_seconds));
            }
            Auth::Anonymous => return Signature::default(),
        }
        let identity = AwsCredentials::new(&self.access_key, &self.secret_key, None, None, "conformance").into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            .settings(settings)
            .build()
            .expect("every parameter is set");
        let signable = SignableRequest::new(
            method,
            uri,
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            SignableBody::Precomputed(payload_token.to_owned()),
        )
        .expect("the address can be parsed");
        let (instructions, seed) = sign(signable, &params.into()).expect("signs").into_parts();
        let (headers, query) = instructions.into_parts();
        Signature {
            headers: headers.iter().map(|h| (h.name().to_owned(), h.value().to_owned())).collect(),
            query: query.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect(),
            seed,
        }
    }

    /// The signature of one chunk (`AWS4-HMAC-SHA256-PAYLOAD`) or of the trailers (`AWS4-HMAC-SHA256-TRAILER`),
    /// each over the one before it (AWS "Signature calculations for the Authorization header: multiple chunks").
    pub(crate) fn sign_streamed(&self, algorithm: &str, now: SystemTime, previous: &str, hashes: &str) -> String {
        let at = OffsetDateTime::from(now);
        let (date, time) = (
            at.format(format_description!("[year][month][day]")).expect("a date"),
            at.format(format_description!("[year][month][day]T[hour][minute][second]Z")).expect("a time"),
        );
        let (region, service) = (&self.region, &self.service);
        let text = format!("{algorithm}\n{time}\n{date}/{region}/{service}/aws4_request\n{previous}\n{hashes}");
        calculate_signature(generate_signing_key(&self.secret_key, now, region, service), text.as_bytes())
    }
}
