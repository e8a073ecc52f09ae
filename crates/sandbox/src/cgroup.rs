//! Control groups: what a program may use, what it used, and its end as a whole.
//!
//! Version 2 where a subtree is ours to divide, version 1 otherwise.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::Limits;

const PREFIX: &str = "shuyu-sandbox-";
/// The length of the period in which a group has its share of the processors, in microseconds.
const PERIOD: u64 = 100_000;

/// Where groups can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// Version 2: one tree.
    Unified(PathBuf),
    /// Version 1: a tree for each controller.
    Separate { memory: PathBuf, pids: PathBuf, accounting: PathBuf, cpu: Option<PathBuf> },
}

impl Cgroups {
    /// Where this process may make groups, tried by making one.
    ///
    /// # Errors
    ///
    /// Why it may not, in plain words.
    pub(crate) fn find() -> Result<Self, String> {
        let text =
            |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let (mounts, own) = (text("/proc/self/mountinfo")?, text("/proc/self/cgroup")?);
        let mut reasons = Vec::new();
        for place in places(&mounts, &own) {
            if let Self::Unified(tree) = &place {
                hand_down(tree);
            }
            match place.create(&Limits::default()) {
                Ok(group) => {
                    drop(group);
                    return Ok(place);
                }
                Err(error) => reasons.push(format!("{}: {error}", place.main().display())),
            }
        }
        if reasons.is_empty() {
            reasons.push("no tree has the controllers memory, pids and cpu".to_owned());
        }
        Err(reasons.join("; "))
    }

    /// The tree in which the processes of a group are counted.
    fn main(&self) -> &Path {
        match self {
            Self::Unified(tree) => tree,
            Self::Separate { pids, .. } => pids,
        }
    }

    fn trees(&self) -> Vec<&Path> {
        match self {
            Self::Unified(tree) => vec![tree],
            Self::Separate { memory, pids, accounting, cpu } => {
                let mut trees: Vec<&Path> = vec![memory, pids, accounting];
                trees.extend(cpu.as_deref());
                trees.dedup();
                trees
            }
        }
    }

    /// Makes a group with these limits, with nobody in it.
    pub(crate) fn create(&self, limits: &Limits) -> io::Result<Group> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (pid, since) = (std::process::id(), started(std::process::id()).unwrap_or_default());
        let group = Group { places: self.clone(), name: format!("{PREFIX}{pid}-{since}-{number}") };
        for tree in self.trees() {
            match fs::create_dir(tree.join(&group.name)) {
                // Two controllers in one tree.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        group.limit(limits)?;
        Ok(group)
    }

    /// Ends what a process of ours left behind that is no more: it was killed before it could.
    pub(crate) fn sweep(&self) {
        for tree in self.trees() {
            let Ok(entries) = fs::read_dir(tree) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(rest) = name.strip_prefix(PREFIX) else { continue };
                let mut parts = rest.split('-');
                let owner: Option<u32> = parts.next().and_then(|it| it.parse().ok());
                let since: Option<u64> = parts.next().and_then(|it| it.parse().ok());
                let (Some(owner), Some(since)) = (owner, since) else { continue };
                if started(owner) != Some(since) {
                    drop(Group { places: self.clone(), name });
                }
            }
        }
    }
}

/// A group of processes. It ends with all that is in it when it is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    places: Cgroups,
    name: String,
}

impl Group {
    fn file(&self, tree: &Path, file: &str) -> PathBuf {
        tree.join(&self.name).join(file)
    }

    fn limit(&self, limits: &Limits) -> io::Result<()> {
        let write =
            |tree: &Path, file: &str, value: String| fs::write(self.file(tree, file), value);
        // What is in memory must not be written to a disk. Without swap there is nothing to forbid.
        let unless_no_swap = |result: io::Result<()>| if swaps() { result } else { Ok(()) };
        let quota = u64::from(limits.cores) * PERIOD;
        match &self.places {
            Cgroups::Unified(tree) => {
                write(tree, "memory.max", limits.memory_bytes.to_string())?;
                unless_no_swap(write(tree, "memory.swap.max", "0".to_owned()))?;
                write(tree, "memory.oom.group", "1".to_owned())?;
                write(tree, "pids.max", limits.processes.to_string())?;
                write(tree, "cpu.max", format!("{quota} {PERIOD}"))
            }
            Cgroups::Separate { memory, pids, cpu, .. } => {
                write(memory, "memory.limit_in_bytes", limits.memory_bytes.to_string())?;
                unless_no_swap(write(memory, "memory.swappiness", "0".to_owned()))?;
                write(pids, "pids.max", limits.processes.to_string())?;
                let Some(cpu) =
                    cpu.as_ref().filter(|it| self.file(it, "cpu.cfs_quota_us").exists())
                else {
                    return Ok(());
                };
                write(cpu, "cpu.cfs_period_us", PERIOD.to_string())?;
                write(cpu, "cpu.cfs_quota_us", quota.to_string())
            }
        }
    }

