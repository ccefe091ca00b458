//! A claim to be somebody, as parsed from a request: everything that verifying it needs, from one place only.
//!
//! MinIO once took the credential from the query and the payload mode from a header, and let unsigned writes through
//! (CVE-2026-41145). Here both locations end in the same [`Claim`], and verification sees nothing else.

use std::time::Duration;

use http::request::Parts;

use crate::base::Timestamp;

use super::canonical::CanonicalRequest;
use super::date::AmzDate;
use super::encoding::{Slash, recode};
use super::fault::{CredentialFault, ExpiresFault, SigV4Fault, SignatureMismatch};
use super::payload::{DeclaredPayload, PayloadBinding, only_value};
use super::query::{Occurrence, Query};
use super::scope::Credential;
use super::signed_headers::{ListFault, SignedHeaders};
use super::signing::{ChunkChain, Signature, SigningKey, StringToSign};

/// AWS: a request's time may differ from the server's by 15 minutes. It bounds replay, since SigV4 has no nonce.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(15 * 60);
/// AWS: a presigned URL lives at most seven days.
pub const MAX_PRESIGNED_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where a request carries its credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialLocation {
    /// `Authorization`.
    Header,
    /// A presigned URL.
    Query,
}

/// Which regions of a credential scope are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegionPolicy {
    /// Every one: clients of one store use `us-east-1`, `auto`, `garage` or nothing.
    #[default]
    Any,
    /// These.
    Only {
        /// The one that a client with another is told to use.
        canonical: String,
        /// Further ones that are accepted.
        aliases: Vec<String>,
    },
}

impl RegionPolicy {
    fn check(&self, given: &str) -> Result<(), CredentialFault> {
        match self {
            Self::Any => Ok(()),
            Self::Only { canonical, aliases } if canonical == given || aliases.iter().any(|alias| alias == given) => {
                Ok(())
            }
            Self::Only { canonical, .. } => {
                Err(CredentialFault::Region { expected: canonical.clone(), given: given.to_owned() })
            }
        }
    }
}

/// Who a request says it is from, with the signature that is to prove it. Nothing is proved yet.
pub struct Claim {
    location: CredentialLocation,
    credential: Credential,
    signed_at: AmzDate,
    /// Presigned: how long after `signed_at` it is good.
    lifetime: Option<Duration>,
    signature: Signature,
    method: String,
    canonical_path: String,
    raw_path: String,
    query: String,
    signed_headers: SignedHeaders,
    payload: DeclaredPayload,
}

impl Claim {
    /// From `Authorization: AWS4-HMAC-SHA256 <components>`.
    pub(super) fn from_header(components: &str, parts: &Parts, query: Query) -> Result<Self, SigV4Fault> {
        let [credential, list, signature] = header_components(components)?;
        let location = CredentialLocation::Header;
        let credential = Credential::parse(credential).map_err(|fault| SigV4Fault::Credential { location, fault })?;
        let malformed = |name: &str| SigV4Fault::MalformedComponent(name.to_owned());
        let signature = Signature::parse(signature.as_bytes()).ok_or_else(|| malformed("Signature"))?;
        let signed_at = header_date(parts)?;
        let sha256 =
            only_value(&parts.headers, "x-amz-content-sha256").map_err(|_| SigV4Fault::ContentSha256Invalid)?;
        let sha256 = sha256.ok_or(SigV4Fault::ContentSha256Missing)?.to_owned();
        let payload = DeclaredPayload::parse(Some(sha256), &parts.headers)?;
        refuse_session_token(parts, &query)?;
        let signed_headers = SignedHeaders::new(list, parts).map_err(|fault| match fault {
            ListFault::Malformed => malformed("SignedHeaders"),
            ListFault::Fault(fault) => fault,
        })?;
        let query = query.canonical(None);
        Ok(Self::new(location, parts, (credential, signed_at, None, signature), query, signed_headers, payload))
    }

    /// From the six parameters of a presigned URL.
    pub(super) fn from_query(parts: &Parts, query: Query) -> Result<Self, SigV4Fault> {
        let location = CredentialLocation::Query;
        if required(&query, "X-Amz-Algorithm")? != super::auth_kind::ALGORITHM {
            return Err(SigV4Fault::UnsupportedQueryAlgorithm);
        }
        let credential = required(&query, "X-Amz-Credential")?;
        let date = required(&query, "X-Amz-Date")?;
        let expires = required(&query, "X-Amz-Expires")?;
        let list = required(&query, "X-Amz-SignedHeaders")?;
        let signature = required(&query, "X-Amz-Signature")?;
        let credential = Credential::parse(&credential).map_err(|fault| SigV4Fault::Credential { location, fault })?;
        let signed_at = AmzDate::parse(&date).ok_or(SigV4Fault::MalformedQueryParameter("X-Amz-Date"))?;
        let lifetime = Some(parse_lifetime(&expires).map_err(SigV4Fault::Expires)?);
        let signature =
            Signature::parse(signature.as_bytes()).ok_or(SigV4Fault::MalformedQueryParameter("X-Amz-Signature"))?;
        let payload = DeclaredPayload::parse(presigned_sha256(parts, &query)?, &parts.headers)?;
        refuse_session_token(parts, &query)?;
        let signed_headers = SignedHeaders::new(&list, parts).map_err(|fault| match fault {
            ListFault::Malformed => SigV4Fault::MalformedQueryParameter("X-Amz-SignedHeaders"),
            ListFault::Fault(fault) => fault,
        })?;
        let query = query.canonical(Some("X-Amz-Signature"));
        Ok(Self::new(location, parts, (credential, signed_at, lifetime, signature), query, signed_headers, payload))
    }

