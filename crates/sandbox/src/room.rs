//! A room: foreign code goes in, and what it was to make comes out.

use std::{
    future::Future, io::Write as _, os::fd::OwnedFd, pin::Pin, process::ExitStatus, sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    process::{Child, Command},
    runtime::Builder,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    Content, Cost, Declared, End, Failure, Fault, Form, Host, Input, Limits, Log, Outcome, Program,
    Runtime, SandboxError, Unfit,
    cgroup::Group,
    collect::Quarantine,
    feed::feed,
    log::beginning,
    program::check_names,
    walls::{Walls, check_standing},
    watch::Watch,
};

/// What the walls are tried with: everything in it must fail, and be the only thing that does.
const TRIAL: &str = include_str!("trial.py");

/// How long walls may take to stand, once all inputs are in.
const STANDING: Duration = Duration::from_secs(10);

/// A place in which foreign code runs without reaching anything but its inputs and outputs.
///
/// **Invariant:** there is no weaker room. A program runs behind all walls, or it does not run.
#[derive(Debug, Clone)]
pub struct Room {
    host: Arc<Host>,
    runtime: Arc<Runtime>,
}

type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Room {
    /// Opens rooms with this runtime, after trying whether their walls hold on this host; ends
    /// what a platform that was killed left behind.
    ///
    /// # Errors
    ///
    /// Why the walls do not hold, in plain words. There is no user code on this host then.
    pub async fn open(runtime: Runtime) -> Result<Self, Unfit> {
        runtime.check()?;
        let host = Host::probe()?;
        if host.strangers.is_some() {
            runtime.check_reachable()?;
        }
        host.cgroups.sweep();
        let room = Self { host: Arc::new(host), runtime: Arc::new(runtime) };
        room.hold_trial().await?;
        Ok(room)
    }

    /// The runtime that programs find.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    async fn hold_trial(&self) -> Result<(), Unfit> {
        let limits = Limits {
            wall: Duration::from_mins(1),
            memory_bytes: 256 << 20,
            scratch_bytes: 1 << 20,
            output_bytes: 1 << 20,
            ..Limits::default()
        };
        let program = Program {
            script: TRIAL.to_owned(),
            parameters: json!({ "roots": self.runtime.roots }),
            outputs: vec![Declared { name: "trial".to_owned(), form: Form::Json }],
        };
        let outcome = self.run(&program, Vec::new(), limits, std::future::pending()).await;
        let outcome = outcome.map_err(|error| Unfit::Walls(error.to_string()))?;
        let said = match &outcome.end {
            End::Completed(made) => made.first().map(|it| &it.content),
            End::Failed(failure) => {
                let text = String::from_utf8_lossy(&outcome.log.err).trim().to_owned();
                return Err(Unfit::Walls(format!(
                    "a program that only tries them: {failure} {text}"
                )));
            }
        };
        match said {
            Some(Content::Document(it)) if it.value() == &json!({ "passed": [] }) => Ok(()),
            Some(Content::Document(it)) => Err(Unfit::Walls(it.to_json())),
            Some(Content::Table(_)) | None => Err(Unfit::Walls("nothing was said".to_owned())),
        }
    }

    /// Runs a program on its inputs, until it ends, exceeds a limit, or `stop` is ready. When this
    /// returns, and within a second of whatever ended it, nothing of the program is left: no process,
    /// no file. If whoever waits goes away, it ends; if the platform is killed, the kernel ends it.
    ///
    /// # Errors
    ///
    /// If the host fails, or the walls do not stand: then the program has not begun.
    pub async fn run(
        &self,
        program: &Program,
        inputs: Vec<Input>,
        limits: Limits,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Outcome, SandboxError> {
        program.check()?;
        check_names(inputs.iter().map(|it| it.name.as_str()))?;
        let (here, gone) = oneshot::channel::<()>();
        let stop: Stop = Box::pin(async move {
            tokio::select! { () = stop => {}, _ = gone => {} }
        });
        let (tell, told) = oneshot::channel();
        let (room, program) = (self.clone(), program.clone());
        // The kernel ends a child when the thread that started it ends. So that is a thread of its own,
        // not one of a pool that may shrink.
        std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || {
                let run = Builder::new_current_thread().enable_all().build();
                let run = run.map_err(SandboxError::host("start a thread"));
                let outcome =
                    run.and_then(|it| it.block_on(room.supervise(&program, inputs, &limits, stop)));
                let _ = tell.send(outcome);
            })
            .map_err(SandboxError::host("start a thread"))?;
        let outcome = told.await.unwrap_or(Err(SandboxError::NotEnded));
        drop(here);
        outcome
    }

    async fn supervise(
        &self,
        program: &Program,
        inputs: Vec<Input>,
        limits: &Limits,
        stop: Stop,
    ) -> Result<Outcome, SandboxError> {
        let began = Instant::now();
        let group = self.host.cgroups.create(limits);
        let group = group.map_err(SandboxError::host("make a control group"))?;
        let walls = Walls::new(&self.host, &self.runtime, program, inputs, limits)?;
        let mut watch = Watch::new(&group, began, limits, stop);
        let mut inmate = Inmate::start(walls, &group, limits)?;
        let passed = self.pass(&mut inmate, &group, &mut watch).await;
        // Whatever happened, it is over.
        let (log, setup) = inmate.end(&group).await?;
        let cost = cost(&group, began)?;
        let is_out_of_memory =
            group.ran_out_of_memory().map_err(SandboxError::host("read a control group"))?;
        let end = match passed {
            Err(Broken::Failure(failure)) => End::Failed(failure),
            _ if is_out_of_memory => End::Failed(Failure::Memory),
            Err(Broken::Walls(what)) => {
                return Err(SandboxError::Walls(format!("{what} {setup}").trim().to_owned()));
            }
            Ok((status, _)) if !status.success() => {
                End::Failed(Failure::Status(status.code().unwrap_or(128 + 9)))
            }
            Ok((_, quarantine)) => collect(quarantine, program, limits).await,
        };
        Ok(Outcome { end, log, cost })
    }

    /// Lets a program pass through its life: inputs in, walls up, gate open, until its end.
    async fn pass(
        &self,
        inmate: &mut Inmate,
        group: &Group,
        watch: &mut Watch<'_>,
    ) -> Result<(ExitStatus, Quarantine), Broken> {
        let child = &mut inmate.child;
        let standing = stand(inmate.stranger, inmate.fed.take(), inmate.told.take());
        let set_up = async {
            tokio::select! {
                biased;
                _ = child.wait() => Err(Broken::Walls("it ended before it began:".to_owned())),
                standing = standing => standing,
            }
        };
        let quarantine = watch.until(set_up).await.map_err(Broken::Failure)??;
        if group.ran_out_of_memory().unwrap_or(true) {
            return Err(Broken::Failure(Failure::Memory));
        }
        inmate.open().map_err(|_| Broken::Walls("the gate does not open".to_owned()))?;
        let ended = watch.until(inmate.child.wait()).await.map_err(Broken::Failure)?;
        let status = ended.map_err(|error| Broken::Walls(error.to_string()))?;
        Ok((status, quarantine))
    }
}

