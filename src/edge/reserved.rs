//! An address that is ours but does not answer yet.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted; Linux caps it at `net.core.somaxconn`.
const BACKLOG: u32 = 1024;

/// A bound socket that does not listen. A port that is taken is found out before anything on disk is touched, and
/// clients are refused, instead of left waiting, until the server is ready.
#[derive(Debug)]
pub struct Reserved {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Reserved {
    /// Binds `address`; port 0 takes any free one.
    ///
    /// # Errors
    /// Of the operating system; `AddrInUse` where another process has it.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart must not wait for old connections in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The address, with the port that was taken.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// Of the operating system; `AddrInUse` where another process that had bound it too was quicker.
    pub fn listen(self) -> io::Result<TcpListener> {
        self.socket.listen(BACKLOG)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[tokio::test]
    async fn taken_port_is_found_and_a_reserved_one_refuses() {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reserved = Reserved::bind(loopback).unwrap();
        let address = reserved.address();
        assert_ne!(address.port(), 0);
        assert!(TcpStream::connect(address).is_err(), "nobody listens yet");
        let listener = reserved.listen().unwrap();
        assert!(TcpStream::connect(address).is_ok());
        assert_eq!(Reserved::bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
    }
}
