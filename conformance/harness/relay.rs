//! A relay between the proxy and an S3 service, which passes everything on, or misbehaves as a test has it: for faults
//! that a real service does not produce on demand.
//!
//! One request per connection: the service is told to close after its answer, so that an answer ends where the stream does.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A request's head that is longer than this is no request of ours.
const MAX_HEAD_BYTES: usize = 64 << 10;
const BLOCK_BYTES: usize = 16 << 10;
/// Nothing in these tests waits longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What becomes of a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The connection is reset before a byte of the answer, the request having been read or not.
    Reset,
    /// The request goes nowhere after so many bytes of its body; then the connection is reset.
    ResetUpload { after: usize },
    /// So many bytes of the answer, head included, then a reset.
    ResetAnswer { after: usize },
    /// So many bytes of the answer, then a clean end.
    CutAnswer { after: usize },
    /// An answer of its own; the service is not asked.
    Answer(Vec<u8>),
    /// The service carries the request out, and its answer is lost.
    LoseAnswer,
    /// Nothing, until the other side gives up.
    Silence,
    /// The true answer, a few bytes at a time.
    Slow { bytes: usize, pause: Duration },
    /// The true answer, altered.
    Edit(fn(Vec<u8>) -> Vec<u8>),
}

struct Rule {
    line: String,
    fault: Fault,
    left: usize,
}

#[derive(Default)]
struct Script {
    rules: Vec<Rule>,
    seen: Vec<String>,
    uploads_cut: usize,
}

/// The relay, which runs as long as its process.
pub(crate) struct Relay {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Relay {
    /// Listens on a port of its own, in front of `service` (`host:port`).
    pub(crate) fn before(service: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (script, service) = (Arc::new(Mutex::new(Script::default())), service.to_owned());
        let relay = Self { address, script: script.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, service) = (script.clone(), service.clone());
                thread::spawn(move || pass(stream, &service, &script).ok());
            }
        });
        relay
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on, `fault` meets the next `times` requests whose request line begins with `line`.
    pub(crate) fn on(&self, line: &str, times: usize, fault: Fault) {
        self.with(|script| script.rules.push(Rule { line: line.to_owned(), fault, left: times }));
    }

    /// Passes everything on again, and forgets what it saw. The request lines since the last time.
    pub(crate) fn heal(&self) -> Vec<String> {
        self.with(|script| {
            script.rules.clear();
            std::mem::take(&mut script.seen)
        })
    }

    /// How many requests whose line begins with `line` came since [`Self::heal`].
    pub(crate) fn count(&self, line: &str) -> usize {
        self.with(|script| script.seen.iter().filter(|seen| seen.starts_with(line)).count())
    }

    /// How many bodies of requests ended before their length, since the start.
    pub(crate) fn uploads_cut(&self) -> usize {
        self.with(|script| script.uploads_cut)
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Script) -> T) -> T {
        ask(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn pass(mut client: TcpStream, service: &str, script: &Arc<Mutex<Script>>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let Some((head, body)) = read_head(&mut client)? else { return Ok(()) };
    let line = head.lines().next().unwrap_or_default().to_owned();
    let fault = {
        let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = script.rules.iter_mut().find(|rule| rule.left > 0 && line.starts_with(&rule.line));
        let fault = rule.map(|rule| {
            rule.left -= 1;
            rule.fault.clone()
        });
        script.seen.push(line);
        fault
    };
    match fault {
        Some(Fault::Reset) => return reset(&client),
        Some(Fault::ResetUpload { after }) => {
            let mut left = after.saturating_sub(body.len());
            while left > 0 {
                let mut block = [0; BLOCK_BYTES];
                let wanted = left.min(BLOCK_BYTES);
                match client.read(&mut block[..wanted])? {
                    0 => break,
                    count => left -= count,
                }
            }
            return reset(&client);
        }
        Some(Fault::Answer(answer)) => {
            client.write_all(&answer)?;
            return drain(&mut client);
        }
        Some(Fault::Silence) => return drain(&mut client),
        _ => {}
    }
    let mut service = TcpStream::connect(service)?;
    service.set_read_timeout(Some(PATIENCE))?;
    service.write_all(head.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes())?;
    service.write_all(&body)?;
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
    let (mut from, mut to, script) = (client.try_clone()?, service.try_clone()?, script.clone());
    let left = length.saturating_sub(body.len());
    thread::spawn(move || {
        if send_body(&mut from, &mut to, left).is_err() {
            script.lock().unwrap_or_else(PoisonError::into_inner).uploads_cut += 1;
            // The service is to see that the body broke off, as it would without a relay.
            to.shutdown(Shutdown::Both).ok();
        }
    });
    answer(&mut service, &mut client, fault)
}

fn send_body(from: &mut TcpStream, to: &mut TcpStream, mut left: usize) -> io::Result<()> {
    let mut block = [0; BLOCK_BYTES];
    while left > 0 {
        let wanted = left.min(BLOCK_BYTES);
        let count = from.read(&mut block[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all(&block[..count])?;
        left -= count;
    }
    Ok(())
}

fn answer(service: &mut TcpStream, client: &mut TcpStream, fault: Option<Fault>) -> io::Result<()> {
    match fault {
        None => {
            io::copy(service, client)?;
        }
        Some(Fault::LoseAnswer) => {
            io::copy(service, &mut io::sink())?;
            return reset(client);
        }
        Some(Fault::ResetAnswer { after }) => {
            io::copy(&mut service.take(after as u64), client)?;
            // What was sent is to arrive: a reset throws away what waits.
            thread::sleep(Duration::from_millis(200));
            return reset(client);
        }
        Some(Fault::CutAnswer { after }) => {
            io::copy(&mut service.take(after as u64), client)?;
        }
        Some(Fault::Slow { bytes, pause }) => {
            let mut block = vec![0; bytes];
            loop {
                let count = service.read(&mut block)?;
                if count == 0 {
                    break;
                }
                client.write_all(&block[..count])?;
                thread::sleep(pause);
            }
        }
        Some(Fault::Edit(edit)) => {
            let mut whole = Vec::new();
            service.read_to_end(&mut whole)?;
            client.write_all(&edit(whole))?;
        }
        Some(_) => {}
    }
    client.shutdown(Shutdown::Write)
}

/// The head with its blank line, and what came of the body with it.
fn read_head(client: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let (mut read, mut block) = (Vec::new(), [0; BLOCK_BYTES]);
    while read.len() < MAX_HEAD_BYTES {
        let count = client.read(&mut block)?;
        if count == 0 {
            return Ok(None);
        }
        read.extend_from_slice(&block[..count]);
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = read.split_off(at + 4);
            return Ok(Some((String::from_utf8_lossy(&read).into_owned(), body)));
        }
    }
    Ok(None)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.split_once(':').filter(|(given, _)| given.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value.trim())
}

/// Reads until the other side gives up.
fn drain(client: &mut TcpStream) -> io::Result<()> {
    io::copy(client, &mut io::sink()).map(drop)
}

/// The connection ends with RST when its last handle is dropped.
fn reset(stream: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
}
