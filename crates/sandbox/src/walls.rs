//! The walls of a room: what bubblewrap is told, and whether they stand.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{self, PipeReader, PipeWriter},
    os::{
        fd::{OwnedFd, RawFd},
        unix::{ffi::OsStrExt as _, process::CommandExt as _},
    },
    path::Path,
    process::{Command, Stdio},
};

use command_fds::{CommandFdExt as _, FdMapping};

use crate::{Host, Input, Limits, Program, Runtime, SandboxError, feed::Source, host::NOBODY};

/// Where a program finds itself, in `/job`.
const SCRIPT: &str = "/job/main.py";
const PARAMETERS: &str = "/job/parameters.json";

/// The first act inside. What the platform was itself started with may be open still, and would be
/// handed down to the program.
const LAUNCH: &str = "import os, sys; os.closerange(3, 1 << 20); \
    os.execv(sys.executable, [sys.executable, sys.argv[1]])";

/// Namespaces in which a program is alone.
const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// Top-level directories that are links where the system has them all below `/usr`.
const LINKS: [&str; 3] = ["/lib", "/lib32", "/lib64"];

/// The walls of one room, ready to be put up.
#[derive(Debug)]
pub(crate) struct Walls {
    /// What to start.
    pub(crate) command: Command,
    /// What is to be written into its pipes, in this order, once it is in its control group. It
    /// waits for the first before it does anything.
    pub(crate) sources: Vec<(PipeWriter, Source)>,
    /// Tells which process is the first inside.
    pub(crate) told: PipeReader,
    /// The program begins when something is written here.
    pub(crate) gate: PipeWriter,
    /// Whom it is to be outside, if not whom the platform is.
    pub(crate) stranger: Option<u32>,
}

impl Walls {
    pub(crate) fn new(
        host: &Host,
        runtime: &Runtime,
        program: &Program,
        inputs: Vec<Input>,
        limits: &Limits,
    ) -> Result<Self, SandboxError> {
        let failed = SandboxError::host("make pipes");
        Self::build(host, runtime, program, inputs, limits).map_err(failed)
    }

