use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// What is to happen on a client's connection, told by whoever answers its requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    reset: bool,
    twice: Option<Twice>,
}

/// An answer that is to be written a second time.
#[derive(Debug)]
struct Twice {
    written: Vec<u8>,
    body: usize,
    repeated: usize,
}

impl Twice {
    /// Whether all of the answer has been written once.
    fn is_whole(&self) -> bool {
        let head = self.written.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        head.is_some_and(|head| self.written.len() >= head + 4 + self.body)
    }
}

impl Orders {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the connection ends, it is reset.
    pub(super) fn reset(&self) {
        self.state().reset = true;
    }

    /// The answer that comes now, with a body of so many bytes, is written twice.
    pub(super) fn twice(&self, body: usize) {
        self.state().twice = Some(Twice { written: Vec::new(), body, repeated: 0 });
    }
}

/// A client's connection.
pub(super) struct Wire {
    stream: TokioIo<TcpStream>,
    orders: Orders,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, orders: Orders) -> Self {
        Self { stream: TokioIo::new(stream), orders }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.orders.state().reset {
            // A connection that is closed without lingering is reset.
            let _ = self.stream.inner().set_zero_linger();
        }
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_read(context, into)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(pin!(&mut self.stream).poll_write(context, bytes))?;
        if let Some(twice) = &mut self.orders.state().twice {
            twice.written.extend_from_slice(bytes.get(..count).unwrap_or_default());
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut state = this.orders.state();
        if let Some(twice) = &mut state.twice
            && twice.is_whole()
        {
            while let Some(rest) = twice.written.get(twice.repeated..).filter(|rest| !rest.is_empty()) {
                twice.repeated += ready!(pin!(&mut this.stream).poll_write(context, rest))?;
            }
            state.twice = None;
        }
        drop(state);
        pin!(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_shutdown(context)
    }
}