/// Why a program did not come to its end.
enum Broken {
    Failure(Failure),
    Walls(String),
}

/// What runs, from outside.
struct Inmate {
    child: Child,
    fed: Option<oneshot::Receiver<Result<(), Failure>>>,
    told: Option<pipe::Receiver>,
    gate: Option<std::io::PipeWriter>,
    stranger: Option<u32>,
    out: JoinHandle<(Vec<u8>, bool)>,
    err: JoinHandle<(Vec<u8>, bool)>,
    is_begun: bool,
}

impl Inmate {
    /// Starts it, puts it into its group, and only then tells it what to do.
    fn start(walls: Walls, group: &Group, limits: &Limits) -> Result<Self, SandboxError> {
        let mut command = Command::from(walls.command);
        let child = command.kill_on_drop(true).spawn();
        // The child's ends of the pipes must be the child's alone.
        drop(command);
        let mut child = child.map_err(SandboxError::host("start bubblewrap"))?;
        let id = child.id().ok_or(SandboxError::NotEnded)?;
        group.join(id).map_err(SandboxError::host("fill a control group"))?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(SandboxError::NotEnded);
        };
        let told = pipe::Receiver::from_owned_fd(OwnedFd::from(walls.told))
            .map_err(SandboxError::host("read a pipe"))?;
        let fed = feed(walls.sources, limits.input_bytes);
        Ok(Self {
            child,
            fed: Some(fed.map_err(SandboxError::host("start a thread"))?),
            told: Some(told),
            gate: Some(walls.gate),
            stranger: walls.stranger,
            out: tokio::spawn(beginning(out, limits.log_bytes)),
            err: tokio::spawn(beginning(err, limits.log_bytes)),
            is_begun: false,
        })
    }

    /// Lets the program begin.
    fn open(&mut self) -> std::io::Result<()> {
        self.is_begun = true;
        self.gate.take().map_or(Ok(()), |mut gate| gate.write_all(&[1]))
    }

    /// Ends all of it. Returns what it said: as the program's, or, if that had not begun, as what went
    /// wrong with the walls.
    async fn end(mut self, group: &Group) -> Result<(Log, String), SandboxError> {
        // The death of the outermost process is that of the whole namespace.
        let _ = self.child.start_kill();
        let _ = timeout(Duration::from_secs(1), self.child.wait()).await;
        if !group.end().await {
            return Err(SandboxError::NotEnded);
        }
        let (out, out_is_cut) = self.out.await.unwrap_or_default();
        let (err, err_is_cut) = self.err.await.unwrap_or_default();
        if self.is_begun {
            return Ok((Log { out, err, is_cut: out_is_cut || err_is_cut }, String::new()));
        }
        Ok((Log::default(), String::from_utf8_lossy(&err).into_owned()))
    }
}

