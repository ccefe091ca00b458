//! A body on its way up: exactly its length, or nothing at all.
//!
//! A body that fits one buffer is read to its end before anything is sent, so that its request can be sent again like
//! any other. A longer one is announced with `Expect: 100-continue`: until the service says that it may come, nothing
//! has been read from its source, and the request can be sent again too; a refusal costs no byte of it. After that the
//! connection is its only copy. The last bytes wait until the source has said that they are the last: a body that is
//! refused, too short or too long leaves a request that the service never saw the end of, on a connection that is reset.

use std::io::IoSlice;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use crate::upstream::{BodyAborted, BodySource, MIN_BUFFER_BYTES, PutBody, UpstreamError};

use super::buffers::{BUFFER_BYTES, Buffer, RUN_BYTES};
use super::call::{Call, Expect, Payload};
use super::client::{Attempts, Client, NoAnswer, Reply, after_early_refusal, judge};
use super::fault::About;
use super::framing::{Frame, Framing, TRAILER_NAME};
use super::http::{AnswerHead, Asked, Connection, Heard, Lease, Sent, WireFault};
use super::settings::PayloadMode;

/// How long we wait for `100 Continue` before the body is sent all the same (RFC 9110, section 10.1.1): some old
/// services never say it.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// What has been heard of a body's request.
enum Begun {
    /// The body may come.
    Sending(Box<Lease>),
    /// It is answered already.
    Answered(Reply),
}

impl Client {
    /// Sends a request with a body, and returns its successful answer.
    pub(super) async fn upload(
        &self,
        call: Call,
        body: PutBody<'_>,
        mode: PayloadMode,
        about: About,
    ) -> Result<Reply, UpstreamError> {
        let len = body.stored_bytes;
        let (call, framing) = match mode {
            PayloadMode::Unsigned => (call.payload(Payload::Unsigned { len }), Framing::plain()),
            PayloadMode::TrailerChecksum => {
                let call = call
                    .header("content-encoding", "aws-chunked".to_owned())
                    .header("x-amz-decoded-content-length", len.to_string())
                    .header("x-amz-trailer", TRAILER_NAME.to_owned())
                    .payload(Payload::Trailer { encoded_len: Framing::encoded_len(len) });
                (call, Framing::trailer())
            }
        };
        let buffer = self.buffers.take();
        if len <= RUN_BYTES as u64 {
            return self.upload_from_memory(&call, body, framing, buffer, about).await;
        }
        let mut lease = match self.announce(&call, about).await? {
            Begun::Answered(reply) => return Ok(reply),
            Begun::Sending(lease) => lease,
        };
        let pump = Pump { source: body.source, len, received: 0, filled: 0, buffer, framing };
        let head = pump.run(lease.connection(), call.patience.of(self.idle_timeout), self.idle_timeout).await?;
        match head {
            Heading::Final(head) => judge(self.reply(*lease, head)).await.map_err(|refusal| refusal.error(about)),
            Heading::Early(head) => match judge(self.reply(*lease, head)).await {
                Ok(_) => Err(UpstreamError::Broken("it answers a body that it has not seen the end of".to_owned())),
                Err(refusal) => Err(refusal.error(about)),
            },
        }
    }

    /// Reads all of a short body, and only then sends it.
    async fn upload_from_memory(
        &self,
        call: &Call,
        body: PutBody<'_>,
        mut framing: Framing,
        mut buffer: Buffer,
        about: About,
    ) -> Result<Reply, UpstreamError> {
        let mut filled = 0;
        while (filled as u64) <= body.stored_bytes {
            // There is always room for a read: at most RUN_BYTES have come.
            match read(body.source, &mut buffer[filled..]).await? {
                0 => break,
                read => filled += read,
            }
        }
        if filled as u64 != body.stored_bytes {
            return Err(BodyAborted.into());
        }
        let frame = framing.frame(&buffer[..filled], Frame::Last);
        self.send_with(call, &frame.pieces(&buffer[..filled]), about).await
    }

    /// Sends the head of a long request until the service takes its body, or answers without.
    async fn announce(&self, call: &Call, about: About) -> Result<Begun, UpstreamError> {
        let mut attempts = Attempts::default();
        let mut idle = call.replay.first_idle();
        loop {
            let (next, error) = match self.announce_once(call, idle).await? {
                Ok(Begun::Sending(lease)) => return Ok(Begun::Sending(lease)),
                Ok(Begun::Answered(reply)) => match judge(reply).await {
                    Ok(_) => {
                        let text = "it answers a request whose body it has not seen".to_owned();
                        return Err(UpstreamError::Broken(text));
                    }
                    Err(refusal) => (after_early_refusal(&refusal, call.replay), refusal.error(about)),
                },
                // Nothing of the body has gone out: nothing can have been stored.
                Err(none) => (none.next(super::call::Replay::Always), none.fault.into()),
            };
            idle = attempts.again(next, error).await?;
        }
    }

