use super::{AccessKeys, Admin};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::access::S3Access;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    CompleteMultipartUploadInput, ETagCondition, GetObjectInput, HeadObjectInput, PutObjectInput,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Request, S3Result};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};

/// What the server makes of `If-None-Match` on a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// It obeys.
    Obeyed,
    /// It does not know the header, as many older servers do not.
    Ignored,
}

/// A small S3 server in a thread of this process, without versions, locks or a list of unfinished uploads.
#[derive(Debug)]
pub struct FsServer {
    address: SocketAddr,
    keys: AccessKeys,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _home: TempDir,
}

impl FsServer {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(if_none_match: IfNoneMatch) -> Self {
        Self::try_start(if_none_match).unwrap_or_else(|error| panic!("s3s-fs: {error}"))
    }

    fn try_start(if_none_match: IfNoneMatch) -> io::Result<Self> {
        let home = tempfile::Builder::new().prefix("si-backup-s3s-").tempdir()?;
        let files =
            s3s_fs::FileSystem::new(home.path()).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let keys = AccessKeys::random();
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(keys.id.clone(), keys.secret.clone()));
        builder.set_access(Manners { if_none_match, root: home.path().to_owned() });
        let service = builder.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("s3s-fs".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, service) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, keys, stop: Some(stop), thread: Some(thread), _home: home })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as settings have it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Who may do everything.
    #[must_use]
    pub const fn keys(&self) -> &AccessKeys {
        &self.keys
    }

    /// A look behind the code that is tested.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::at(&self.endpoint(), &self.keys, None)
    }
}

impl Drop for FsServer {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    // This server looks whether a key is there, and writes it later: one request at a time makes that one step, as the
    // header promises.
    let turn = Arc::new(Mutex::new(()));
    while let Ok((stream, _)) = listener.accept().await {
        let (service, turn) = (service.clone(), Arc::clone(&turn));
        let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (service, turn) = (service.clone(), Arc::clone(&turn));
            async move {
                let writes = request.headers().contains_key("if-none-match");
                let _turn = if writes { Some(turn.lock().await) } else { None };
                service.call(request.map(s3s::Body::from)).await
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

/// What is changed in a request whose signature was found right.
struct Manners {
    if_none_match: IfNoneMatch,
    root: PathBuf,
}

impl Manners {
    fn condition(&self, asked: &mut Option<ETagCondition>) {
        if self.if_none_match == IfNoneMatch::Ignored {
            *asked = None;
        }
    }

    /// Where keys are paths a directory is no object; this server would call that a fault of its own.
    fn no_directory(&self, bucket: &str, key: &str) -> S3Result<()> {
        if self.root.join(bucket).join(key).is_dir() { Err(s3s::s3_error!(NoSuchKey)) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl S3Access for Manners {
    async fn put_object(&self, request: &mut S3Request<PutObjectInput>) -> S3Result<()> {
        self.condition(&mut request.input.if_none_match);
        Ok(())
    }

    async fn complete_multipart_upload(
        &self,
        request: &mut S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<()> {
        self.condition(&mut request.input.if_none_match);
        Ok(())
    }

    async fn get_object(&self, request: &mut S3Request<GetObjectInput>) -> S3Result<()> {
        self.no_directory(&request.input.bucket, &request.input.key)
    }

    async fn head_object(&self, request: &mut S3Request<HeadObjectInput>) -> S3Result<()> {
        self.no_directory(&request.input.bucket, &request.input.key)
    }
}
