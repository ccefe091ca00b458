//! Requests and answers: where they go, what is tried again, and what counts as an answer.

use std::future::ready;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::base::{BucketName, Clock, ObjectKey, random};
use crate::upstream::UpstreamError;

use super::S3OpenError;
use super::buffers::Buffers;
use super::call::{Call, Expect, Method, Replay, in_path};
use super::credentials::Credentials;
use super::fault::{About, Refusal};
use super::http::{
    AnswerBody, AnswerHead, Heard, History, Host, Idle, Lease, Pool, PoolSettings, Sent, WireFault, client_config,
};
use super::settings::{Addressing, Endpoint, S3Settings, Scheme};
use super::xml::MAX_ANSWER_BYTES;

/// How often a request is sent at most. Clients try again themselves; more of it here would multiply.
const MAX_ATTEMPTS: u32 = 4;
/// The longest pause before the second attempt. The pause doubles with every attempt; how much of it is waited is
/// random, so that many who were refused at once do not come back at once.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest that a service may make us wait for an attempt (Retry-After). A client waits with us, holding its place
/// among the requests; where it would be longer, it is told at once and waits by itself.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3);
/// The longest error document that is read.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// No skew is known.
const UNKNOWN: i64 = i64::MIN;

/// Everything that a request needs.
pub(super) struct Client {
    endpoint: Endpoint,
    addressing: Addressing,
    region: String,
    credentials: Credentials,
    clock: Clock,
    skew_ms: AtomicI64,
    pub(super) pool: Arc<Pool>,
    pub(super) idle_timeout: Duration,
    pub(super) buffers: Arc<Buffers>,
}

/// An answer with a status of success.
pub(super) struct Reply {
    pub(super) head: Box<AnswerHead>,
    pub(super) body: AnswerBody,
    /// Retry-After, counted from the answer.
    retry_after: Option<Duration>,
}

/// A successful answer that is there to its end.
pub(super) struct Answer {
    pub(super) head: Box<AnswerHead>,
    pub(super) document: Vec<u8>,
}

/// Why an attempt has no answer.
pub(super) struct NoAnswer {
    pub(super) fault: WireFault,
    pub(super) doubt: Doubt,
}

/// What may have become of a request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It never reached the service.
    NotSent,
    /// It went into a connection that had been used before, which then closed: most likely it was never read.
    Stale,
    /// It may have been carried out.
    Unknown,
}

/// What to do before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing, but on a new connection.
    AtOnce,
    /// Wait, first for as long as the service said.
    AfterPause {
        /// Retry-After; zero where it said nothing.
        at_least: Duration,
    },
}

impl Next {
    const AFTER_PAUSE: Self = Self::AfterPause { at_least: Duration::ZERO };
}

/// The attempts at one request.
#[derive(Default)]
pub(super) struct Attempts {
    made: u32,
}

impl Attempts {
    /// Waits for the next attempt and says which connection it may take; or gives up with the `error` of this one.
    pub(super) async fn again(&mut self, next: Option<Next>, error: UpstreamError) -> Result<Idle, UpstreamError> {
        self.made += 1;
        let due = |next: &Next| match next {
            Next::AtOnce => true,
            Next::AfterPause { at_least } => *at_least <= MAX_RETRY_AFTER,
        };
        let Some(next) = next.filter(|next| self.made < MAX_ATTEMPTS && due(next)) else { return Err(error) };
        tracing::debug!(%error, attempt = self.made, "an upstream request is tried again");
        match next {
            Next::AtOnce => Ok(Idle::No),
            Next::AfterPause { at_least } => {
                let longest = FIRST_PAUSE * 2_u32.pow(self.made - 1);
                let share = f64::from(u16::from_le_bytes(random::bytes())) / f64::from(u16::MAX);
                // Many are told the same time.
                sleep(at_least + longest.mul_f64(share)).await;
                Ok(Idle::Any)
            }
        }
    }
}

impl Client {
    pub(super) async fn open(settings: S3Settings, clock: Clock) -> Result<Self, S3OpenError> {
        Self::open_at(settings, clock, None).await
    }