    fn new(
        location: CredentialLocation,
        parts: &Parts,
        (credential, signed_at, lifetime, signature): (Credential, AmzDate, Option<Duration>, Signature),
        query: String,
        signed_headers: SignedHeaders,
        payload: DeclaredPayload,
    ) -> Self {
        let raw_path = if parts.uri.path().is_empty() { "/" } else { parts.uri.path() }.to_owned();
        let canonical_path = recode(&raw_path, Slash::Keep);
        let method = parts.method.as_str().to_owned();
        Self {
            location,
            credential,
            signed_at,
            lifetime,
            signature,
            method,
            canonical_path,
            raw_path,
            query,
            signed_headers,
            payload,
        }
    }

    /// Checks what needs no secret: day, region, clock and expiry. It comes before any look-up of a key, so that stale
    /// or foreign requests cost nothing.
    pub fn admit(self, now: Timestamp, regions: &RegionPolicy) -> Result<Admitted, SigV4Fault> {
        let location = self.location;
        let scope = self.credential.scope();
        let same_day = || {
            let (credential, request) = (scope.day().to_owned(), self.signed_at.day().to_owned());
            if credential == request { Ok(()) } else { Err(CredentialFault::DateMismatch { credential, request }) }
        };
        same_day()
            .and_then(|()| regions.check(scope.region()))
            .map_err(|fault| SigV4Fault::Credential { location, fault })?;
        match self.lifetime {
            None => check_skew(self.signed_at, now)?,
            Some(lifetime) => check_lifetime(self.signed_at, lifetime, now)?,
        }
        Ok(Admitted(self))
    }
}

/// A claim that is timely and meant for here. Its signature is not verified yet.
pub struct Admitted(Claim);

impl Admitted {
    /// The credential: whose secret to look up, and the scope to derive its key for.
    pub const fn credential(&self) -> &Credential {
        &self.0.credential
    }

    /// Where the credential stood.
    pub const fn location(&self) -> CredentialLocation {
        self.0.location
    }

    /// Verifies the signature and yields what the body must prove. The one way to a [`PayloadBinding`]: no payload mode
    /// leads around it.
    pub fn verify(&self, key: &SigningKey) -> Result<PayloadBinding, SigV4Fault> {
        let claim = &self.0;
        // Some clients sign the path as they sent it. Accepting both is safe, both need the secret; the key that is
        // stored under and decided on is the one decoded path.
        let raw_path = (claim.raw_path != claim.canonical_path).then_some(claim.raw_path.as_str());
        let presigned = claim.location == CredentialLocation::Query;
        for payload in claim.payload.lines(presigned) {
            for path in std::iter::once(claim.canonical_path.as_str()).chain(raw_path) {
                let text = self.string_to_sign(&self.canonical_request(path, payload)).to_string();
                if key.sign(&text).same_as(&claim.signature) {
                    let scope = claim.credential.scope().clone();
                    let chain = ChunkChain::new(key.clone(), claim.signed_at, scope, claim.signature);
                    return Ok(claim.payload.bind(chain));
                }
            }
        }
        Err(self.mismatch())
    }

    fn canonical_request<'a>(&'a self, path: &'a str, payload: &'a str) -> CanonicalRequest<'a> {
        CanonicalRequest {
            method: &self.0.method,
            path,
            query: &self.0.query,
            headers: &self.0.signed_headers.block,
            signed_headers: &self.0.signed_headers.list,
            payload,
        }
    }

    fn string_to_sign(&self, canonical_request: &CanonicalRequest<'_>) -> StringToSign<'_> {
        StringToSign {
            signed_at: self.0.signed_at,
            scope: self.0.credential.scope(),
            canonical_request_sha256: canonical_request.sha256(),
        }
    }

    fn mismatch(&self) -> SigV4Fault {
        let payload = self.0.payload.lines(false).next().unwrap_or_default();
        let canonical_request = self.canonical_request(&self.0.canonical_path, payload);
        SigV4Fault::SignatureMismatch(Box::new(SignatureMismatch {
            access_key_id: self.0.credential.access_key_id().to_owned(),
            signature_provided: self.0.signature.to_hex(),
            string_to_sign: self.string_to_sign(&canonical_request).to_string(),
            canonical_request: canonical_request.to_string(),
        }))
    }
}

