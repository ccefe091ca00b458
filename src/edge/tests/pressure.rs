//! Back-pressure: neither a client nor a service that stands still makes the listener hold more than it promises. Over
//! pipes of a known size, since the buffers of sockets are the kernel's and grow as it likes.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{DuplexStream, duplex};
use tokio::time::sleep;

use super::*;
use crate::edge::connection;
use crate::edge::stream::Transport;

const PIPE_BYTES: usize = 64 << 10;
const FRAME_BYTES: usize = 256 << 10;
/// In which everything that moves comes to its rest.
const SETTLING: Duration = Duration::from_millis(500);

impl Transport for DuplexStream {
    fn reset_on_drop(&self) {}
}

/// Answers GET with a body without an end, and takes one frame of a PUT.
#[derive(Clone, Default)]
struct Stalling {
    taken: Arc<AtomicUsize>,
    given: Arc<AtomicUsize>,
}

impl Service for Stalling {
    type Body = ToyBody;

    fn answer(
        &self,
        request: Request<Incoming>,
        _: SocketAddr,
    ) -> impl Future<Output = Response<ToyBody>> + Send + 'static {
        let Self { taken, given } = self.clone();
        async move {
            let mut body = request.into_body();
            if let Some(Ok(frame)) = body.frame().await {
                let frame = frame.into_data().unwrap();
                taken.store(frame.len(), Ordering::SeqCst);
                std::future::pending::<()>().await;
                drop((frame, body));
            }
            let frames = stream::repeat_with(move || {
                given.fetch_add(FRAME_BYTES, Ordering::SeqCst);
                Ok(Frame::data(Bytes::from(vec![0; FRAME_BYTES])))
            });
            Response::new(BodyExt::boxed(StreamBody::new(frames)))
        }
    }

    fn refuse(&self, _: Refusal, _: SocketAddr) -> Response<ToyBody> {
        Response::new(full("refused"))
    }
}

fn serve(service: Stalling) -> (DuplexStream, ShutdownTrigger) {
    let (client, server) = duplex(PIPE_BYTES);
    let (trigger, shutdown) = shutdown();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    tokio::spawn(connection::serve(server, peer, service, LIMITS, shutdown));
    (client, trigger)
}

#[tokio::test]
async fn client_that_reads_nothing_holds_a_fixed_number_of_bytes() {
    let service = Stalling::default();
    let (mut client, _trigger) = serve(service.clone());
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    sleep(SETTLING).await;
    let given = service.given.load(Ordering::SeqCst);
    assert!(given >= FRAME_BYTES, "it began");
    assert!(given <= PIPE_BYTES + BODY_BYTES, "{given} bytes are held");
    // It is the client that it waits for.
    let mut read = vec![0; 4 * FRAME_BYTES];
    client.read_exact(&mut read).await.unwrap();
    sleep(SETTLING).await;
    let more = service.given.load(Ordering::SeqCst);
    assert!(more > given && more <= read.len() + PIPE_BYTES + BODY_BYTES, "{more} bytes");
}

#[tokio::test]
async fn service_that_takes_nothing_holds_a_fixed_number_of_bytes() {
    let service = Stalling::default();
    let (mut client, _trigger) = serve(service.clone());
    client.write_all(b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n").await.unwrap();
    let (mut sent, block) = (0, vec![0; 16 << 10]);
    while let Ok(written) = timeout(SETTLING, client.write(&block)).await {
        sent += written.unwrap();
    }
    assert!(service.taken.load(Ordering::SeqCst) > 0, "it began");
    assert!(sent <= PIPE_BYTES + CONNECTION_BYTES + BODY_BYTES, "{sent} bytes are held");
}
