use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Whether anything at an address accepts a connection.
pub(super) fn connect(address: &str, timeout: Duration) -> Result<String, String> {
    let addresses =
        address.to_socket_addrs().map_err(|e| format!("{address} is no address that is known: {e}"))?;
    let mut last = format!("{address} is no address");
    for one in addresses {
        match TcpStream::connect_timeout(&one, timeout) {
            Ok(_) => return Ok(format!("{address} accepts connections")),
            Err(e) => last = format!("{address} accepts no connection: {e}"),
        }
    }
    Err(last)
}