    /// Puts a process into the group: it and all that it will start.
    pub(crate) fn join(&self, pid: u32) -> io::Result<()> {
        let trees = self.places.trees();
        trees.iter().try_for_each(|it| fs::write(self.file(it, "cgroup.procs"), pid.to_string()))
    }

    /// The processor time used in the group so far.
    pub(crate) fn processor_time(&self) -> io::Result<Duration> {
        match &self.places {
            Cgroups::Unified(tree) => {
                let micros = field(&self.file(tree, "cpu.stat"), "usage_usec")?;
                Ok(Duration::from_micros(micros))
            }
            Cgroups::Separate { accounting, .. } => {
                let nanos = number(&self.file(accounting, "cpuacct.usage"))?;
                Ok(Duration::from_nanos(nanos))
            }
        }
    }

    /// The most memory that the group has had, or, on kernels that do not keep it, has now.
    pub(crate) fn peak(&self) -> io::Result<u64> {
        match &self.places {
            Cgroups::Unified(tree) => number(&self.file(tree, "memory.peak"))
                .or_else(|_| number(&self.file(tree, "memory.current"))),
            Cgroups::Separate { memory, .. } => {
                number(&self.file(memory, "memory.max_usage_in_bytes"))
            }
        }
    }

    /// Whether the kernel killed a process of the group because memory ran out.
    pub(crate) fn ran_out_of_memory(&self) -> io::Result<bool> {
        let kills = match &self.places {
            Cgroups::Unified(tree) => field(&self.file(tree, "memory.events"), "oom_kill"),
            Cgroups::Separate { memory, .. } => {
                field(&self.file(memory, "memory.oom_control"), "oom_kill")
            }
        };
        kills.map(|kills| kills > 0)
    }

    /// The processes of the group.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let file = self.file(self.places.main(), "cgroup.procs");
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Kills all that is in the group.
    pub(crate) fn kill(&self) {
        if let Cgroups::Unified(tree) = &self.places
            && fs::write(self.file(tree, "cgroup.kill"), "1").is_ok()
        {
            return;
        }
        for process in self.processes() {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    }

    /// Kills all that is in the group until nothing is, for a second at most. Says whether
    /// nothing is.
    pub(crate) async fn end(&self) -> bool {
        for _ in 0..200 {
            if self.processes().is_empty() {
                return true;
            }
            self.kill();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        for tree in self.places.trees() {
            let place = tree.join(&self.name);
            // The kernel lets go of killed processes a moment later.
            for _ in 0..100 {
                match fs::remove_dir(&place) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        tracing::warn!(%error, "a control group is left to the next start");
                        break;
                    }
                    Ok(()) | Err(_) => break,
                }
            }
        }
    }
}

/// Where groups may be made, by what is mounted and where this process is: the unified tree at its
/// own place and above it (which a service manager may have handed to it), then separate ones.
fn places(mounts: &str, own: &str) -> Vec<Cgroups> {
    let own: Vec<(&str, &str)> = own
        .lines()
        .filter_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            Some((controllers, path))
        })
        .collect();
    let place = |mount: &str, path: &str| {
        let inside = Path::new(mount).join(path.trim_start_matches('/'));
        // In a container the path may be that of the host.
        if inside.is_dir() { inside } else { PathBuf::from(mount) }
    };
    let mut found = Vec::new();
    for (mount, kind, _) in mounts.lines().filter_map(mounted) {
        let path = own.iter().find(|(controllers, _)| controllers.is_empty());
        if let ("cgroup2", Some((_, path))) = (kind, path) {
            let here = place(mount, path);
            let above = here.parent().filter(|it| it.starts_with(mount)).map(Path::to_path_buf);
            let offers = |tree: &PathBuf| {
                let text = fs::read_to_string(tree.join("cgroup.controllers")).unwrap_or_default();
                ["memory", "pids", "cpu"].iter().all(|it| text.split_whitespace().any(|x| x == *it))
            };
            found.extend(std::iter::once(here).chain(above).filter(offers).map(Cgroups::Unified));
        }
    }
    let separate = |controller: &str| {
        let has = |list: &str| list.split(',').any(|it| it == controller);
        let (mount, ..) = mounts
            .lines()
            .filter_map(mounted)
            .find(|(_, kind, options)| *kind == "cgroup" && has(options))?;
        let (_, path) = own.iter().find(|(controllers, _)| has(controllers))?;
        Some(place(mount, path))
    };
    if let (Some(memory), Some(pids), Some(accounting)) =
        (separate("memory"), separate("pids"), separate("cpuacct"))
    {
        found.push(Cgroups::Separate { memory, pids, accounting, cpu: separate("cpu") });
    }
    found
}

