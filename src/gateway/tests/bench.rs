//! A gateway in this process over the real floors: local upstream, SQLite, a local keyring; driven by requests that an
//! independent signer signed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tempfile::TempDir;

use crate::authn::{
    AccessKey, AccessKeyStatus, AccessKeys, AccessKeysUnavailable, Authenticator, Principal, PrincipalKind,
    RegionPolicy,
};
use crate::base::{BucketName, Clock, Metrics, PrincipalId, Refusal, SecretText};
use crate::gateway::{Gateway, GatewayLimits, GatewayParts, ReplyBody, Scheme};
use crate::hashing::Md5Lanes;
use crate::keys::doubles::{MemoryKeyring, MemoryRecords};
use crate::keys::{BucketKeys, CacheLimits};
use crate::objects::{BucketPolicies, Foundations, Objects, Upstreams};
use crate::s3::Addressing;
use crate::store::Store;
use crate::store::index::Index;
use crate::upstream::Upstream;
use crate::upstream::liar::{Liar, Lie};
use crate::upstream::local::LocalUpstream;
use crate::upstream::watched::Watched;

pub(super) const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);
const HOST: &str = "s3.test";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Who signs a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    Root,
    /// A user who owns nothing.
    Stranger,
    /// Root's key id with another secret.
    Impostor,
    Anonymous,
}

impl Actor {
    fn access_key_id(self) -> &'static str {
        match self {
            Self::Root | Self::Impostor | Self::Anonymous => "AKIAROOT",
            Self::Stranger => "AKIASTRANGER",
        }
    }
}

/// Root and a stranger.
struct TwoKeys;

#[async_trait]
impl AccessKeys for TwoKeys {
    async fn find(&self, access_key_id: &str) -> Result<Option<AccessKey>, AccessKeysUnavailable> {
        let (id, kind) = match access_key_id {
            "AKIAROOT" => (1, PrincipalKind::Root),
            "AKIASTRANGER" => (2, PrincipalKind::User),
            _ => return Ok(None),
        };
        let principal = Principal { id: PrincipalId::from_bytes([id; 16]), name: access_key_id.to_lowercase(), kind };
        let secret = Arc::new(SecretText::new(SECRET.to_owned()));
        Ok(Some(AccessKey { principal, secret, status: AccessKeyStatus::Active }))
    }
}

/// The gateway and the directory that it lives in.
pub(super) struct Bench {
    pub(super) gateway: Arc<Gateway>,
    pub(super) data: TempDir,
    pub(super) keyring: Arc<MemoryKeyring>,
    pub(super) upstream: Arc<Watched>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// `Err`: the connection would have been dropped.
    pub(super) body: Result<Bytes, crate::gateway::ReplyAborted>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.body.as_ref().expect("a whole body")).into_owned()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.body.as_ref().expect("a whole body")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The text of the first element of this name.
    pub(super) fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, after) = text.split_once(&format!("<{name}>"))?;
        Some(after.split_once(&format!("</{name}>"))?.0.to_owned())
    }

    /// Status and code of an `<Error>`.
    pub(super) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.element("Code").unwrap_or_default())
    }

    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(super) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(self.error(), (status, code.to_owned()), "{}", self.text());
        self
    }
}

/// A request to be signed and sent.
pub(super) struct Send<'a> {
    pub(super) actor: Actor,
    pub(super) method: Method,
    /// Path and query, encoded.
    pub(super) target: &'a str,
    pub(super) headers: Vec<(&'a str, String)>,
    pub(super) body: Vec<u8>,
}

impl<'a> Send<'a> {
    pub(super) fn new(method: &str, target: &'a str) -> Self {
        let method = method.parse().expect("a method");
        Self { actor: Actor::Root, method, target, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn by(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    pub(super) fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The request, signed over its body.
    pub(super) fn request(self) -> Request<Full<Bytes>> {
        let Self { actor, method, target, mut headers, body } = self;
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            headers.push(("host", HOST.to_owned()));
        }
        if !headers.iter().any(|(name, _)| *name == "content-length") && matches!(method, Method::PUT | Method::POST) {
            headers.push(("content-length", body.len().to_string()));
        }
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(Full::new(Bytes::from(body.clone()))).expect("a request");
        if actor != Actor::Anonymous {
            sign_request(&mut request, actor, &body);
        }
        request
    }
}

fn sign_request(request: &mut Request<Full<Bytes>>, actor: Actor, body: &[u8]) {
    let secret = if actor == Actor::Impostor { "not the secret" } else { SECRET };
    let identity = Credentials::new(actor.access_key_id(), secret, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let now = UNIX_EPOCH + Duration::from_secs(u64::try_from(Clock::System.now().unix_seconds()).expect("after 1970"));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(now)
        .settings(settings)
        .build()
        .expect("parameters")
        .into();
    let uri = format!("http://{HOST}{}", request.uri());
    let declared = request.headers().get("x-amz-content-sha256").map(|value| value.to_str().expect("text").to_owned());
    let signable = SignableRequest::new(
        request.method().as_str(),
        uri,
        request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))),
        declared.map_or(SignableBody::Bytes(body), SignableBody::Precomputed),
    );
    let (instructions, _) = sign(signable.expect("a request"), &params).expect("a signature").into_parts();
    let (headers, _) = instructions.into_parts();
    for header in headers {
        request.headers_mut().insert(header.name(), header.value().parse().expect("a value"));
    }
}

