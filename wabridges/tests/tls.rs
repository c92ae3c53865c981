//! Whom the client trusts: the system and the CA file, and nobody else; everything beyond the handshake is in `client`.
//! The key in `tests/tls` belongs to a certificate for 127.0.0.1 that only these tests trust.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use wabridges::{ApiKey, ApiUrl, Config, Error, ReadClient};

const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem");

/// Answers every request with an empty list, as 127.0.0.1; returns the port.
fn https_server() -> u16 {
    let certificate = CertificateDer::from(&include_bytes!("tls/server.der")[..]);
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("tls/server.key.der")[..]);
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
    port
}

fn reader(host: &str, ca_file: Option<&str>) -> Result<ReadClient, Error> {
    let url = ApiUrl::parse(&format!("https://{host}:{}", https_server())).unwrap();
    ReadClient::new(
        Config { ca_file: ca_file.map(Into::into), ..Config::new(url) },
        ApiKey::new("sk_test_secret").unwrap(),
    )
}

#[tokio::test]
async fn the_ca_file_is_trusted() {
    let listing = reader("127.0.0.1", Some(CA_FILE)).unwrap().list().await.unwrap();
    assert!(listing.bridges.is_empty() && listing.malformed.is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let error = reader("localhost", Some(CA_FILE)).unwrap().list().await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(format!("{error:?}").contains("NotValidForName"), "{error:?}");
}

#[tokio::test]
async fn an_unknown_issuer_is_refused() {
    match reader("127.0.0.1", None) {
        Ok(reader) => {
            let error = reader.list().await.unwrap_err();
            assert!(matches!(error, Error::Connect { .. }), "{error:?}");
            assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
        }
        Err(error) => assert!(matches!(error, Error::Config { .. }), "no system roots at all: {error:?}"),
    }
}
