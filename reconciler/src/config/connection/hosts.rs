//! The servers of a connection: which address and port belong together.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::config::connection::parameters::Parameters;
use crate::config::connection::passfile::{Password, SOCKET_FOLDER};
use crate::config::error::ConfigError;

/// One server.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its socket or its address.
    pub address: Address,
    /// The port, or the number in the socket's name.
    pub port: u16,
    /// What password files call it: the name in `host`, the folder of the socket, or, with neither, the address.
    pub name: String,
    /// The password, if there is one.
    pub password: Option<Password>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The folder of a Unix socket.
    Folder(PathBuf),
    /// A name or an IP address.
    Name(String),
}

/// `hostaddr` names the addresses, else `host`. There is one port for all, or one for each.
pub fn hosts(parameters: &Parameters) -> Result<Vec<Host>, ConfigError> {
    let list = |name: &str| -> Vec<String> {
        let value = parameters.some(name).unwrap_or_default();
        value.split(',').map(|element| element.trim().to_owned()).collect()
    };
    let (addresses, names, ports) = (list("hostaddr"), list("host"), list("port"));
    let has_addresses = parameters.some("hostaddr").is_some();
    if has_addresses && parameters.some("host").is_some() && addresses.len() != names.len() {
        return Err(uneven("hostaddr", parameters));
    }
    let hosts = if has_addresses { addresses } else { names.clone() };
    if ports.len() != 1 && ports.len() != hosts.len() {
        return Err(uneven("port", parameters));
    }
    let with_names = hosts.iter().zip(names.iter().map(Some).chain(std::iter::repeat(None)));
    with_names
        .enumerate()
        .map(|(nth, (host, name))| {
            let given = name.filter(|name| !name.is_empty()).unwrap_or(host);
            let address = match host.as_str() {
                // An empty address: the name is looked up.
                "" if has_addresses => address(given),
                host if has_addresses && host.parse::<IpAddr>().is_err() => {
                    return Err(ConfigError::unusable(
                        format!("{} is not an IP address", parameters.named("hostaddr")),
                        "write it like 10.0.0.1 or ::1; a name stands in host",
                    ));
                }
                host => address(host),
            };
            let port = match ports[if ports.len() == 1 { 0 } else { nth }].as_str() {
                "" => Some(5432),
                port => port.parse().ok().filter(|port| *port != 0),
            };
            let port = port.ok_or_else(|| {
                ConfigError::unusable(
                    format!("{} is not a number from 1 to 65535", parameters.named("port")),
                    "write it like 5432; a / or @ in a password must be written as %2F and %40",
                )
            })?;
            let name = if given.is_empty() { SOCKET_FOLDER } else { given };
            Ok(Host { address, port, name: name.to_owned(), password: None })
        })
        .collect()
}

fn uneven(name: &str, parameters: &Parameters) -> ConfigError {
    ConfigError::unusable(
        format!("{} has not as many elements as there are hosts", parameters.named(name)),
        "write one for each host, separated by commas, or, of ports, one for all",
    )
}

fn address(host: &str) -> Address {
    match host {
        "" => Address::Folder(SOCKET_FOLDER.into()),
        folder if folder.starts_with('/') => Address::Folder(folder.into()),
        name => Address::Name(name.to_owned()),
    }
}
