//! A proxy in a thread of this process, between the client that is tested and a real server.

mod answer;
mod fault;
mod wire;

pub use fault::{Fault, Schedule};

use answer::Line;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wire::{Orders, Wire};

/// A request as the proxy met it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method of HTTP.
    pub method: String,
    /// The path, still encoded.
    pub path: String,
    /// What follows the question mark, still encoded.
    pub query: String,
    /// The bytes asked for, where only some were.
    pub range: Option<String>,
    /// How long after the start of the proxy.
    pub at: Duration,
    /// What became of it.
    pub fault: Fault,
}

impl Asked {
    /// Whether it asks for the bytes of an object: not for a listing, and not for a property.
    #[must_use]
    pub fn reads_object(&self) -> bool {
        // Below a bucket, and nothing asked about but which version.
        let is_object = self.path.trim_matches('/').contains('/');
        self.method == "GET"
            && is_object
            && self
                .query
                .split('&')
                .all(|part| ["", "x-id=GetObject"].contains(&part) || part.starts_with("versionId="))
    }
}

type Plan = Box<dyn FnMut(&Asked) -> Fault + Send>;

/// What the proxy and whoever holds it share.
struct Shared {
    plan: Mutex<Plan>,
    log: Mutex<Vec<Asked>>,
    began: Instant,
}

/// The proxy; it ends when this is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Proxy {
    /// One in front of a server that speaks plain HTTP, which lets everything through.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn before(server: SocketAddr) -> Self {
        Self::try_before(server).unwrap_or_else(|error| panic!("proxy: {error}"))
    }

    fn try_before(server: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            plan: Mutex::new(Box::new(|_| Fault::None)),
            log: Mutex::default(),
            began: Instant::now(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("fault proxy".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, server, serving) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, as settings have it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Decides, from now on, what becomes of each request.
    pub fn plan(&self, plan: impl FnMut(&Asked) -> Fault + Send + 'static) {
        *self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(plan);
    }

    /// The next request for which `when` holds meets this fault, all others none.
    pub fn once(&self, fault: Fault, when: impl Fn(&Asked) -> bool + Send + 'static) {
        let mut left = Some(fault);
        self.plan(move |asked| if when(asked) { left.take().unwrap_or(Fault::None) } else { Fault::None });
    }

    /// Lets everything through from now on.
    pub fn clear(&self) {
        self.plan(|_| Fault::None);
    }

    /// Whether something has been asked since the last [`Proxy::asked`].
    #[must_use]
    pub fn has_asked(&self, what: impl Fn(&Asked) -> bool) -> bool {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).iter().any(what)
    }

    /// What was asked since the last look.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.shared.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

impl Shared {
    fn decide(&self, mut asked: Asked) -> Fault {
        asked.at = self.began.elapsed();
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        asked.fault = plan(&asked);
        let fault = asked.fault;
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        fault
    }
}

async fn serve(listener: std::net::TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let line = Line::to(server);
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let orders = Orders::default();
        let wire = Wire::new(stream, orders.clone());
        let (line, shared) = (line.clone(), Arc::clone(&shared));
        let service = service_fn(move |request| {
            let (line, shared, orders) = (line.clone(), Arc::clone(&shared), orders.clone());
            async move { line.answer(request, &orders, |asked| shared.decide(asked)).await }
        });
        tokio::spawn(http1::Builder::new().serve_connection(wire, service));
    }
}
