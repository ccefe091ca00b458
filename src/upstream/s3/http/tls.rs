//! Whom we trust on the way up.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why there is nobody to trust, for the operator.
#[derive(Debug, thiserror::Error)]
pub(in crate::upstream::s3) enum TlsFault {
    /// The operator's file cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// The machine trusts nobody: a container without certificates.
    #[error("this machine has no certificates of authorities; install them (ca-certificates) or name a `ca_file`")]
    NoneFound,
    /// The library refuses our settings.
    #[error("{0}")]
    Library(#[from] rustls::Error),
}

/// HTTP/1.1 over TLS 1.2 or 1.3. With `ca_file` its authorities only, else the machine's.
pub(in crate::upstream::s3) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsFault> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let fault = |reason: String| TlsFault::File { path: path.display().to_string(), reason };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| fault(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| fault(error.to_string()))?;
                roots.add(certificate).map_err(|error| fault(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(fault("it holds no certificate".to_owned()));
            }
        }
        None => {
            // One that cannot be read is passed over: machines have expired and odd ones among many.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsFault::NoneFound);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::{TlsFault, client_config};

    #[test]
    fn own_authorities_must_be_there_and_sound() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("ca.pem");
        assert!(matches!(client_config(Some(&file)), Err(TlsFault::File { .. })), "missing");
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, text).expect("a file");
            assert!(matches!(client_config(Some(&file)), Err(TlsFault::File { .. })), "{text:?}");
        }
    }
}
