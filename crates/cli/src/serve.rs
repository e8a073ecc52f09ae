//! `shuyu serve`: the HTTP interface of a deployment.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Args;
use shuyu_kernel::{SystemClock, SystemEntropy};
use shuyu_server::{
    app::{Access, App, Deployment},
    http,
};

use crate::{Done, Outcome};

/// Serves the HTTP interface of a deployment under `/api/v1`, until it is interrupted; what was
/// begun is finished. What falls due meanwhile is noted every second.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The directory of the deployment: one that `shuyu init` or `shuyu demo` made.
    #[arg(long, required_unless_present = "openapi")]
    dir: Option<PathBuf>,
    /// The address to listen on. Put a proxy that speaks TLS before any other than this machine's.
    #[arg(long, default_value = "127.0.0.1:8780")]
    listen: SocketAddr,
    /// Print the OpenAPI document instead, and end.
    #[arg(long)]
    openapi: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> Outcome {
        if self.openapi {
            println!("{}", http::openapi().to_pretty_json()?);
            return Ok(Done::Well);
        }
        let dir = self.dir.ok_or("--dir is missing")?;
        let deployment = Deployment::open(&dir, Access::Act)?;
        let app = App::open(deployment, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
        let title = app.law().regulation.title.clone();
        let listening = |address: SocketAddr| {
            println!("{title}");
            println!("listening on http://{address}/api/v1 (described by openapi.json there)");
        };
        http::serve(app.clone(), self.listen, http::Bounds::default(), listening, interrupted())
            .await?;
        app.close().await;
        Ok(Done::Well)
    }
}

/// Ends when the process is asked to: by Ctrl-C, or by the service manager's SIGTERM.
async fn interrupted() {
    let by_hand = async { drop(tokio::signal::ctrl_c().await) };
    let by_manager = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = by_hand => {}
        () = by_manager => {}
    }
}