impl Bench {
    pub(super) const LIMITS: GatewayLimits = GatewayLimits { max_requests: 64, idle_timeout: Duration::from_secs(60) };

    /// A fresh gateway in a directory of its own.
    pub(super) async fn without_buckets() -> Self {
        Self::with_limits(Self::LIMITS).await
    }

    /// One that takes on less, or more.
    pub(super) async fn with_limits(limits: GatewayLimits) -> Self {
        Self::made(limits, |upstream| upstream).await
    }

    /// With the bucket `data`, over an upstream that does not do as it should.
    pub(super) async fn over(lie: Lie) -> Self {
        let bench = Self::made(Self::LIMITS, |upstream| Arc::new(Liar::new(upstream, lie))).await;
        bench.send(Send::new("PUT", "/data")).await.expect(200);
        bench
    }

    async fn made(limits: GatewayLimits, over: impl FnOnce(Arc<dyn Upstream>) -> Arc<dyn Upstream>) -> Self {
        let data = TempDir::new().expect("a directory");
        let clock = Clock::System;
        let local = LocalUpstream::open(&data.path().join("objects"), clock.clone()).await.expect("an upstream");
        let upstream = Arc::new(Watched::new(Arc::new(local)));
        let internal_bucket = BucketName::parse("crypt-keeper-internal").expect("a name");
        upstream.create_bucket(&internal_bucket).await.expect("a bucket");
        let state = format!("sqlite:{}", data.path().join("state.db").display());
        let keyring = Arc::new(MemoryKeyring::new("memory"));
        let records = Arc::new(MemoryRecords::default());
        let objects = Objects::new(Foundations {
            upstreams: Upstreams::one(over(upstream.clone()), internal_bucket),
            policies: BucketPolicies::default(),
            keys: BucketKeys::new(keyring.clone(), records, clock.clone(), CacheLimits::default()),
            store: Store::open(&state).await.expect("a database"),
            index: Index::open(&data.path().join("index.db")).await.expect("an index"),
            md5: Md5Lanes::start(1).expect("a thread"),
            clock: clock.clone(),
        });
        let gateway = Gateway::new(GatewayParts {
            objects,
            authenticator: Arc::new(Authenticator::new(Arc::new(TwoKeys), RegionPolicy::Any, clock.clone())),
            addressing: Addressing::new([HOST.to_owned()]),
            region: "us-east-1".to_owned(),
            regions: RegionPolicy::Any,
            scheme: Scheme::Http,
            clock,
            limits,
            metrics: Arc::new(Metrics::new()),
        });
        Self { gateway, data, keyring, upstream }
    }

    /// A fresh gateway with the bucket `data`.
    pub(super) async fn new() -> Self {
        let bench = Self::without_buckets().await;
        bench.send(Send::new("PUT", "/data")).await.expect(200);
        bench
    }

    pub(super) async fn send(&self, send: Send<'_>) -> Answer {
        self.deliver(send.request()).await
    }

    /// Sends a request as it is.
    pub(super) async fn deliver<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + std::marker::Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + std::marker::Send + Sync>>,
    {
        Self::read(self.begin(request).await).await
    }

    /// The answer, its body still to be read.
    pub(super) async fn begin<B>(&self, request: Request<B>) -> Response<ReplyBody>
    where
        B: Body<Data = Bytes> + std::marker::Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + std::marker::Send + Sync>>,
    {
        self.gateway.handle(request, PEER).await
    }

    /// What the listener says where it refuses.
    pub(super) async fn refuse(&self, refusal: Refusal) -> Answer {
        Self::read(self.gateway.refuse(refusal, PEER)).await
    }

    async fn read(response: Response<ReplyBody>) -> Answer {
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(|collected| collected.to_bytes());
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(super) async fn put(&self, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(Send::new("PUT", target).body(body)).await
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        self.send(Send::new("GET", target)).await
    }
}