/// Credential, SignedHeaders and Signature, each once, in any order.
fn header_components(components: &str) -> Result<[&str; 3], SigV4Fault> {
    const NAMES: [&str; 3] = ["Credential", "SignedHeaders", "Signature"];
    let mut found = [None; 3];
    for component in components.split(',').map(str::trim).filter(|component| !component.is_empty()) {
        let malformed = || SigV4Fault::MalformedComponent(component.chars().take(64).collect());
        let (name, value) = component.split_once('=').ok_or_else(malformed)?;
        let at = NAMES.iter().position(|known| *known == name).ok_or_else(malformed)?;
        if found[at].replace(value).is_some() {
            return Err(malformed());
        }
    }
    let value = |at: usize| found[at].ok_or(SigV4Fault::MissingComponent(NAMES[at]));
    Ok([value(0)?, value(1)?, value(2)?])
}

fn header_date(parts: &Parts) -> Result<AmzDate, SigV4Fault> {
    let value = |name| only_value(&parts.headers, name).map_err(|_| SigV4Fault::MissingDate);
    let text = match value("x-amz-date")? {
        Some(text) => text,
        None => value("date")?.ok_or(SigV4Fault::MissingDate)?,
    };
    AmzDate::parse(text).or_else(|| AmzDate::from_http_date(text)).ok_or(SigV4Fault::MissingDate)
}

fn required(query: &Query, name: &'static str) -> Result<String, SigV4Fault> {
    match query.get(name) {
        Occurrence::Once(value) => Ok(value),
        Occurrence::Never => Err(SigV4Fault::MissingQueryParameters),
        Occurrence::Unusable => Err(SigV4Fault::MalformedQueryParameter(name)),
    }
}

/// A presigner may pin the body's hash, in the query or as a header; if both are there they must agree.
fn presigned_sha256(parts: &Parts, query: &Query) -> Result<Option<String>, SigV4Fault> {
    let invalid = SigV4Fault::ContentSha256Invalid;
    let header = only_value(&parts.headers, "x-amz-content-sha256").map_err(|_| SigV4Fault::ContentSha256Invalid)?;
    match (header, query.get_hoisted_header("x-amz-content-sha256")) {
        (header, Occurrence::Never) => Ok(header.map(str::to_owned)),
        (None, Occurrence::Once(value)) => Ok(Some(value)),
        (Some(header), Occurrence::Once(value)) if header == value => Ok(Some(value)),
        (Some(_), Occurrence::Once(_)) | (_, Occurrence::Unusable) => Err(invalid),
    }
}

/// We issue no session tokens, so whoever sends one means another service. An empty one is none.
fn refuse_session_token(parts: &Parts, query: &Query) -> Result<(), SigV4Fault> {
    let in_header = parts.headers.get_all("x-amz-security-token").iter().any(|value| !value.is_empty());
    let in_query = match query.get_hoisted_header("x-amz-security-token") {
        Occurrence::Never => false,
        Occurrence::Once(value) => !value.is_empty(),
        Occurrence::Unusable => true,
    };
    if in_header || in_query { Err(SigV4Fault::SessionToken) } else { Ok(()) }
}

fn parse_lifetime(text: &str) -> Result<Duration, ExpiresFault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ExpiresFault::NotANumber);
    }
    if text.starts_with('-') {
        return Err(ExpiresFault::Negative);
    }
    let seconds = digits.parse().map(Duration::from_secs).map_err(|_| ExpiresFault::TooLarge)?;
    if seconds > MAX_PRESIGNED_LIFETIME { Err(ExpiresFault::TooLarge) } else { Ok(seconds) }
}

fn check_skew(signed_at: AmzDate, now: Timestamp) -> Result<(), SigV4Fault> {
    let at = signed_at.timestamp();
    if at.until(now).max(now.until(at)) > MAX_CLOCK_SKEW {
        return Err(SigV4Fault::RequestTimeTooSkewed { request_time: signed_at, server_time: now });
    }
    Ok(())
}

/// A presigned URL lives as long as it says: the skew that a header-signed request may have does not shorten it.
fn check_lifetime(signed_at: AmzDate, lifetime: Duration, now: Timestamp) -> Result<(), SigV4Fault> {
    let at = signed_at.timestamp();
    if now.until(at) > MAX_CLOCK_SKEW {
        return Err(SigV4Fault::NotYetValid);
    }
    let expired_at = at.plus(lifetime);
    if now > expired_at {
        return Err(SigV4Fault::Expired { expires_seconds: lifetime.as_secs(), expired_at, server_time: now });
    }
    Ok(())
}
