use super::wire::Orders;
use super::{Asked, Fault};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue, RANGE, RETRY_AFTER};
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Answer = io::Result<Response<Body>>;

/// The way to the server.
#[derive(Clone)]
pub(super) struct Line {
    client: Client<HttpConnector, Body>,
    server: SocketAddr,
}

impl Line {
    pub(super) fn to(server: SocketAddr) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        Self { client: builder.retry_canceled_requests(false).build_http(), server }
    }

    /// Answers a request as `decide` says; an error breaks the client's connection.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        orders: &Orders,
        decide: impl FnOnce(Asked) -> Fault,
    ) -> Answer {
        let (head, body) = request.into_parts();
        let fault = decide(asked(&head));
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        match fault {
            Fault::None => self.pass(&head, body).await.map(|(head, body)| whole(head, body)),
            Fault::Answer { status, code, retry_after } => error_answer(status, code, retry_after),
            Fault::Reset => reset(orders),
            Fault::LostAnswer => {
                self.pass(&head, body).await?;
                reset(orders)
            }
            Fault::Stall => std::future::pending().await,
            Fault::StallAfter => {
                self.pass(&head, body).await?;
                std::future::pending().await
            }
            Fault::CutAnswer(hundredths) => {
                let (answer, body) = self.pass(&head, body).await?;
                let kept = body.slice(..part(body.len(), hundredths.into(), 100));
                let end = || async { Err(broken()) };
                Ok(in_pieces(answer, &head.method, body.len(), kept, end))
            }
            Fault::StallAnswer(hundredths) => {
                let (answer, body) = self.pass(&head, body).await?;
                let kept = body.slice(..part(body.len(), hundredths.into(), 100));
                Ok(in_pieces(answer, &head.method, body.len(), kept, std::future::pending))
            }
            Fault::CutRequest(hundredths) => {
                let kept = body.slice(..part(body.len(), hundredths.into(), 100));
                // The server finds the end of the connection before the end of the body; a request without a body is whole.
                let _ = self.send(&head, body.len(), kept).await;
                reset(orders)
            }
            Fault::SlowAnswer(pause) => {
                let (answer, body) = self.pass(&head, body).await?;
                tokio::time::sleep(pause).await;
                Ok(slowly(answer, &head.method, body, pause))
            }
            Fault::SentTwice => {
                self.pass(&head, body.clone()).await?;
                self.pass(&head, body).await.map(|(head, body)| whole(head, body))
            }
            Fault::AnsweredTwice => {
                let (answer, body) = self.pass(&head, body).await?;
                orders.twice(body.len());
                Ok(whole(answer, body))
            }
            Fault::FlipAnswer(thousandths) => {
                let (answer, body) = self.pass(&head, body).await?;
                Ok(whole(answer, flipped(&body, thousandths)))
            }
            Fault::FlipRequest(thousandths) => {
                self.pass(&head, flipped(&body, thousandths)).await.map(|(head, body)| whole(head, body))
            }
        }
    }

    /// The server's answer, whole.
    async fn pass(&self, head: &request::Parts, body: Bytes) -> io::Result<(Response<()>, Bytes)> {
        let length = body.len();
        let answer = self.send(head, length, body).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok((Response::from_parts(head, ()), body))
    }

    /// Sends a request with what there is of its body; when that is less than its length, the connection breaks there.
    async fn send(
        &self,
        head: &request::Parts,
        length: usize,
        body: Bytes,
    ) -> io::Result<Response<Incoming>> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = format!("http://{}{path}", self.server).parse().map_err(io::Error::other)?;
        let mut request = Request::builder().method(&head.method).uri(uri);
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&head.headers);
        }
        let is_cut = body.len() < length;
        let body = if is_cut {
            let frames = vec![Ok(Frame::data(body)), Err(broken())];
            BodyExt::boxed_unsync(StreamBody::new(futures_util::stream::iter(frames)))
        } else {
            full(body)
        };
        self.client.request(request.body(body).map_err(io::Error::other)?).await.map_err(io::Error::other)
    }
}

fn asked(head: &request::Parts) -> Asked {
    let range = head.headers.get(RANGE).and_then(|range| range.to_str().ok()).map(str::to_owned);
    Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        range,
        at: Duration::ZERO,
        fault: Fault::None,
    }
}

fn reset(orders: &Orders) -> Answer {
    orders.reset();
    Err(broken())
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn whole(head: Response<()>, body: Bytes) -> Response<Body> {
    head.map(|()| full(body))
}

fn error_answer(status: u16, code: &str, retry_after: Option<u32>) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>so the test wants it</Message></Error>"
    );
    let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
    let mut answer = Response::builder().status(status).header("content-type", "application/xml");
    if let Some(seconds) = retry_after {
        answer = answer.header(RETRY_AFTER, seconds);
    }
    answer.body(full(text.into())).map_err(io::Error::other)
}

/// An answer that promises `length` bytes, has these, and then goes on as `end` does.
fn in_pieces<F>(
    head: Response<()>,
    method: &Method,
    length: usize,
    kept: Bytes,
    end: impl FnOnce() -> F + Send + 'static,
) -> Response<Body>
where
    F: Future<Output = io::Result<Frame<Bytes>>> + Send + 'static,
{
    use futures_util::{StreamExt, stream};
    let pieces = stream::iter([Ok(Frame::data(kept))]).chain(stream::once(async move { end().await }));
    streamed(head, method, length, BodyExt::boxed_unsync(StreamBody::new(pieces)))
}

fn slowly(head: Response<()>, method: &Method, body: Bytes, pause: Duration) -> Response<Body> {
    use futures_util::{StreamExt, stream};
    let length = body.len();
    let third = length / 3;
    let cuts = [0..third, third..2 * third, 2 * third..length];
    let pieces = stream::iter(cuts).then(move |cut| {
        let piece = body.slice(cut);
        async move {
            tokio::time::sleep(pause).await;
            Ok::<_, io::Error>(Frame::data(piece))
        }
    });
    streamed(head, method, length, BodyExt::boxed_unsync(StreamBody::new(pieces)))
}

fn streamed(head: Response<()>, method: &Method, length: usize, body: Body) -> Response<Body> {
    let mut answer = head.map(|()| body);
    if *method != Method::HEAD {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    answer
}

fn part(length: usize, parts: usize, of: usize) -> usize {
    length * parts / of
}

/// Another bit in the byte at so many thousandths; nothing to change where there is nothing.
fn flipped(bytes: &Bytes, thousandths: u16) -> Bytes {
    let mut bytes = bytes.to_vec();
    let at = part(bytes.len(), thousandths.into(), 1000);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x20;
    }
    bytes.into()
}
