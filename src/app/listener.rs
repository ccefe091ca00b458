//! The S3 listener's side of the start: what it is told, and whom it asks.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::base::Refusal;
use crate::config::{Limits, TlsConfig};
use crate::edge::tls::{CertificateFault, CertificateFiles, Certificates};
use crate::edge::{EdgeLimits, Service};
use crate::gateway::{Gateway, ReplyBody, Scheme};

/// The gateway, as the listener knows it.
#[derive(Clone)]
pub(super) struct S3Service(pub(super) Arc<Gateway>);

impl Service for S3Service {
    type Body = ReplyBody;

    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<ReplyBody>> + Send + 'static {
        let gateway = Arc::clone(&self.0);
        async move { gateway.handle(request, peer).await }
    }

    fn refuse(&self, refusal: Refusal, peer: SocketAddr) -> Response<ReplyBody> {
        self.0.refuse(refusal, peer)
    }
}

/// Reads certificate and key, where there are to be any.
pub(super) fn certificates(tls: Option<&TlsConfig>) -> Result<Option<Arc<Certificates>>, CertificateFault> {
    let files = tls.map(|tls| CertificateFiles {
        certificate: tls.certificate_file.clone(),
        private_key: tls.private_key_file.clone(),
    });
    files.map(Certificates::load).transpose()
}

/// How clients reach a listener with this configuration.
pub(super) const fn scheme(tls: Option<&TlsConfig>) -> Scheme {
    if tls.is_some() { Scheme::Https } else { Scheme::Http }
}

pub(super) const fn limits(limits: &Limits) -> EdgeLimits {
    EdgeLimits {
        max_connections: limits.max_connections,
        header_read_timeout: limits.header_read_timeout,
        idle_timeout: limits.idle_timeout,
        drain_timeout: limits.drain_timeout,
    }
}
