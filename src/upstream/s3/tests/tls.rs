//! Over TLS, with a certificate made for the test.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::double::{FACTS, it, open, settings};
use crate::base::Clock;
use crate::sigv4::testing::NOW;
use crate::upstream::s3::client::Client;
use crate::upstream::suite::read_all;
use crate::upstream::{StoredRange, Upstream};

async fn hear(stream: &mut TlsStream<TcpStream>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.expect("a request"));
    }
}

/// Bytes behind a body that rustls has opened and nobody has read are nobody's answer.
#[tokio::test]
async fn a_padded_body_ends_where_it_said() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let dir = tempfile::tempdir().expect("a directory");
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).expect("a file");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut standing = Vec::new();
        let head = format!("HTTP/1.1 200 OK\r\n{FACTS}Content-Length: 5\r\n\r\n");
        for text in [format!("hello{head}wrong"), "right".to_owned()] {
            let (tcp, _) = listener.accept().await.expect("a connection");
            let mut stream = acceptor.accept(tcp).await.expect("a handshake");
            hear(&mut stream).await;
            // The body by itself: the client reads it past what it reads ahead.
            for piece in [&head, &text] {
                stream.write_all(piece.as_bytes()).await.expect("a write");
                stream.flush().await.expect("a write");
                tokio::time::sleep(super::double::IDLE_TIMEOUT / 8).await;
            }
            standing.push(stream);
        }
    });
    let mut settings = settings(&format!("https://localhost:{}", address.port()));
    settings.ca_file = Some(ca_file.clone());
    let mut upstream = open(self::settings("http://127.0.0.1:1")).await;
    let client = Client::open_at(settings, Clock::manual(NOW), Some(address)).await.expect("settings that hold");
    upstream.client = client.into();
    for expected in [b"hello", b"right"] {
        let reply = upstream.get_object(&it(), StoredRange::Whole, None).await.expect("a GET");
        assert_eq!(read_all(reply.body).await.expect("a body"), expected);
    }
    serving.await.expect("two connections");
}
