//! TLS to the server: which certificates are trusted, and which are shown.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use super::{
    certificate_check::{CertificateCheck, Pin},
    stream::Stream,
};
use crate::{ConnectError, error::BoxError};

/// How a server proves who it is, and how this program does.
///
/// By default the system's root certificates are trusted. They are read once per process, when the
/// first https connection is prepared.
#[derive(Clone, Default)]
#[must_use]
pub struct TlsConfig {
    extra_roots: Vec<Vec<u8>>,
    identity: Option<Identity>,
    pins: Vec<Pin>,
    trust: Trust,
}

#[derive(Clone)]
struct Identity {
    chain_pem: Vec<u8>,
    key_pem: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trust {
    #[default]
    System,
    OnlyExtra,
    Anyone,
}

impl TlsConfig {
    /// Trusts the system's root certificates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also trusts the certificates of a PEM text.
    pub fn root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_roots.push(pem.into());
        self
    }

    /// Trusts only what [`root_pem`](Self::root_pem) gives, not the system's roots.
    pub fn only_given_roots(mut self) -> Self {
        self.trust = Trust::OnlyExtra;
        self
    }

    /// Shows the server a certificate: the chain in PEM, the program's own certificate first, and
    /// its private key in PEM.
    pub fn identity_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity { chain_pem: chain.into(), key_pem: key.into() });
        self
    }

    /// Accepts only a server whose certificate (DER) has this SHA-256 sum, or one of several.
    pub fn pin_certificate_sha256(mut self, sum: [u8; 32]) -> Self {
        self.pins.push(Pin::Certificate(sum));
        self
    }

    /// Accepts only a server whose public key (`SubjectPublicKeyInfo`, DER; RFC 7469) has this
    /// SHA-256 sum, or one of several.
    pub fn pin_public_key_sha256(mut self, sum: [u8; 32]) -> Self {
        self.pins.push(Pin::PublicKey(sum));
        self
    }

    /// Accepts any certificate, for any name, of any age. Whoever stands between can read and
    /// change everything, unless a pin is given as well.
    pub fn danger_accept_invalid(mut self) -> Self {
        self.trust = Trust::Anyone;
        self
    }

    /// Prepares connections. Reads certificates, so it may take milliseconds and block.
    pub(super) fn prepare(&self) -> Result<Tls, ConnectError> {
        if self.is_default() {
            static SHARED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
            if let Some(shared) = SHARED.get() {
                return Ok(Tls::new(Arc::clone(shared)));
            }
            let built = Arc::new(self.build()?);
            return Ok(Tls::new(Arc::clone(SHARED.get_or_init(|| built))));
        }
        self.build().map(|config| Tls::new(Arc::new(config)))
    }

    /// [`prepare`](Self::prepare) where it does not hold up other tasks.
    pub(super) async fn prepare_aside(self) -> Result<Tls, ConnectError> {
        tokio::task::spawn_blocking(move || self.prepare())
            .await
            .map_err(|e| broken("reading certificates", e))?
    }

    fn is_default(&self) -> bool {
        self.extra_roots.is_empty()
            && self.identity.is_none()
            && self.pins.is_empty()
            && self.trust == Trust::System
    }

    fn build(&self) -> Result<ClientConfig, ConnectError> {
        let provider = Arc::new(ring::default_provider());
        let check = CertificateCheck {
            chain: self.chain_check(&provider)?,
            pins: self.pins.clone(),
            provider: Arc::clone(&provider),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| broken("choosing protocol versions", e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(check));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = certificates(&identity.chain_pem, "the client certificate")?;
                let key = PrivateKeyDer::from_pem_slice(&identity.key_pem)
                    .map_err(|e| broken("reading the client key", e))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| broken("using the client certificate", e))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn chain_check(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ServerCertVerifier>>, ConnectError> {
        let mut roots = match self.trust {
            Trust::System => system_roots(),
            Trust::OnlyExtra => Arc::new(RootCertStore::empty()),
            Trust::Anyone => return Ok(None),
        };
        for pem in &self.extra_roots {
            for certificate in certificates(pem, "the extra root certificates")? {
                Arc::make_mut(&mut roots)
                    .add(certificate)
                    .map_err(|e| broken("trusting an extra root certificate", e))?;
            }
        }
        if roots.is_empty() {
            let reason = "no root certificates: the system has none, and none were given";
            return Err(ConnectError::Tls { reason: reason.to_owned(), source: None });
        }
        let check = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
            .build()
            .map_err(|e| broken("preparing the check of certificates", e))?;
        Ok(Some(check))
    }
}

fn certificates(
    pem: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|e| broken(&format!("reading {what}"), e))?;
    if found.is_empty() {
        let reason = format!("{what}: the PEM text holds no certificate");
        return Err(ConnectError::Tls { reason, source: None });
    }
    Ok(found)
}

/// The system's roots, read once: decoding them costs milliseconds.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "cannot read some root certificates");
        }
        let mut roots = RootCertStore::empty();
        let (trusted, unusable) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(trusted, unusable, "read the system's root certificates");
        Arc::new(roots)
    });
    Arc::clone(roots)
}

fn broken(reason: &str, source: impl Into<BoxError>) -> ConnectError {
    ConnectError::Tls { reason: reason.to_owned(), source: Some(source.into()) }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("extra_roots", &self.extra_roots.len())
            .field("has_identity", &self.identity.is_some())
            .field("pins", &self.pins)
            .field("trust", &self.trust)
            .finish()
    }
}

/// TLS, ready to be put over connections.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

/// The version of HTTP that the server chose (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    /// Also when the server chose nothing.
    Http1,
    /// `h2`.
    Http2,
}

impl Tls {
    fn new(config: Arc<ClientConfig>) -> Self {
        Self(TlsConnector::from(config))
    }

    /// The same for a peer that is spoken to in HTTP/1.1, such as a proxy.
    pub(super) fn http1_only(&self) -> Self {
        let mut config = ClientConfig::clone(self.0.config());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self::new(Arc::new(config))
    }

    /// Shakes hands with a server that must be `host`.
    pub(super) async fn wrap(
        &self,
        host: &str,
        stream: Stream,
    ) -> Result<(Stream, Alpn), BoxError> {
        let name = ServerName::try_from(host.to_owned())?;
        let stream = self.0.connect(name, stream).await?;
        let alpn = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Alpn::Http2,
            _ => Alpn::Http1,
        };
        Ok((Stream::Tls(Box::new(stream)), alpn))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
