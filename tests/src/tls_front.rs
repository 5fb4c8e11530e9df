//! TLS before a plain server of this machine, for clients that show a certificate.

use std::{fmt, io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use url::Url;

/// Runs until it is dropped.
pub struct TlsFront {
    url: String,
    authority: String,
    client: (String, String),
    _serving: JoinSet<()>,
}

impl TlsFront {
    /// Takes connections for the server at this URL from clients whose certificate its own
    /// authority signed.
    ///
    /// # Errors
    /// No port can be had, or the certificates cannot be made.
    pub async fn start(behind: &str) -> io::Result<Self> {
        let behind: Url = behind.parse().map_err(io::Error::other)?;
        let address = format!(
            "{}:{}",
            behind.host_str().unwrap_or_default(),
            behind.port().unwrap_or_default()
        );
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let authority = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        let (chain, key) = sign(&authority, "localhost", ExtendedKeyUsagePurpose::ServerAuth)?;
        let client = sign(&authority, "client", ExtendedKeyUsagePurpose::ClientAuth)?;
        let acceptor = TlsAcceptor::from(Arc::new(config(&authority, &chain, &key)?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://localhost:{}{}", listener.local_addr()?.port(), behind.path());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(pass_on(acceptor.clone(), stream, address.clone()));
            }
        });
        let client = (client.0.pem(), client.1.serialize_pem());
        Ok(Self { url, authority: authority.pem(), client, _serving: serving })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate that signed all others, as PEM.
    pub fn authority(&self) -> String {
        self.authority.clone()
    }

    /// The certificate of a client, as PEM.
    pub fn client_certificate(&self) -> String {
        self.client.0.clone()
    }

    /// Its key, as PEM.
    pub fn client_key(&self) -> String {
        self.client.1.clone()
    }
}

impl fmt::Debug for TlsFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFront").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A connection that ends early is the client's to notice.
async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, address: String) {
    let Ok(mut secure) = acceptor.accept(stream).await else { return };
    let Ok(mut plain) = TcpStream::connect(address).await else { return };
    let _ = copy_bidirectional(&mut secure, &mut plain).await;
}

fn sign(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> io::Result<(rcgen::Certificate, KeyPair)> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::new([name.to_owned()]).map_err(io::Error::other)?;
    params.extended_key_usages = vec![purpose];
    let certificate = params.signed_by(&key, authority).map_err(io::Error::other)?;
    Ok((certificate, key))
}

fn config(
    authority: &CertifiedIssuer<'_, KeyPair>,
    chain: &rcgen::Certificate,
    key: &KeyPair,
) -> io::Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).map_err(io::Error::other)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(io::Error::other)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![CertificateDer::clone(chain.der())], key)
        .map_err(io::Error::other)
}
