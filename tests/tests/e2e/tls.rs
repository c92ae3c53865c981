//! Makes certificates for a test, and provides a TLS proxy for a plain server.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate for 127.0.0.1, its key, and the authority that signed it, all in PEM.
pub struct Certificate {
    /// The authority's certificate, for the trust store of a client.
    pub authority: String,
    /// The server's certificate.
    pub certificate: String,
    /// The server's key.
    pub key: String,
    der: (Vec<u8>, Vec<u8>),
}

impl Certificate {
    /// Makes a new authority and a certificate that it signs.
    pub fn new() -> Result<Self> {
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate for self-signed if it has the name of its authority.
        about.distinguished_name.push(DnType::CommonName, "authority of a test");
        let authority = CertifiedIssuer::self_signed(about, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
        Ok(Self {
            authority: authority.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: (certificate.der().to_vec(), key.serialize_der()),
        })
    }

    /// Accepts TLS connections on a free port and forwards them to a plain server, until the runtime ends.
    pub async fn front(&self, plain: SocketAddr) -> Result<SocketAddr> {
        let (certificate, key) = self.der.clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate)],
                PrivatePkcs8KeyDer::from(key).into(),
            )?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust the certificate closes the connection, as some tests expect.
                    let mut outside = acceptor.accept(outside).await.ok()?;
                    let mut inside = TcpStream::connect(plain).await.ok()?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok()
                });
            }
        });
        Ok(address)
    }
}
