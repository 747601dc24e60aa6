//! A wire between clients and a server that can be cut, for faults of the network without rights to the
//! machine's own. While it is cut, connections stay open and nothing passes: what was sent arrives when it
//! is whole again.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// One wait before a connection looks again how the wire is.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a connection waits for bytes before it looks.
const LOOK: Duration = Duration::from_millis(50);
const BUFFER_BYTES: usize = 64 << 10;

/// A wire with one end on 127.0.0.1. It lives as long as the process.
pub(crate) struct Wire {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Where the other end is.
    to: Mutex<Option<SocketAddr>>,
    cut: AtomicBool,
    /// How often all connections were broken.
    breaks: AtomicU64,
}

impl Wire {
    /// Takes a free port. Connections wait until the wire leads somewhere.
    pub(crate) fn new() -> io::Result<Wire> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&accepting);
                thread::spawn(move || connect(client, &state));
            }
        });
        Ok(Wire { address, state })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *self.state.to.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
    }

    /// Nothing passes until it is mended.
    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Ordering::Release);
    }

    pub(crate) fn mend(&self) {
        self.state.cut.store(false, Ordering::Release);
    }

    /// Ends all connections; what has not passed yet is lost.
    pub(crate) fn break_connections(&self) {
        self.state.breaks.fetch_add(1, Ordering::AcqRel);
    }
}

impl State {
    /// Waits while the wire is cut; whether the connection of this age is not broken.
    fn passes(&self, breaks: u64) -> bool {
        while self.cut.load(Ordering::Acquire) {
            if self.is_broken(breaks) {
                return false;
            }
            thread::sleep(PAUSE);
        }
        !self.is_broken(breaks)
    }

    fn is_broken(&self, breaks: u64) -> bool {
        self.breaks.load(Ordering::Acquire) != breaks
    }
}

fn connect(client: TcpStream, state: &Arc<State>) {
    let breaks = state.breaks.load(Ordering::Acquire);
    let server = loop {
        if !state.passes(breaks) {
            return;
        }
        if let Some(server) = *state.to.lock().unwrap_or_else(PoisonError::into_inner) {
            break server;
        }
        thread::sleep(PAUSE);
    };
    let both = TcpStream::connect(server)
        .and_then(|server| Ok((client.try_clone()?, server.try_clone()?, server)));
    let Ok((client_too, server_too, server)) = both else { return };
    let back = Arc::clone(state);
    thread::spawn(move || carry(server_too, client_too, &back, breaks));
    carry(client, server, state, breaks);
}

/// Carries bytes one way until an end closes or the wire breaks.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &State, breaks: u64) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let looks = from.set_read_timeout(Some(LOOK)).and_then(|()| to.set_nodelay(true));
    while looks.is_ok() {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(_) => break,
        };
        if !state.passes(breaks) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