/// Waits until all inputs are in and the walls stand; returns the place of the outputs.
async fn stand(
    stranger: Option<u32>,
    fed: Option<oneshot::Receiver<Result<(), Failure>>>,
    told: Option<pipe::Receiver>,
) -> Result<Quarantine, Broken> {
    let (Some(fed), Some(mut told)) = (fed, told) else {
        return Err(Broken::Walls("it was begun twice".to_owned()));
    };
    match fed.await {
        Ok(end) => end.map_err(Broken::Failure)?,
        // The reader went away: its own end says why.
        Err(_) => std::future::pending().await,
    }
    let mut text = String::new();
    let read = told.read_to_string(&mut text).await;
    let first = read.ok().and_then(|_| serde_json::from_str::<First>(&text).ok());
    let Some(First { child_pid }) = first else { return std::future::pending().await };
    let mut standing = Err("they do not stand in time".to_owned());
    let until = Instant::now() + STANDING;
    while Instant::now() < until {
        if let Some(quarantine) = Quarantine::of(child_pid) {
            standing = check_standing(child_pid, stranger);
            if standing.is_ok() {
                return Ok(quarantine);
            }
        }
        sleep(Duration::from_millis(2)).await;
    }
    Err(Broken::Walls(standing.err().unwrap_or_default()))
}

/// What bubblewrap tells of the first process inside.
#[derive(Deserialize)]
struct First {
    #[serde(rename = "child-pid")]
    child_pid: u32,
}

fn cost(group: &Group, began: Instant) -> Result<Cost, SandboxError> {
    let unread = || SandboxError::host("read a control group");
    let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
    Ok(Cost {
        cpu_micros: micros(group.processor_time().map_err(unread())?),
        peak_bytes: group.peak().map_err(unread())?,
        wall_micros: micros(began.elapsed()),
    })
}

/// Reads the outputs, in a thread that may fail without harm: they are whatever a stranger wrote.
async fn collect(quarantine: Quarantine, program: &Program, limits: &Limits) -> End {
    let (declared, limits) = (program.outputs.clone(), *limits);
    let read = move || quarantine.read(&declared, &limits);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(made)) => End::Completed(made),
        Ok(Err(fault)) => End::Failed(Failure::Output(fault)),
        Err(_) => End::Failed(Failure::Output(Fault::Form("an output".to_owned()))),
    }
}
