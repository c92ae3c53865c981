//! Tests that calls go through the proxy of fleet.yaml, and through none that only the environment names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use e2e::process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::tls::Certificate;
use crate::world;

/// A proxy that counts the connections that it makes.
async fn proxy() -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(client.read_u8().await.ok()?);
                }
                let request = String::from_utf8(request).ok()?;
                let target = request.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
                let mut server = TcpStream::connect(target).await.ok()?;
                counter.fetch_add(1, Ordering::SeqCst);
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()
            });
        }
    });
    Ok((address, made))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_proxy_of_fleet_yaml_is_used() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let certificate = Certificate::new()?;
    let plain = fleet.sandbox.url().strip_prefix("http://").context("no address")?.parse()?;
    let url = format!("https://{}", certificate.front(plain).await?);
    fleet.write("ours.pem", &certificate.authority)?;
    let (proxy, made) = proxy().await?;
    let yaml = |proxy: &str| {
        let account = format!("  api_url: {url}\n  ca_file: ours.pem\n{proxy}");
        fleet.write("fleet.yaml", &format!("version: 1\naccount:\n{account}{}", world::YAML))
    };
    let wab = |args: &[&str], variable: &str| {
        process::run(fleet.wab_command(args)?.env("HTTPS_PROXY", variable).env("ALL_PROXY", variable))
    };
    yaml("")?;
    let said = wab(&["plan"], &format!("http://{proxy}"))?;
    assert_eq!((said.code, made.load(Ordering::SeqCst)), (0, 0), "{}", said.stderr);

    yaml(&format!("  proxy: http://{proxy}\n"))?;
    let said = wab(&["plan"], "http://127.0.0.1:1")?;
    assert_eq!((said.code, made.load(Ordering::SeqCst)), (0, 1), "{}", said.stderr);
    let said = wab(&["doctor"], "")?;
    assert!(said.stdout.contains(&format!("through the proxy {proxy}")), "{}", said.stdout);

    fleet.write("ours.pem", &Certificate::new()?.authority)?;
    let said = wab(&["plan"], "")?;
    let place = format!("at {} through the proxy {proxy} with the CA file ", &url["https://".len()..]);
    assert!(said.stderr.contains(&place) && said.stderr.contains("ours.pem"), "{}", said.stderr);

    yaml("  proxy: http://127.0.0.1:1\n")?;
    let said = wab(&["plan"], &format!("http://{proxy}"))?;
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("through the proxy 127.0.0.1:1"), "{}", said.stderr);

    let unreachable = "version: 1\naccount: { api_url: 'https://127.0.0.1:1' }\n";
    fleet.write("fleet.yaml", unreachable)?;
    let said = wab(&["doctor"], "http://127.0.0.1:1")?;
    assert!(said.stdout.contains("wab does not use the proxy in HTTPS_PROXY"), "{}", said.stdout);
    Ok(())
}