    fn build(
        host: &Host,
        runtime: &Runtime,
        program: &Program,
        inputs: Vec<Input>,
        limits: &Limits,
    ) -> io::Result<Self> {
        let mut ends = Ends::default();
        let (told, tells) = io::pipe()?;
        let (waits, gate) = io::pipe()?;
        let (arguments_fd, arguments_pipe) = ends.inward()?;
        let (filter_fd, filter_pipe) = ends.inward()?;
        let mut plan = Plan::default();
        plan.isolation(filter_fd, ends.add(tells), ends.add(waits));
        plan.environment(runtime, limits);
        plan.places(runtime, limits);
        let mut files = vec![
            (SCRIPT.to_owned(), Source::Bytes(program.script.clone().into_bytes())),
            (PARAMETERS.to_owned(), Source::Bytes(program.parameters.to_string().into_bytes())),
        ];
        files.extend(
            inputs.into_iter().map(|it| (format!("/in/{}.arrow", it.name), Source::Input(it))),
        );
        plan.words(&["--perms", "0555", "--dir", "/in", "--perms", "0555", "--dir", "/job"]);
        let mut sources = Vec::new();
        for (path, source) in files {
            let (fd, pipe) = ends.inward()?;
            plan.words(&["--perms", "0444", "--ro-bind-data", &fd.to_string(), &path]);
            sources.push((pipe, source));
        }
        // All that is not a place of the program's own is read-only from here on.
        plan.words(&["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]);
        sources.splice(
            0..0,
            [
                (arguments_pipe, Source::Bytes(plan.0)),
                (filter_pipe, Source::Bytes(host.filter.clone())),
            ],
        );
        let mut command = command(host, runtime, limits, arguments_fd, ends)?;
        let stranger = host.stranger();
        if let Some(stranger) = stranger {
            // Root of the host, even without rights, owns files of the host: foreign code is not it.
            command.uid(stranger).gid(stranger);
        }
        Ok(Self { command, sources, told, gate, stranger })
    }
}

/// The ends of pipes that go to the child, and their numbers there.
#[derive(Debug, Default)]
struct Ends(Vec<FdMapping>);

impl Ends {
    fn add(&mut self, end: impl Into<OwnedFd>) -> RawFd {
        let child_fd = self.0.iter().map(|it| it.child_fd).max().map_or(3, |it| it + 1);
        self.0.push(FdMapping { parent_fd: end.into(), child_fd });
        child_fd
    }

    fn inward(&mut self) -> io::Result<(RawFd, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        Ok((self.add(reader), writer))
    }
}

/// The command: resource limits, then bubblewrap, which reads what to do from a pipe.
fn command(
    host: &Host,
    runtime: &Runtime,
    limits: &Limits,
    arguments: RawFd,
    ends: Ends,
) -> io::Result<Command> {
    let mut command = Command::new(&host.prlimit);
    let largest = limits.input_bytes.max(limits.scratch_bytes).max(limits.output_bytes);
    for (limit, value) in [
        // Not 0: where dumps go to a program, the kernel heeds no other limit than this one.
        ("core", 1),
        ("memlock", 0),
        ("msgqueue", 0),
        ("nofile", 1024),
        ("fsize", largest),
        // A process that reserves much more than there is fails, rather than being killed later.
        ("data", limits.memory_bytes.saturating_mul(2)),
        // The group's processor time is what counts; this is for a platform that looks away.
        ("cpu", limits.cpu.as_secs() + 2),
    ] {
        // Not `nproc`: it counts all processes of a user, other jobs' too. The group counts ours.
        command.arg(format!("--{limit}={value}:{value}"));
    }
    command.arg(&host.bwrap).args(["--args", &arguments.to_string(), "--"]);
    command.arg(&runtime.interpreter).args(["-I", "-S", "-c", LAUNCH, SCRIPT]);
    command.env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.fd_mappings(ends.0).map_err(io::Error::other)?;
    Ok(command)
}

/// What bubblewrap is told, word by word, each with a zero behind it.
#[derive(Debug, Default)]
struct Plan(Vec<u8>);

impl Plan {
    fn word(&mut self, word: impl AsRef<OsStr>) {
        self.0.extend(word.as_ref().as_bytes());
        self.0.push(0);
    }

    fn words(&mut self, words: &[&str]) {
        for word in words {
            self.word(word);
        }
    }

    fn isolation(&mut self, filter: RawFd, tells: RawFd, waits: RawFd) {
        let nobody = NOBODY.to_string();
        self.words(&["--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-net"]);
        self.words(&["--unshare-ipc", "--unshare-uts", "--unshare-cgroup"]);
        self.words(&["--uid", &nobody, "--gid", &nobody, "--hostname", "sandbox"]);
        self.words(&["--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv"]);
        self.words(&["--seccomp", &filter.to_string(), "--info-fd", &tells.to_string()]);
        self.words(&["--block-fd", &waits.to_string()]);
    }

    fn environment(&mut self, runtime: &Runtime, limits: &Limits) {
        let cores = limits.cores.to_string();
        let mut set = BTreeMap::from([
            ("HOME", "/tmp"),
            ("TMPDIR", "/tmp"),
            ("USER", "nobody"),
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("JOBLIB_TEMP_FOLDER", "/tmp"),
            ("MPLBACKEND", "Agg"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            // A job that runs again on the same data comes to the same.
            ("PYTHONHASHSEED", "0"),
            ("PYTHONNOUSERSITE", "1"),
            ("PYTHONSAFEPATH", "1"),
            ("PYTHONUNBUFFERED", "1"),
            ("PYTHONUTF8", "1"),
        ]);
        for threads in [
            "LOKY_MAX_CPU_COUNT",
            "MKL_NUM_THREADS",
            "NUMEXPR_MAX_THREADS",
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
        ] {
            set.insert(threads, &cores);
        }
        for (name, value) in set {
            self.words(&["--setenv", name, value]);
        }
        self.words(&["--setenv", "PATH"]);
        self.word(runtime.interpreter.parent().unwrap_or(Path::new("/")));
    }

    /// What is there: places of the program's own, in memory and of a size; a few devices; the
    /// runtime. There is no `/proc`: it tells of other processes, and of the kernel.
    fn places(&mut self, runtime: &Runtime, limits: &Limits) {
        // A quarter of the scratch space is where processes of one program share memory.
        let shared = limits.scratch_bytes / 4;
        let [scratch, shared, output] =
            [limits.scratch_bytes - shared, shared, limits.output_bytes].map(|it| it.to_string());
        self.words(&["--perms", "0700", "--size", &scratch, "--tmpfs", "/tmp"]);
        self.words(&["--perms", "0755", "--tmpfs", "/dev"]);
        for device in ["/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"] {
            self.words(&["--dev-bind", device, device]);
        }
        self.words(&["--perms", "0700", "--size", &shared, "--tmpfs", "/dev/shm"]);
        let links = LINKS.map(|it| (it, fs::read_link(it).ok()));
        for (link, target) in &links {
            if let Some(target) = target {
                self.word("--symlink");
                self.word(target);
                self.word(link);
            }
        }
        for root in &runtime.roots {
            if links.iter().any(|(link, target)| target.is_some() && root == Path::new(link)) {
                continue;
            }
            self.word("--ro-bind");
            self.word(root);
            self.word(root);
        }
        self.words(&["--perms", "0700", "--size", &output, "--tmpfs", "/out"]);
    }
}

/// Whether a process is behind walls: in namespaces of its own, without any right, and unable to
/// gain one. Says which wall does not stand.
pub(crate) fn check_standing(process: u32, stranger: Option<u32>) -> Result<(), String> {
    for namespace in NAMESPACES {
        let link = |of: &str| fs::read_link(format!("/proc/{of}/ns/{namespace}")).ok();
        let (inside, outside) = (link(&process.to_string()), link("self"));
        if inside.is_none() || inside == outside {
            return Err(format!("it has no {namespace} namespace of its own"));
        }
    }
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    for rights in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        if !field(rights).is_some_and(|it| !it.is_empty() && it.chars().all(|bit| bit == '0')) {
            return Err(format!("it has rights ({})", rights.trim_end_matches(':')));
        }
    }
    if field("NoNewPrivs:") != Some("1") {
        return Err("it could gain rights".to_owned());
    }
    if let Some(stranger) = stranger.map(|it| it.to_string()) {
        let is_stranger = |name: &str| {
            let ids: Vec<&str> = field(name).unwrap_or_default().split_whitespace().collect();
            ids.len() == 4 && ids.iter().all(|id| *id == stranger)
        };
        if !is_stranger("Uid:") || !is_stranger("Gid:") || field("Groups:") != Some("") {
            return Err("it is not the user that it should be".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_outside_is_not_taken_for_one_inside() {
        let standing = check_standing(std::process::id(), None);

        assert_eq!(standing, Err("it has no cgroup namespace of its own".to_owned()));
        assert!(check_standing(u32::MAX, None).is_err());
    }
}
