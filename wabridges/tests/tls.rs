//! Tests which certificates the client trusts: those of the system and of the CA file only.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use wabridges::{ApiKey, ApiUrl, Config, Error, ReadClient};

/// Starts an HTTPS server with a certificate for 127.0.0.1 that answers every request with an empty list. Returns its port and
/// the PEM certificate of its authority.
fn https_server() -> (u16, String) {
    let mut about = CertificateParams::default();
    about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(about, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = CertificateDer::from(certificate.signed_by(&key, &authority).unwrap().der().to_vec());
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, mut session) = (socket.unwrap(), ServerConnection::new(config.clone()).unwrap());
            let mut stream = Stream::new(&mut session, &mut socket);
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
            }
        }
    });
    (port, authority.pem())
}

/// Whether the CA file contains the server's authority.
#[derive(PartialEq)]
enum Trust {
    Given,
    Missing,
}

fn reader(host: &str, trust: Trust) -> Result<ReadClient, Error> {
    let (port, authority) = https_server();
    let url = ApiUrl::parse(&format!("https://{host}:{port}")).unwrap();
    // The client reads the file while it is made.
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&ca_file, authority).unwrap();
    let ca = (trust == Trust::Given).then(|| ca_file.path().to_owned());
    ReadClient::new(Config { ca_file: ca, ..Config::new(url) }, ApiKey::new("sk_test_secret").unwrap())
}

#[tokio::test]
async fn the_ca_file_is_trusted() {
    let listing = reader("127.0.0.1", Trust::Given).unwrap().list().await.unwrap();
    assert!(listing.bridges.is_empty() && listing.malformed.is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let error = reader("localhost", Trust::Given).unwrap().list().await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(format!("{error:?}").contains("not valid for name"), "{error:?}");
}

#[tokio::test]
async fn an_unknown_issuer_is_refused() {
    match reader("127.0.0.1", Trust::Missing) {
        Ok(reader) => {
            let error = reader.list().await.unwrap_err();
            assert!(matches!(error, Error::Connect { .. }), "{error:?}");
            assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
        }
        Err(error) => assert!(matches!(error, Error::Config { .. }), "no system roots at all: {error:?}"),
    }
}
