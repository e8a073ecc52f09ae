//! Serving: the interface on an address, and the clock that lets things fall due.

use std::{
    future::{Future, pending},
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, serve::Listener};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::{MissedTickBehavior, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;
use tower_http::timeout::TimeoutBody;

use super::router;
use crate::app::App;

/// How often it is looked at what has fallen due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why the interface cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be used.
    #[error("{address} cannot be listened on: {cause}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// Serving ended by itself.
    #[error("serving ended: {0}")]
    Ended(#[from] io::Error),
}

/// What callers may take up of the server before they have asked for anything: somebody who sends
/// half a request and then nothing keeps no one else out.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Within which time the head of a request arrives: from when the connection is made, or the
    /// answer before is given.
    pub head: Duration,
    /// How long a body may pause.
    pub body: Duration,
    /// How many connections there are at once; whoever comes then waits for one to end.
    pub connections: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { head: Duration::from_secs(30), body: Duration::from_secs(30), connections: 512 }
    }
}

/// Serves `app` on `address` within `bounds` until `stop` is done; then what was begun is
/// finished. Calls `listening` with the address that it got.
pub async fn serve(
    app: App,
    address: SocketAddr,
    bounds: Bounds,
    listening: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let mut listener =
        TcpListener::bind(address).await.map_err(|cause| ServeError::Listen { address, cause })?;
    listening(listener.local_addr()?);
    let watch = [keep_time(app.clone()), tokio::spawn(app.work_off())];
    let router = router(app);
    let places = Arc::new(Semaphore::new(bounds.connections));
    let (talks, ending) = (TaskTracker::new(), CancellationToken::new());
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, Listener::accept(&mut listener).await)
        };
        tokio::select! {
            () = &mut stop => break,
            (place, (stream, _)) = next => {
                let talk = talk(stream, router.clone(), bounds, ending.clone());
                talks.spawn(async move {
                    talk.await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    ending.cancel();
    talks.close();
    talks.wait().await;
    for task in watch {
        task.abort();
    }
    Ok(())
}

/// Answers what is asked over a connection, until its caller has no more to ask, takes too long
/// about it, or everything ends.
async fn talk(stream: TcpStream, router: Router, bounds: Bounds, ending: CancellationToken) {
    let asked = CancellationToken::new();
    let first = asked.clone();
    let service = router.map_request(move |request: Request<Incoming>| {
        first.cancel();
        request.map(|body| Body::new(TimeoutBody::new(bounds.body, body)))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.head);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(bounds.head);
    let service = TowerToHyperService::new(service);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let whole = async {
        tokio::select! {
            ended = &mut connection => ended,
            () = ending.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    // The library's own time for a head begins once it knows the version of the protocol, which
    // it waits for without end.
    let silence = async {
        if timeout(bounds.head, asked.cancelled()).await.is_ok() {
            pending::<()>().await;
        }
    };
    tokio::select! {
        ended = whole => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
        }
        () = silence => tracing::debug!("a connection asked for nothing"),
    }
}

/// Lets fall due what has, again and again.
fn keep_time(app: App) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            match app.tick().await {
                Ok(fallen) if fallen != crate::app::Fallen::default() => {
                    tracing::info!(
                        stages = fallen.stages,
                        tasks = fallen.tasks.len(),
                        expired = fallen.expired.len(),
                        alerts = fallen.alerts.len(),
                        "fell due"
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "what falls due could not be noted"),
            }
        }
    })
}
