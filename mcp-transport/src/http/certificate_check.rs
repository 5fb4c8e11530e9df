//! Which server certificates are accepted.

use std::{fmt, sync::Arc};

use rustls::{
    DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider, hash::Hash, ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// What a server's certificate must match, if any pins are given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pin {
    /// SHA-256 of the whole certificate.
    Certificate([u8; 32]),
    /// SHA-256 of its public key.
    PublicKey([u8; 32]),
}

/// Checks the chain, then the pins.
#[derive(Debug)]
pub(super) struct CertificateCheck {
    /// `None` trusts anyone.
    pub(super) chain: Option<Arc<dyn ServerCertVerifier>>,
    pub(super) pins: Vec<Pin>,
    pub(super) provider: Arc<CryptoProvider>,
}

/// A certificate that no pin allows.
#[derive(Debug, thiserror::Error)]
#[error("the server's certificate matches none of the pins; its public key is sha256:{found}")]
struct PinMismatch {
    found: String,
}

impl ServerCertVerifier for CertificateCheck {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        if self.pins.is_empty() {
            return Ok(ServerCertVerified::assertion());
        }
        let certificate = sha256(end_entity)?;
        let public_key =
            sha256(&ParsedCertificate::try_from(end_entity)?.subject_public_key_info())?;
        let matches = self.pins.iter().any(|pin| match pin {
            Pin::Certificate(sum) => *sum == certificate[..],
            Pin::PublicKey(sum) => *sum == public_key[..],
        });
        if matches {
            return Ok(ServerCertVerified::assertion());
        }
        let mismatch = PinMismatch { found: hex(&public_key) };
        Err(Error::Other(OtherError(Arc::new(mismatch))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// SHA-256, from the cryptography that TLS brings along.
pub(super) fn sha256(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let hash: &dyn Hash = TLS13_AES_128_GCM_SHA256
        .tls13()
        .map(|suite| suite.common.hash_provider)
        .ok_or_else(|| Error::General("SHA-256 is missing".to_owned()))?;
    Ok(hash.hash(bytes).as_ref().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(sum) => write!(f, "certificate sha256:{}", hex(sum)),
            Self::PublicKey(sum) => write!(f, "public key sha256:{}", hex(sum)),
        }
    }
}
