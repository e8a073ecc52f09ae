//! What this host can do.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use thiserror::Error;

use crate::{cgroup::Cgroups, filter};

/// The user that foreign code is inside: nobody.
pub(crate) const NOBODY: u32 = 65534;

/// Where the platform is root, users that foreign code is outside: beyond all that distributions, service
/// managers and containers give out, so that no file and no other process is theirs.
const STRANGERS: std::ops::Range<u32> = 0x7000_0000..0x7001_0000;

/// Programs of the operating system are looked for here alone, whatever `PATH` says.
const PLACES: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin"];

/// Why this host cannot hold foreign code. The feature is off then: every wall is indispensable, and
/// there is no weaker way.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unfit {
    /// A program of the operating system is not there.
    #[error("{name} is not installed: install the package {package}")]
    Absent {
        /// The program.
        name: &'static str,
        /// The package that has it, on Debian.
        package: &'static str,
    },
    /// Memory, processes and processor time cannot be limited.
    #[error("control groups cannot be made here, so memory and processes cannot be limited: {0}")]
    Cgroups(String),
    /// System calls cannot be filtered.
    #[error("system calls cannot be filtered on this machine: {0}")]
    Filter(String),
    /// The runtime of the language is not as it must be.
    #[error("the runtime cannot be used: {0}")]
    Runtime(String),
    /// The walls do not stand, or do not hold.
    #[error("the walls do not hold on this host: {0}")]
    Walls(String),
}

/// What this host has for holding foreign code.
#[derive(Debug, Clone)]
pub struct Host {
    pub(crate) bwrap: PathBuf,
    pub(crate) prlimit: PathBuf,
    pub(crate) cgroups: Cgroups,
    /// The system calls that a program may make, as the kernel takes them.
    pub(crate) filter: Vec<u8>,
    /// Where the platform is root, whom foreign code is to be instead.
    pub(crate) strangers: Option<std::ops::Range<u32>>,
}

impl Host {
    /// Looks at what there is. Whether the walls hold is tried by
    /// [`Room::open`](crate::Room::open).
    ///
    /// # Errors
    ///
    /// What is missing, in plain words.
    pub fn probe() -> Result<Self, Unfit> {
        let bwrap = program("bwrap", "bubblewrap")?;
        let prlimit = program("prlimit", "util-linux")?;
        let filter = filter::bytes().map_err(|error| Unfit::Filter(error.to_string()))?;
        let cgroups = Cgroups::find().map_err(Unfit::Cgroups)?;
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
        let strangers = is_root.then(|| {
            let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
            if has_all_users(&map) { STRANGERS } else { NOBODY..NOBODY + 1 }
        });
        Ok(Self { bwrap, prlimit, cgroups, filter, strangers })
    }

    /// Whom the next program is to be outside, if not whom the platform is: by turns, so that two
    /// that run at once are two.
    pub(crate) fn stranger(&self) -> Option<u32> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let strangers = self.strangers.clone()?;
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % u32::try_from(strangers.len()).ok()?;
        strangers.start.checked_add(next)
    }
}

/// Whether all users are there, as outside of containers, by `uid_map`.
fn has_all_users(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn program(name: &'static str, package: &'static str) -> Result<PathBuf, Unfit> {
    let found = PLACES.iter().map(|place| Path::new(place).join(name)).find(|it| it.is_file());
    found.ok_or(Unfit::Absent { name, package })
}

#[cfg(test)]
mod tests {
    use super::{Unfit, has_all_users, program};

    #[test]
    fn in_a_container_there_are_fewer_users() {
        assert!(has_all_users("         0          0 4294967295\n"));
        assert!(!has_all_users("         0     100000      65536\n"));
        assert!(!has_all_users(""));
    }

    #[test]
    fn what_is_not_installed_is_named_with_its_package() {
        let unfit = program("no-such-program", "no-such-package").unwrap_err();

        assert_eq!(unfit, Unfit::Absent { name: "no-such-program", package: "no-such-package" });
        assert_eq!(
            unfit.to_string(),
            "no-such-program is not installed: install the package no-such-package"
        );
    }
}
