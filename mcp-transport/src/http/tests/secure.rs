//! TLS and HTTP/2.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData as _,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    server::{Handler, Received},
    *,
};
use crate::{
    BoxFuture,
    error::{DeliveryErrorKind, Sent},
    http::{TlsConfig, certificate_check::sha256},
};

/// An authority that signs certificates for one test.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Settings that trust it.
    pub(super) fn trusted(&self) -> TlsConfig {
        TlsConfig::new().root_pem(self.0.pem())
    }

    fn sign(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { chain: vec![certificate.der().clone()], key, pem: certificate.pem() }
    }

    /// Takes TLS connections with a certificate of this authority.
    #[cfg(feature = "websocket")]
    pub(super) fn acceptor(&self, name: &str) -> TlsAcceptor {
        TlsAcceptor::from(Arc::new(server_config(self.sign(name))))
    }

    /// A server with a certificate of this authority.
    pub(super) async fn server(
        &self,
        name: &str,
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Server {
        secured(server_config(self.sign(name)), Box::new(handler)).await
    }
}

fn server_config(identity: Identity) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain, key_of(&identity.key))
        .unwrap()
}

fn key_of(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}

async fn secured(config: ServerConfig, handler: Box<Handler>) -> Server {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::start_over(handler, move |stream| -> BoxFuture<'static, io::Result<_>> {
        let acceptor = acceptor.clone();
        Box::pin(async move { acceptor.accept(stream).await })
    })
    .await
}

fn secure(address: SocketAddr, tls: TlsConfig) -> HttpConfig {
    HttpConfig::new(format!("https://localhost:{}/mcp", address.port())).tls(tls)
}

/// Why no connection came about, with all causes.
async fn unreachable(config: HttpConfig) -> String {
    let error = fail(&open(config).await).await;
    assert_eq!(error.sent, Sent::No);
    let DeliveryErrorKind::Unreachable { source, .. } = error.kind else { panic!("{error:?}") };
    let mut text = source.to_string();
    let mut cause = source.source();
    while let Some(error) = cause {
        text.extend([": ", &error.to_string()]);
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_trusted_server_is_talked_to() {
    let authority = Authority::new("a");
    let server = authority.server("localhost", Received::echo).await;
    let transport = open(secure(server.address, authority.trusted().only_given_roots())).await;
    for id in 0..100 {
        call(&transport, id).await;
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn strangers_are_refused() {
    let (authority, other) = (Authority::new("a"), Authority::new("b"));
    let server = authority.server("localhost", Received::echo).await;
    let error = unreachable(secure(server.address, other.trusted())).await;
    assert!(error.contains("UnknownIssuer"), "{error}");

    let server = authority.server("elsewhere.example", Received::echo).await;
    let error = unreachable(secure(server.address, authority.trusted())).await;
    assert!(error.contains("not valid for name"), "{error}");

    call(&open(secure(server.address, TlsConfig::new().danger_accept_invalid())).await, 1).await;
}

#[tokio::test]
async fn pins_are_checked() {
    let authority = Authority::new("a");
    let identity = authority.sign("localhost");
    let certificate: [u8; 32] = sha256(&identity.chain[0]).unwrap().try_into().unwrap();
    let public_key = sha256(&identity.key.subject_public_key_info()).unwrap().try_into().unwrap();
    let server = secured(server_config(identity), Box::new(Received::echo)).await;
    for tls in [
        authority.trusted().pin_certificate_sha256(certificate),
        authority.trusted().pin_public_key_sha256(public_key),
        authority.trusted().pin_public_key_sha256([0; 32]).pin_public_key_sha256(public_key),
        TlsConfig::new().danger_accept_invalid().pin_public_key_sha256(public_key),
    ] {
        call(&open(secure(server.address, tls)).await, 1).await;
    }
    for tls in [
        authority.trusted().pin_certificate_sha256([7; 32]),
        authority.trusted().pin_public_key_sha256(certificate),
        TlsConfig::new().danger_accept_invalid().pin_public_key_sha256([7; 32]),
    ] {
        let error = unreachable(secure(server.address, tls)).await;
        assert!(error.contains("none of the pins"), "{error}");
    }
}

// covers: auth-static
#[tokio::test]
async fn a_server_can_ask_who_calls() {
    let authority = Authority::new("a");
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let identity = authority.sign("localhost");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, key_of(&identity.key))
        .unwrap();
    let server = secured(config, Box::new(Received::echo)).await;
    let own = authority.sign("client");
    let tls = authority.trusted().identity_pem(own.pem, own.key.serialize_pem());
    assert!(!format!("{tls:?}").contains("BEGIN"));
    call(&open(secure(server.address, tls)).await, 1).await;
    fail(&open(secure(server.address, authority.trusted())).await).await;
}

/// A server that speaks HTTP/2 when it is offered. Its calls take `delay`.
struct Http2Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    /// Calls that were given up by the client.
    dropped: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// Counts calls that do not come to their end.
struct Running(Arc<AtomicUsize>, bool);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_add(usize::from(!self.1), Ordering::SeqCst);
    }
}

impl Http2Server {
    async fn start(authority: &Authority, delay: Duration) -> Self {
        let mut config = server_config(authority.sign("localhost"));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let dropped = Arc::new(AtomicUsize::new(0));
        let (count, left) = (Arc::clone(&accepted), Arc::clone(&dropped));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (acceptor, left) = (acceptor.clone(), Arc::clone(&left));
                connections.spawn(async move {
                    let stream: TlsStream<TcpStream> = acceptor.accept(stream).await.unwrap();
                    let service = service_fn(move |request| answer(request, delay, left.clone()));
                    // The client may go away at any moment.
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, accepted, dropped, _tasks: tasks }
    }
}

async fn answer(
    request: http::Request<Incoming>,
    delay: Duration,
    dropped: Arc<AtomicUsize>,
) -> hyper::Result<http::Response<Full<Bytes>>> {
    let mut running = Running(dropped, false);
    assert_eq!(request.uri().path(), "/mcp");
    assert!(request.headers().get("host").is_none());
    let body = request.into_body().collect().await?.to_bytes();
    sleep(delay).await;
    let request: Value = serde_json::from_slice(&body).unwrap();
    let response =
        json!({ "jsonrpc": "2.0", "id": request["id"], "result": { "id": request["id"] } });
    running.1 = true;
    Ok(http::Response::builder()
        .header("content-type", "application/json")
        .body(Full::new(response.to_string().into()))
        .unwrap())
}

#[tokio::test]
async fn http2_shares_one_connection() {
    let authority = Authority::new("a");
    let server = Http2Server::start(&authority, Duration::from_millis(20)).await;
    let transport = open(secure(server.address, authority.trusted()).max_connections(2)).await;
    for _ in 0..2 {
        let mut calls = JoinSet::new();
        for id in 0..64 {
            let transport = Arc::clone(&transport);
            calls.spawn(async move { (id, call(&transport, id).await) });
        }
        while let Some(done) = calls.join_next().await {
            let (id, result) = done.unwrap();
            assert_eq!(result, json!({ "id": id }));
        }
    }
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn http2_gives_up_one_call_alone() {
    let authority = Authority::new("a");
    let server = Http2Server::start(&authority, Duration::from_millis(200)).await;
    let transport = open(secure(server.address, authority.trusted())).await;
    let mut given_up = transport.exchange(modern(1, "x", &json!({})));
    assert!(timeout(Duration::from_millis(50), given_up.next()).await.is_err());
    drop(given_up);
    call(&transport, 2).await;
    assert_eq!(server.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
}