    async fn announce_once(
        &self,
        call: &Call,
        idle: super::http::Idle,
    ) -> Result<Result<Begun, NoAnswer>, UpstreamError> {
        let mut lease = match self.lease(call, idle).await {
            Ok(lease) => lease,
            Err(none) => return Ok(Err(none)),
        };
        let head = self.head_of(call, Expect::Continue).await?;
        let history = lease.history;
        Ok(match ask_leave(lease.connection(), &head, self.idle_timeout).await {
            Ok(None) => Ok(Begun::Sending(Box::new(lease))),
            Ok(Some(head)) => Ok(Begun::Answered(self.reply(lease, head))),
            Err(fault) => Err(NoAnswer::after_sending(fault, history)),
        })
    }
}

/// Sends all of `head`, and waits until the body may come, or for the head of an answer.
pub(super) async fn ask_leave(
    connection: &mut Connection,
    head: &[u8],
    idle_timeout: Duration,
) -> Result<Option<Box<AnswerHead>>, WireFault> {
    connection.begin();
    // A leave that comes before all of the head is none.
    if let Some(answer) = send(connection, &mut [IoSlice::new(head)], idle_timeout).await? {
        return Ok(Some(answer));
    }
    let heard = async {
        loop {
            match connection.hear(Asked::Other, idle_timeout).await? {
                Heard::Continue => return Ok(None),
                Heard::Interim => {}
                Heard::Answer(head) => return Ok(Some(head)),
            }
        }
    };
    timeout(CONTINUE_WAIT, heard).await.unwrap_or(Ok(None))
}

async fn read(source: &mut dyn BodySource, into: &mut [u8]) -> Result<usize, BodyAborted> {
    let room = into.len();
    // A source that claims more than there is room for is broken; it must not become a panic.
    source.read(into).await.and_then(|read| if read <= room { Ok(read) } else { Err(BodyAborted) })
}

/// The head of an answer, and when it came.
enum Heading {
    /// After all of the body.
    Final(Box<AnswerHead>),
    /// Before its end.
    Early(Box<AnswerHead>),
}

/// Moves a body from its source to a connection.
struct Pump<'a> {
    source: &'a mut dyn BodySource,
    len: u64,
    received: u64,
    /// How much of the buffer waits to be sent.
    filled: usize,
    buffer: Buffer,
    framing: Framing,
}

/// What the buffer holds.
enum Filled {
    /// So many bytes are to be sent, and more will come.
    More(usize),
    /// The rest of the body.
    Last,
    /// Nothing any more: the service has answered already.
    Answered(Box<AnswerHead>),
}

impl Pump<'_> {
    async fn run(
        mut self,
        connection: &mut Connection,
        patience: Duration,
        idle_timeout: Duration,
    ) -> Result<Heading, UpstreamError> {
        loop {
            let (len, kind) = match self.fill(connection, idle_timeout).await? {
                Filled::More(len) => (len, Frame::Inner),
                Filled::Last => (self.filled, Frame::Last),
                Filled::Answered(head) => return Ok(Heading::Early(head)),
            };
            let frame = self.framing.frame(&self.buffer[..len], kind);
            let mut pieces = frame.pieces(&self.buffer[..len]).map(IoSlice::new);
            if let Some(head) = send(connection, &mut pieces, idle_timeout).await? {
                return Ok(Heading::Early(head));
            }
            if let Frame::Last = kind {
                break;
            }
            self.buffer.copy_within(len..self.filled, 0);
            self.filled -= len;
        }
        connection.sent_all();
        loop {
            if let Heard::Answer(head) = connection.hear(Asked::Other, patience).await? {
                return Ok(Heading::Final(head));
            }
        }
    }

    /// Reads until there is a run to send, or the end.
    async fn fill(&mut self, connection: &mut Connection, idle_timeout: Duration) -> Result<Filled, UpstreamError> {
        loop {
            let all_there = self.received == self.len;
            let room = BUFFER_BYTES - self.filled;
            if room < MIN_BUFFER_BYTES || (self.filled >= RUN_BYTES && !all_there) {
                // Frames of one size can be counted in advance; without them the whole buffer goes. What might be the
                // last of the body stays.
                let run = if all_there || self.framing.is_uniform() { RUN_BYTES } else { self.filled };
                return Ok(Filled::More(run));
            }
            let mut reading = pin!(read(self.source, &mut self.buffer[self.filled..]));
            // A source loses bytes when it is dropped half-way: what the service says meanwhile (a leave to go on that
            // comes late) never ends the reading.
            let read = loop {
                tokio::select! {
                    biased;
                    () = connection.listen() => match connection.hear(Asked::Other, idle_timeout).await? {
                        Heard::Continue | Heard::Interim => {}
                        Heard::Answer(head) => return Ok(Filled::Answered(head)),
                    },
                    read = &mut reading => break read?,
                }
            };
            if read == 0 {
                return if all_there { Ok(Filled::Last) } else { Err(BodyAborted.into()) };
            }
            self.received += read as u64;
            if self.received > self.len {
                return Err(BodyAborted.into());
            }
            self.filled += read;
        }
    }
}

/// Sends `pieces`; returns the head of an answer that came before they were sent.
async fn send(
    connection: &mut Connection,
    pieces: &mut [IoSlice<'_>],
    idle_timeout: Duration,
) -> Result<Option<Box<AnswerHead>>, WireFault> {
    let mut pieces = pieces;
    while connection.send(&mut pieces).await? == Sent::Interrupted {
        if let Heard::Answer(head) = connection.hear(Asked::Other, idle_timeout).await? {
            return Ok(Some(head));
        }
    }
    Ok(None)
}
