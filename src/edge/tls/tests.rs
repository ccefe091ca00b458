//! The listener over TLS, with certificates made for each test.

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client;

use super::*;
use crate::edge::tests::{LIMITS, PATIENCE, Toy};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A directory with certificate and key.
struct Pair {
    folder: TempDir,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { folder: tempfile::tempdir().unwrap() };
        pair.renew();
        pair
    }

    fn files(&self) -> CertificateFiles {
        let path = |name| self.folder.path().join(name);
        CertificateFiles { certificate: path("tls.crt"), private_key: path("tls.key") }
    }

    /// Another key, and its certificate.
    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.write(&made.cert.pem(), &made.signing_key.serialize_pem());
    }

    fn write(&self, certificate: &str, private_key: &str) {
        fs::write(self.files().certificate, certificate).unwrap();
        fs::write(self.files().private_key, private_key).unwrap();
    }

    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.files().certificate).unwrap()
    }
}

fn listen(pair: &Pair) -> (Toy, Arc<Certificates>) {
    let certificates = Certificates::load(pair.files()).unwrap();
    let toy = Toy::start_with(LIMITS, Some(Tls::new(Arc::clone(&certificates)).unwrap()));
    (toy, certificates)
}

/// Shakes hands, trusting the certificate that is on disk now.
async fn shake(
    toy: &Toy,
    trusted: CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> io::Result<client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(toy.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn connect(toy: &Toy, pair: &Pair) -> io::Result<client::TlsStream<TcpStream>> {
    shake(toy, pair.certificate(), &[&TLS13, &TLS12], &[]).await
}

async fn ask(stream: &mut client::TlsStream<TcpStream>, request: &[u8], end: &str) -> String {
    stream.write_all(request).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(end.as_bytes()) {
        got.push(timeout(PATIENCE, stream.read_u8()).await.expect("more comes").unwrap());
    }
    String::from_utf8(got).unwrap()
}

#[tokio::test]
async fn both_versions_speak_http_1_1_and_nothing_else() {
    let pair = Pair::new();
    let (toy, _) = listen(&pair);
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut stream = shake(&toy, pair.certificate(), &[version], &[b"h2", b"http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(name));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(HTTP_1_1));
        for _ in 0..2 {
            assert!(ask(&mut stream, GET, "hello").await.starts_with("HTTP/1.1 200"));
        }
    }
    assert!(shake(&toy, pair.certificate(), &[&TLS13], &[b"h2"]).await.is_err(), "there is no HTTP/2 here");
}

#[tokio::test]
async fn what_is_no_request_is_refused_over_tls_too() {
    let pair = Pair::new();
    let (toy, _) = listen(&pair);
    let mut stream = connect(&toy, &pair).await.unwrap();
    assert!(ask(&mut stream, b"nonsense\r\n\r\n", "<malformed/>").await.starts_with("HTTP/1.1 400"));
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "a farewell, and no reset");
}

/// Style 10, as in clear: TLS would take a missing farewell for an end if nobody looked.
#[tokio::test]
async fn failed_body_never_looks_whole() {
    let pair = Pair::new();
    let (toy, _) = listen(&pair);
    let mut stream = connect(&toy, &pair).await.unwrap();
    stream.write_all(b"GET /broken HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
}

#[tokio::test]
async fn handshakes_that_fail_or_stall_keep_nobody_waiting() {
    let pair = Pair::new();
    let (toy, _) = listen(&pair);
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(toy.address).await.unwrap());
    }
    let mut plain = TcpStream::connect(toy.address).await.unwrap();
    plain.write_all(GET).await.unwrap();
    let mut got = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut got)).await.expect("it is given up");
    assert!(!got.starts_with(b"HTTP"), "nothing is served in clear");
    assert!(toy.metrics.render().unwrap().contains("crypt_keeper_tls_handshakes_failed_total 1\n"));
    let mut stream = connect(&toy, &pair).await.unwrap();
    ask(&mut stream, GET, "hello").await;
}

#[tokio::test]
async fn new_certificates_are_for_new_connections() {
    let pair = Pair::new();
    let (toy, certificates) = listen(&pair);
    assert!(matches!(certificates.reload(), Reload::Unchanged));
    let old = pair.certificate();
    let mut open = connect(&toy, &pair).await.unwrap();
    ask(&mut open, GET, "hello").await;

    pair.renew();
    assert!(connect(&toy, &pair).await.is_err(), "not before it was read");
    assert!(matches!(certificates.reload(), Reload::Changed));
    ask(&mut open, GET, "hello").await;
    let mut new = connect(&toy, &pair).await.unwrap();
    ask(&mut new, GET, "hello").await;
    assert!(shake(&toy, old, &[&TLS13], &[]).await.is_err(), "the old one is gone");
}

/// Whoever renews a certificate writes two files, one after the other.
#[tokio::test]
async fn bad_pair_keeps_the_one_before_it() {
    let pair = Pair::new();
    let (toy, certificates) = listen(&pair);
    let good = pair.certificate();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = fs::read_to_string(pair.files().private_key).unwrap();
    for (certificate, private_key) in [
        (other.cert.pem(), key.as_str()),
        ("nonsense".to_owned(), key.as_str()),
        (String::new(), ""),
        (other.cert.pem(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    ] {
        pair.write(&certificate, private_key);
        let Reload::Kept(fault) = certificates.reload() else { panic!("{certificate} {private_key}") };
        assert!(!fault.to_string().contains('\n'), "{fault}");
        assert!(matches!(certificates.reload(), Reload::Unchanged), "it is said once");
        let mut stream = shake(&toy, good.clone(), &[&TLS13], &[]).await.unwrap();
        ask(&mut stream, GET, "hello").await;
    }
    fs::remove_file(pair.files().certificate).unwrap();
    assert!(matches!(certificates.reload(), Reload::Kept(_)));
    pair.renew();
    assert!(matches!(certificates.reload(), Reload::Changed));
}

#[test]
fn faults_name_the_file_and_never_show_the_key() {
    let pair = Pair::new();
    let key = fs::read_to_string(pair.files().private_key).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let own = fs::read_to_string(pair.files().certificate).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let broken = key.replace("-----END", "----- END");
    for (certificate, private_key, expected) in [
        (other.as_str(), key.as_str(), "is not that of the certificate in"),
        (key.as_str(), key.as_str(), "tls.crt holds no certificate that can be read (there is none in it)"),
        (own.as_str(), own.as_str(), "tls.key holds no private key that can be read (there is none in it)"),
        (own.as_str(), broken.as_str(), "tls.key holds no private key that can be read (it is not PEM)"),
    ] {
        pair.write(certificate, private_key);
        let fault = Certificates::load(pair.files()).unwrap_err().to_string();
        assert!(fault.contains(expected) && !fault.contains(secret) && !fault.contains('\n'), "{fault}");
    }
    fs::remove_file(pair.files().private_key).unwrap();
    let fault = Certificates::load(pair.files()).unwrap_err().to_string();
    assert!(fault.starts_with("tls.private_key_file: ") && fault.contains("No such file"), "{fault}");
}