    /// As [`Client::open`], with every host at one address.
    pub(super) async fn open_at(
        settings: S3Settings,
        clock: Clock,
        resolve_to: Option<std::net::SocketAddr>,
    ) -> Result<Self, S3OpenError> {
        let endpoint = settings.endpoint;
        if settings.addressing == Addressing::VirtualHost && !endpoint.takes_virtual_hosts() {
            return Err(S3OpenError::VirtualHost);
        }
        if settings.region.is_empty()
            || !settings.region.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        {
            return Err(S3OpenError::Region);
        }
        let tls = match endpoint.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(
                client_config(settings.ca_file.as_deref())
                    .map_err(|fault| S3OpenError::Authorities(fault.to_string()))?,
            ),
        };
        let pool = Pool::new(PoolSettings {
            tls,
            port: endpoint.port,
            resolve_to,
            connect_timeout: settings.connect_timeout,
            idle_timeout: settings.idle_timeout,
            max_idle: settings.max_idle_connections,
        });
        pool.prune_while_alive();
        Ok(Self {
            endpoint,
            addressing: settings.addressing,
            region: settings.region,
            credentials: Credentials::open(settings.credentials, clock.clone())
                .await
                .map_err(S3OpenError::Credentials)?,
            clock,
            skew_ms: AtomicI64::new(UNKNOWN),
            pool,
            idle_timeout: settings.idle_timeout,
            buffers: Buffers::new(),
        })
    }

    /// The region that buckets are made in.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// A request about a bucket, or about an object in it.
    pub(super) fn call(&self, method: Method, bucket: &BucketName, key: Option<&ObjectKey>) -> Call {
        let key = key.map_or("", ObjectKey::as_str);
        let authority = self.endpoint.authority();
        // No certificate for `*.endpoint` covers a name with dots in it.
        let below = self.endpoint.scheme == Scheme::Http || !bucket.as_str().contains('.');
        match self.addressing {
            Addressing::VirtualHost if below => {
                let host: Host = format!("{bucket}.{}", self.endpoint.host).into();
                Call::new(method, host, format!("{bucket}.{authority}"), format!("/{}", in_path(key)))
            }
            Addressing::Path | Addressing::VirtualHost => {
                let path = format!("/{bucket}/{}", in_path(key));
                // `GET /bucket` and not `/bucket/`, which some take for an empty key.
                let path = if key.is_empty() { format!("/{bucket}") } else { path };
                Call::new(method, self.endpoint.host.as_str().into(), authority, path)
            }
        }
    }

    pub(super) fn clock_skew_ms(&self) -> Option<i64> {
        Some(self.skew_ms.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)
    }

    /// The head of a request, signed now.
    pub(super) async fn head_of(&self, call: &Call, expect: Expect) -> Result<Vec<u8>, UpstreamError> {
        call.head(self.credentials.current().await, &self.region, self.clock.now(), expect)
    }

    /// Sends a request whose payload is in memory, and returns its successful answer.
    pub(super) async fn send(&self, call: &Call, about: About) -> Result<Reply, UpstreamError> {
        self.send_with(call, &[call.payload.in_memory()], about).await
    }

    /// As [`Client::send`], with the payload in pieces.
    pub(super) async fn send_with(&self, call: &Call, payload: &[&[u8]], about: About) -> Result<Reply, UpstreamError> {
        self.until_answered(call, payload, about, |reply| ready(Ok(reply))).await
    }

    /// As [`Client::send`], with the answer read to its end: one that breaks off is none, and asked for again like one
    /// that never began.
    pub(super) async fn ask(&self, call: &Call, about: About) -> Result<Answer, UpstreamError> {
        self.until_answered(call, &[call.payload.in_memory()], about, Reply::whole).await
    }

    /// Sends a request until there is as much of a successful answer as `hear` wants, or no more attempt is due.
    async fn until_answered<T, H: Future<Output = Result<T, NoAnswer>>>(
        &self,
        call: &Call,
        payload: &[&[u8]],
        about: About,
        hear: impl Fn(Reply) -> H,
    ) -> Result<T, UpstreamError> {
        let mut attempts = Attempts::default();
        let mut idle = call.replay.first_idle();
        loop {
            let (next, error) = match self.attempt(call, payload, idle).await? {
                Ok(reply) => match judge(reply).await {
                    Ok(reply) => match hear(reply).await {
                        Ok(answer) => return Ok(answer),
                        Err(none) => (none.next(call.replay), none.fault.into()),
                    },
                    Err(refusal) => (after_refusal(&refusal, call.replay), refusal.error(about)),
                },
                Err(none) => (none.next(call.replay), none.fault.into()),
            };
            idle = attempts.again(next, error).await?;
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        payload: &[&[u8]],
        idle: Idle,
    ) -> Result<Result<Reply, NoAnswer>, UpstreamError> {
        let mut lease = match self.lease(call, idle).await {
            Ok(lease) => lease,
            Err(none) => return Ok(Err(none)),
        };
        let head = self.head_of(call, Expect::Nothing).await?;
        let history = lease.history;
        let mut pieces: Vec<IoSlice<'_>> =
            std::iter::once(&head[..]).chain(payload.iter().copied()).map(IoSlice::new).collect();
        let answer = exchange(&mut lease, call, &mut pieces, call.patience.of(self.idle_timeout)).await;
        Ok(match answer {
            Ok(head) => Ok(self.reply(lease, head)),
            Err(fault) => Err(NoAnswer::after_sending(fault, history)),
        })
    }

    /// A connection for a request.
    pub(super) async fn lease(&self, call: &Call, idle: Idle) -> Result<Lease, NoAnswer> {
        let lease = self.pool.lease(&call.host, idle).await;
        lease.map_err(|fault| NoAnswer { fault, doubt: Doubt::NotSent })
    }

    /// An answer whose head has come.
    pub(super) fn reply(&self, lease: Lease, head: Box<AnswerHead>) -> Reply {
        if let Some(date) = head.date {
            let skew = date.unix_millis().saturating_sub(self.clock.now().unix_millis());
            self.skew_ms.store(skew, Ordering::Relaxed);
        }
        let retry_after = head.retry_after.map(|after| after.counted_from(head.date.unwrap_or(self.clock.now())));
        let body = AnswerBody::new(lease, &head);
        Reply { head, body, retry_after }
    }
}

