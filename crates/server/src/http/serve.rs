//! Serving: the interface on an address, and the clock that lets things fall due.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle, time::MissedTickBehavior};

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

/// Serves `app` on `address` until `stop` is done; then what was begun is finished. Calls
/// `listening` with the address that it got.
pub async fn serve(
    app: App,
    address: SocketAddr,
    listening: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let listener =
        TcpListener::bind(address).await.map_err(|cause| ServeError::Listen { address, cause })?;
    listening(listener.local_addr()?);
    let watch = keep_time(app.clone());
    let served = axum::serve(listener, router(app)).with_graceful_shutdown(stop).await;
    watch.abort();
    Ok(served?)
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
                        "fell due"
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "what falls due could not be noted"),
            }
        }
    })
}
