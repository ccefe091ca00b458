//! HTTP/1.1 with blocking sockets and one large buffer: as little as the load and the null backend can do with, so that
//! what they take from the machine is small, and the same for every proxy between them.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// What the proxy under test reads or writes at once should not be bounded by us.
const BUFFER_BYTES: usize = 256 << 10;
/// No head here is longer.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A connection, in the clear or through TLS.
pub(crate) trait Connection: Read + Write + Send {}

impl<T: Read + Write + Send> Connection for T {}

/// A connection and what was read of it too early.
pub(crate) struct Wire {
    stream: Box<dyn Connection>,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

/// The first line and the headers of a request or an answer.
pub(crate) struct Head {
    /// The first line.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// A header by its name in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Content-Length, where there is a sound one.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.get("content-length")?.parse().ok()
    }

    /// Whether the body is framed in chunks.
    pub(crate) fn is_chunked(&self) -> bool {
        self.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split("\r\n");
        let line = lines.next()?.to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Self { line, headers: lines.map(header).collect::<Option<_>>()? })
    }
}

impl Wire {
    /// A connection in the clear.
    pub(crate) fn plain(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self::new(Box::new(tcp)))
    }

    /// Any connection.
    pub(crate) fn new(stream: Box<dyn Connection>) -> Self {
        Self { stream, buffer: vec![0; BUFFER_BYTES], from: 0, to: 0 }
    }

    /// Writes all of it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next head; `None` where the peer ended the conversation before it.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        let mut looked_at = 0;
        loop {
            let have = &self.buffer[self.from..self.to];
            let from = looked_at.min(have.len());
            if let Some(at) = have[from..].windows(4).position(|four| four == b"\r\n\r\n") {
                let text = str::from_utf8(&have[..from + at]).map_err(|_| wrong("a head that is no text"))?;
                let head = Head::parse(text).ok_or(wrong("a head that is none"))?;
                self.from += from + at + 4;
                return Ok(Some(head));
            }
            looked_at = have.len().saturating_sub(3);
            if have.len() > MAX_HEAD_BYTES {
                return Err(wrong("an endless head"));
            }
            if self.from > 0 {
                self.buffer.copy_within(self.from..self.to, 0);
                self.to -= self.from;
                self.from = 0;
            }
            match self.stream.read(&mut self.buffer[self.to..])? {
                0 if self.to == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => self.to += more,
            }
        }
    }

    /// Exactly `len` bytes, as they come.
    pub(crate) fn body(&mut self, mut len: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        while len > 0 {
            if self.from == self.to {
                self.refill()?;
            }
            let have = self.to - self.from;
            let now = usize::try_from(len).map_or(have, |len| len.min(have));
            take(&self.buffer[self.from..self.from + now]);
            self.from += now;
            len -= now as u64;
        }
        Ok(())
    }

    /// A body in chunks, HTTP's or S3's, to the end of its trailers. Extensions and trailers are passed over.
    pub(crate) fn chunks(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| wrong("a chunk without a size"))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(());
            }
            self.body(size, &mut take)?;
            self.line()?;
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while line.len() < MAX_HEAD_BYTES {
            if self.from == self.to {
                self.refill()?;
            }
            let byte = self.buffer[self.from];
            self.from += 1;
            match byte {
                b'\n' => return String::from_utf8(line).map_err(|_| wrong("a line that is no text")),
                b'\r' => {}
                byte => line.push(byte),
            }
        }
        Err(wrong("an endless line"))
    }

    fn refill(&mut self) -> io::Result<()> {
        (self.from, self.to) = (0, self.stream.read(&mut self.buffer)?);
        if self.to == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// The peer does not speak as we expect.
pub(crate) fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