impl Reply {
    /// With the document in the body.
    async fn whole(self) -> Result<Answer, NoAnswer> {
        let document = self.body.read_all(MAX_ANSWER_BYTES).await;
        let document = document.map_err(|fault| NoAnswer { fault, doubt: Doubt::Unknown })?;
        Ok(Answer { head: self.head, document })
    }
}

impl NoAnswer {
    pub(super) fn after_sending(fault: WireFault, history: History) -> Self {
        let doubt = match (&fault, history) {
            (WireFault::Closed(_) | WireFault::Io(_), History::Used) => Doubt::Stale,
            _ => Doubt::Unknown,
        };
        Self { fault, doubt }
    }

    /// Whether and when the request is sent again.
    pub(super) fn next(&self, replay: Replay) -> Option<Next> {
        match (&self.fault, self.doubt, replay) {
            // Whoever waited that long already waits no longer.
            (WireFault::Idle { .. } | WireFault::ConnectTimeout(_) | WireFault::Malformed(_), ..) => None,
            (_, Doubt::NotSent, _) => Some(Next::AFTER_PAUSE),
            (_, Doubt::Stale, Replay::Always) => Some(Next::AtOnce),
            (_, Doubt::Unknown, Replay::Always) => Some(Next::AFTER_PAUSE),
            (_, Doubt::Stale | Doubt::Unknown, Replay::Unsent) => None,
        }
    }
}

/// Whether and when a refused request is sent again.
pub(super) fn after_refusal(refusal: &Refusal, replay: Replay) -> Option<Next> {
    let again = match replay {
        Replay::Always => refusal.is_transient(),
        Replay::Unsent => refusal.is_declined(),
    };
    again.then(|| pause_after(refusal))
}

/// As [`after_refusal`], of a request that was refused before its body: it cannot have been carried out.
pub(super) fn after_early_refusal(refusal: &Refusal, replay: Replay) -> Option<Next> {
    after_refusal(refusal, replay).or_else(|| refusal.is_busy().then(|| pause_after(refusal)))
}

fn pause_after(refusal: &Refusal) -> Next {
    Next::AfterPause { at_least: refusal.retry_after.unwrap_or_default() }
}

/// Takes an answer apart: success, or why not.
pub(super) async fn judge(reply: Reply) -> Result<Reply, Refusal> {
    if reply.head.is_success() {
        return Ok(reply);
    }
    // Without its document a refusal still has its status.
    let document = reply.body.read_all(MAX_ERROR_BYTES).await.unwrap_or_default();
    let refusal = Refusal::read(reply.head.status, reply.head.bucket_region.as_deref(), &document);
    Err(Refusal { retry_after: reply.retry_after, ..refusal })
}

/// Sends everything and hears the answer.
async fn exchange(
    lease: &mut Lease,
    call: &Call,
    pieces: &mut [IoSlice<'_>],
    patience: Duration,
) -> Result<Box<AnswerHead>, WireFault> {
    let mut pieces = pieces;
    let connection = lease.connection();
    connection.begin();
    loop {
        let sent = connection.send(&mut pieces).await?;
        if sent == Sent::All {
            connection.sent_all();
        }
        match connection.hear(call.method.asked(), patience).await? {
            // It cannot have done what it has not read.
            Heard::Answer(head) if sent == Sent::Interrupted && head.is_success() => {
                return Err(WireFault::Malformed("it comes before the end of the request"));
            }
            Heard::Answer(head) => return Ok(head),
            // Nobody asked for it, and it changes nothing.
            Heard::Continue | Heard::Interim => {}
        }
    }
}