/// Of a line of `mountinfo`: where, of which kind, with which options of the whole file system.
fn mounted(line: &str) -> Option<(&str, &str, &str)> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    Some((left.split(' ').nth(4)?, right.next()?, right.nth(1)?))
}

/// Lets groups below a unified tree have limits. Whether it did shows when one is made.
fn hand_down(tree: &Path) {
    let _ = fs::write(tree.join("cgroup.subtree_control"), "+memory +pids +cpu");
}

/// Whether the host writes memory to a disk when it runs short.
fn swaps() -> bool {
    // The first line is a heading. What cannot be read is taken to be there.
    fs::read_to_string("/proc/swaps").map_or(true, |text| text.lines().count() > 1)
}

/// When a process began, in the kernel's ticks: with its number it names one process for good.
fn started(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn number(file: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

fn field(file: &Path, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separate_trees_are_found_where_this_process_is_in_them() {
        let mounts = "\
            30 29 0:26 / /nowhere/memory rw,relatime - cgroup cgroup rw,memory\n\
            31 29 0:27 / /nowhere/pids rw - cgroup cgroup rw,pids\n\
            32 29 0:28 / /nowhere/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        let own = "5:memory:/a/b\n4:pids:/\n3:cpu,cpuacct:/\n0::/\n";

        let tree = |name: &str| PathBuf::from(format!("/nowhere/{name}"));
        let expected = Cgroups::Separate {
            memory: tree("memory"),
            pids: tree("pids"),
            accounting: tree("cpu"),
            cpu: Some(tree("cpu")),
        };
        assert_eq!(places(mounts, own), [expected]);
    }

    #[test]
    fn a_unified_tree_counts_only_with_its_controllers() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().display();
        let mounts = format!("30 29 0:26 / {root} rw - cgroup2 cgroup2 rw,nsdelegate\n");
        fs::create_dir(place.path().join("service")).unwrap();
        assert_eq!(places(&mounts, "0::/service\n"), []);

        let service = place.path().join("service");
        fs::write(service.join("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        assert_eq!(places(&mounts, "0::/service\n"), [Cgroups::Unified(service)]);
    }

    #[test]
    fn a_unified_group_gets_its_limits_and_tells_what_it_used() {
        let place = tempfile::tempdir().unwrap();
        let groups = Cgroups::Unified(place.path().to_path_buf());
        let limits = Limits { cores: 2, memory_bytes: 1 << 30, processes: 9, ..Limits::default() };

        let group = groups.create(&limits).unwrap();

        let tree = place.path().join(&group.name);
        let read = |file: &str| fs::read_to_string(tree.join(file)).unwrap();
        assert_eq!(read("memory.max"), "1073741824");
        assert_eq!(read("pids.max"), "9");
        assert_eq!(read("cpu.max"), "200000 100000");
        assert_eq!(read("memory.oom.group"), "1");
        fs::write(tree.join("cpu.stat"), "usage_usec 1500000\nuser_usec 1\n").unwrap();
        fs::write(tree.join("memory.peak"), "77\n").unwrap();
        fs::write(tree.join("memory.events"), "oom 3\noom_kill 1\n").unwrap();
        assert_eq!(group.processor_time().unwrap(), Duration::from_millis(1500));
        assert_eq!(group.peak().unwrap(), 77);
        assert!(group.ran_out_of_memory().unwrap());
    }

    #[test]
    fn a_process_is_known_by_its_number_and_beginning() {
        assert!(started(std::process::id()).is_some());
        assert_eq!(started(u32::MAX), None);
    }
}
