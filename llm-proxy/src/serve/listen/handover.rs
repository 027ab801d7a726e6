//! From one process to the next, at the same address.
//!
//! Both listen for a while, which `SO_REUSEPORT` allows. The system gives each new connection to one
//! of the two queues, and whoever is in a queue when it closes is reset. So the old process first
//! has a filter put before its queue that drops requests to connect and nothing else: who is half
//! way in comes in, and who was dropped asks again a second later, and meets the new process.
//!
//! Rejected: `net.ipv4.tcp_migrate_req`, which would do it but is the host's to turn on; a socket
//! that is inherited, which wants the new process to be the child of the old one.

use std::io;
use std::net::SocketAddr;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpSocket};

/// Who waits to be accepted; the system takes less if it is told so.
const BACKLOG: u32 = 4_096;

/// Listens. Nobody else can listen there unless they and we say that they may.
pub(crate) fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    // Connections of the last process may still be closing.
    socket.set_reuseaddr(true)?;
    if reuse_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Sends new connections elsewhere. `false` where the system has no such thing; then those who come
/// at the last moment may be reset.
pub(super) fn hush(listener: &TcpListener) -> bool {
    let hushed = SockRef::from(listener).attach_filter(&REFUSE_SYN);
    if let Err(error) = &hushed {
        tracing::warn!(%error, "connections that come just now may be reset");
    }
    hushed.is_ok()
}

/// Of what comes to the socket, drops what has SYN set and ACK not. The words are those of classic
/// packet filters; the packet begins with TCP's own head.
const REFUSE_SYN: [SockFilter; 5] = [
    // The byte of flags.
    SockFilter::new(0x30, 0, 0, 13),
    // SYN and ACK of them.
    SockFilter::new(0x54, 0, 0, 0x12),
    // SYN alone goes on, all else jumps over one.
    SockFilter::new(0x15, 0, 1, 0x02),
    // Nothing of it is let through.
    SockFilter::new(0x06, 0, 0, 0),
    // All of it is.
    SockFilter::new(0x06, 0, 0, u32::MAX),
];
