use backup_store::Clock;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Whether anything at an address accepts a connection, all in all within `timeout`: the looking up of its name, and every
/// address that the name has.
pub(super) fn connect(address: &str, timeout: Duration, clock: &dyn Clock) -> Result<String, String> {
    let began = clock.monotonic();
    let left = || timeout.saturating_sub(clock.monotonic().saturating_sub(began));
    let mut last = format!("{address} is no address");
    for one in addresses(address, timeout)? {
        let left = left();
        if left.is_zero() {
            return Err(format!("{address} accepts no connection within {} s", timeout.as_secs_f32()));
        }
        match TcpStream::connect_timeout(&one, left) {
            Ok(_) => return Ok(format!("{address} accepts connections")),
            Err(e) => last = format!("{address} accepts no connection: {e}"),
        }
    }
    Err(last)
}

/// The system's own looking up has no time limit. Where it takes longer its thread is left to end by itself.
fn addresses(address: &str, timeout: Duration) -> Result<Vec<SocketAddr>, String> {
    let (found, answer) = mpsc::channel();
    let name = address.to_owned();
    let looked_up = thread::Builder::new().name("look-up".into()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = found.send(name.to_socket_addrs().map(Iterator::collect));
    });
    looked_up.map_err(|e| format!("{address} cannot be looked up: {e}"))?;
    let known: std::io::Result<Vec<SocketAddr>> = answer
        .recv_timeout(timeout)
        .map_err(|_| format!("{address} was not looked up within {} s", timeout.as_secs_f32()))?;
    known.map_err(|e| format!("{address} is no address that is known: {e}"))
}
