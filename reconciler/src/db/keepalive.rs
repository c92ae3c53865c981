//! Lets the kernel notice that the peer of a connection is gone.

use std::os::fd::BorrowedFd;

use socket2::{SockRef, TcpKeepalive};

use crate::config::Keepalive;

/// The open files of this process.
const OPEN: &str = "/dev/fd";

/// Sets the times on the TCP connections to this port. sqlx does not show its socket, so this looks at all sockets of the
/// process. Another connection to the same port gets the same times, which harms nothing. What cannot be set is left as it is.
pub fn keep_alive(port: u16, times: Keepalive) {
    let Ok(files) = std::fs::read_dir(OPEN) else { return };
    for file in files.flatten() {
        let Some(number) = file.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // SAFETY: the number is only used during this call, and only to ask about a socket and to set options that every
        // TCP connection may have. If another thread closes the file meanwhile, the calls fail.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        let socket = SockRef::from(&socket);
        let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
        if peer.is_some_and(|peer| peer.port() == port) {
            set(&socket, times);
        }
    }
}

fn set(socket: &SockRef<'_>, times: Keepalive) {
    let keepalive = TcpKeepalive::new().with_time(times.idle).with_interval(times.interval);
    let _ = match times.is_on {
        true => socket.set_tcp_keepalive(&keepalive.with_retries(times.count)),
        false => socket.set_keepalive(false),
    };
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(times.user_timeout));
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_times_are_set_on_the_connections_to_the_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let seconds = Duration::from_secs;
        let times = Keepalive {
            is_on: true,
            idle: seconds(7),
            interval: seconds(3),
            count: 2,
            user_timeout: seconds(11),
        };
        assert!(!SockRef::from(&stream).keepalive().unwrap());
        keep_alive(address.port(), times);
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(7));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), seconds(3));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 2);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(seconds(11)));
        keep_alive(address.port(), Keepalive { is_on: false, ..times });
        assert!(!SockRef::from(&stream).keepalive().unwrap());
    }
}
