//! S3 requests, from their head to the end of their answer. [`Gateway::handle`] is the whole way; each line of it says why
//! it stands where it stands.
//!
//! One file per operation in `op/`; `error/` is the only place that knows S3's codes; `body` is the client's body on its
//! way in, `reply` the answer on its way out, `facts` what answers say of an object, `access` the line in the log.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, DATE, SERVER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use tokio::sync::Semaphore;

use crate::authn::{Authenticator, RegionPolicy};
use crate::base::{Clock, Metrics, Refusal};
use crate::objects::Objects;
use crate::s3::date::http_date;
use crate::s3::{Addressing, Operation, RequestView, S3Fault, Support, answer};

use self::access::Record;
use self::body::Arriving;
use self::call::Call;
use self::error::{Code, Failure, Place};
use self::reply::Reply;

mod access;
mod body;
mod call;
mod error;
mod facts;
mod keep_alive;
mod op;
mod reply;
mod terms;
#[cfg(test)]
mod tests;

pub use reply::{ReplyAborted, ReplyBody};

/// What a [`Gateway`] stands on.
pub struct GatewayParts {
    /// Sealed objects.
    pub objects: Objects,
    /// Who sent a request.
    pub authenticator: Arc<Authenticator>,
    /// Under which hosts buckets are host names.
    pub addressing: Addressing,
    /// Where buckets are that ask for no other region.
    pub region: String,
    /// Which regions buckets may ask for; the authenticator's policy.
    pub regions: RegionPolicy,
    /// How clients reach us.
    pub scheme: Scheme,
    /// For Date, and for conditions on dates.
    pub clock: Clock,
    /// What is taken on.
    pub limits: GatewayLimits,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
}

/// How clients reach us, for addresses in answers. Ours to know: nothing that a client sends says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As addresses begin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What a [`Gateway`] takes on.
#[derive(Clone, Copy, Debug)]
pub struct GatewayLimits {
    /// Requests being answered at a time; further ones get 503 SlowDown.
    pub max_requests: usize,
    /// How long a client may send nothing while its body is read.
    pub idle_timeout: Duration,
}

/// Answers S3 requests.
pub struct Gateway {
    parts: GatewayParts,
    /// One for each request that may be under way, until its answer is out.
    slots: Arc<Semaphore>,
    /// `x-amz-id-2`: names this process, so that a line of one proxy among many is found.
    host_id: Arc<str>,
}

/// Without a version: nobody but a scanner wants to know.
const SERVER_NAME: HeaderValue = HeaderValue::from_static("CryptKeeper");

impl Gateway {
    /// Over its parts.
    pub fn new(parts: GatewayParts) -> Arc<Self> {
        let host_id = hex::encode(crate::base::random::bytes::<16>()).into();
        let slots = Arc::new(Semaphore::new(parts.limits.max_requests.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { parts, slots, host_id })
    }

    /// Answers one request. It never fails: what goes wrong is an answer, or after its head an answer broken off.
    pub async fn handle<B>(self: &Arc<Self>, request: Request<B>, peer: SocketAddr) -> Response<ReplyBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let mut record = Record::begin(peer, &self.parts.metrics);
        let mut body = Arriving::new(body, &head.headers, Arc::clone(&record.bytes_in), self.parts.limits.idle_timeout);
        let place = self.place(&record, head.uri.path());

        // A slot before anything else: what is under way has its memory, and one more has none.
        record.slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        let answered = match &record.slot {
            Some(_) => self.answer(&head, &mut body, &mut record, &place).await,
            None => Err(Failure::overload("as many requests as there may be are under way")),
        };
        let ends_connection = body.leaves_client_waiting();
        body.settle();
        let mut reply = answered.unwrap_or_else(|failure| {
            record.code = Some(failure.code());
            failure.log(record.request_id, &place.resource);
            failure.into_reply(&head.method, &place)
        });
        self.add_common_headers(&mut reply, &record);
        if ends_connection {
            reply.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply.into_response(record)
    }

    /// The answer where the listener refuses by itself: nobody knows what the request was, or it is not looked at. The
    /// connection ends after it.
    pub fn refuse(&self, refusal: Refusal, peer: SocketAddr) -> Response<ReplyBody> {
        let mut record = Record::begin(peer, &self.parts.metrics);
        let place = self.place(&record, "/");
        let failure = Failure::from(refusal);
        record.code = Some(failure.code());
        failure.log(record.request_id, &place.resource);
        // An answer to GET: to HEAD, hyper sends no body.
        let mut reply = failure.into_reply(&Method::GET, &place);
        self.add_common_headers(&mut reply, &record);
        reply.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        reply.into_response(record)
    }

    fn place(&self, record: &Record, path: &str) -> Place {
        Place { request_id: record.request_id, host_id: Arc::clone(&self.host_id), resource: path.into() }
    }

    async fn answer(
        self: &Arc<Self>,
        head: &Parts,
        body: &mut Arriving,
        record: &mut Record,
        place: &Place,
    ) -> Result<Reply, Failure> {
        // Two lengths are how a request hides in another one; nothing of it is believed. The listener refuses it, since
        // hyper believes the Transfer-Encoding and takes the other away; this is for any other way in.
        if body.has_two_lengths() {
            return Err(Failure::client(Code::InvalidRequest)
                .saying("Content-Length and Transfer-Encoding must not come together"));
        }
        // A closed set of operations: what fits none is refused by name, never passed on.
        let parsed = crate::s3::parse(&head.method, &head.uri, &head.headers, &self.parts.addressing);
        if let Ok(parsed) = &parsed {
            record.understood(parsed);
        }
        // Browsers ask before they sign anything; they get no more than a no.
        if let Err(preflight @ S3Fault::CorsNotEnabled) = parsed {
            return Err(preflight.into());
        }
        // The signature before anything is told or looked up: strangers learn nothing.
        let who = self.parts.authenticator.authenticate(head).await?;
        record.access_key_id = Some(who.access_key_id().to_owned());
        let parsed = parsed?;
        // A body that is framed for streaming where none streams would be read as something else than was signed.
        if who.payload().decoder().is_some()
            && !matches!(parsed.operation, Operation::PutObject | Operation::UploadPart)
        {
            return Err(
                Failure::client(Code::InvalidRequest).saying("The value of x-amz-content-sha256 header is invalid.")
            );
        }
        if parsed.operation.support() == Support::NotImplemented {
            return Err(S3Fault::OperationNotImplemented(parsed.operation).into());
        }
        // Headers that ask for what we do not do, before anything is done without it.
        let view = RequestView::new(&parsed, &head.headers)?;
        let call = Call { gateway: self, head, view, who: &who, place };
        // The target's bucket, because its owner decides.
        let bucket = call.target_bucket(&parsed).await?;
        // Nothing below runs without the permit.
        let permit = call.permit_target(&parsed, bucket.as_ref())?;
        // From here on the operation's own file; it reads the body only when nothing else can refuse the request.
        op::dispatch(&call, permit, bucket.as_ref(), body).await
    }

    fn add_common_headers(&self, reply: &mut Reply, record: &Record) {
        reply.set(answer::REQUEST_ID, record.request_id.to_string());
        reply.set(answer::ID_2, self.host_id.as_bytes());
        reply.headers.insert(SERVER, SERVER_NAME);
        reply.set(DATE, http_date(self.parts.clock.now()));
    }
}
