//! The runtime of a language: what a program finds besides its data.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use shuyu_kernel::ContentHash;

use crate::Unfit;

/// What a Python says of itself.
const QUESTION: &str = r#"
import importlib.metadata, json, os, sys, sysconfig
at, v = sysconfig.get_path, sysconfig.get_config_var
roots = {at("stdlib"), at("platstdlib"), *sys.path}
roots |= {p for p in (sys.prefix, sys.base_prefix) if p not in ("/", "/usr", "/usr/local")}
roots |= {f"/usr/lib/{v('MULTIARCH')}", "/usr/lib64", "/lib64", os.path.join(v("LIBDIR") or "", v("INSTSONAME") or "")}
packages = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
print(json.dumps({"version": sys.version, "packages": packages,
    "roots": sorted(r for r in roots if os.path.isabs(r) and os.path.exists(r) and not r.endswith(".zip"))}))
"#;

/// Directories of which nothing is shown to foreign code.
const NEVER: [&str; 7] = ["/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var"];

/// A Python and what it needs, to be shown read-only to a program: nothing else of the host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// The interpreter.
    pub interpreter: PathBuf,
    /// The files and directories that are shown to a program, where they are on the host.
    pub roots: Vec<PathBuf>,
    /// The interpreter's own words on its version.
    pub version: String,
    /// The packages that a program can import, and their versions.
    pub packages: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Reply {
    version: String,
    packages: BTreeMap<String, String>,
    roots: Vec<PathBuf>,
}

impl Runtime {
    /// Asks an interpreter for all that it needs: the standard library, the packages of its
    /// environment, the system's shared libraries.
    ///
    /// # Errors
    ///
    /// If it is not a Python that answers, or one of its places is not one to be shown.
    pub fn discover(interpreter: &Path) -> Result<Self, Unfit> {
        let unfit = |why: String| Unfit::Runtime(why);
        let interpreter = std::path::absolute(interpreter)
            .map_err(|error| unfit(format!("{}: {error}", interpreter.display())))?;
        let output = Command::new(&interpreter)
            .args(["-I", "-c", QUESTION])
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .map_err(|error| unfit(format!("{}: {error}", interpreter.display())))?;
        let reply: Reply = serde_json::from_slice(&output.stdout).map_err(|_| {
            unfit(format!("{} does not answer as Python does", interpreter.display()))
        })?;
        let mut roots = reply.roots;
        roots.extend(links(&interpreter).map_err(|error| unfit(error.to_string()))?);
        let runtime = Self {
            interpreter,
            roots: outermost(roots),
            version: reply.version,
            packages: reply.packages,
        };
        runtime.check()?;
        Ok(runtime)
    }

    /// The digest of the interpreter's version and of all packages and their versions: what a
    /// frozen job depends on besides its own code.
    pub fn digest(&self) -> ContentHash {
        let both = serde_json::json!({ "version": self.version, "packages": self.packages });
        ContentHash::of_json(&both)
    }

    /// Refuses roots that would show more than a runtime.
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        for root in &self.roots {
            // Whole top-level directories hold more than a runtime, but for those of libraries.
            let is_inside = root.is_absolute() && root.components().count() > 2;
            let is_libraries = root.starts_with("/lib") || root.starts_with("/lib64");
            let is_private = NEVER.iter().any(|it| root.starts_with(it));
            if !(is_inside || is_libraries) || is_private {
                let why = format!("{} is not a directory of a runtime", root.display());
                return Err(Unfit::Runtime(why));
            }
        }
        Ok(())
    }

    /// Refuses roots that a user without rights cannot reach.
    pub(crate) fn check_reachable(&self) -> Result<(), Unfit> {
        for root in &self.roots {
            for place in root.ancestors() {
                let is_open = |it: fs::Metadata| it.mode() & 0o001 != 0 || it.is_file();
                if !fs::metadata(place).is_ok_and(is_open) {
                    let why = format!(
                        "{} is in {}, which only its owner may enter: foreign code is nobody",
                        root.display(),
                        place.display()
                    );
                    return Err(Unfit::Runtime(why));
                }
            }
        }
        Ok(())
    }
}

/// The interpreter and each symbolic link on the way to it.
fn links(interpreter: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut at) = (Vec::new(), interpreter.to_path_buf());
    // As many as the kernel follows.
    for _ in 0..40 {
        found.push(at.clone());
        match fs::read_link(&at) {
            Ok(target) => at = std::path::absolute(at.parent().unwrap_or(&at).join(target))?,
            Err(_) => break,
        }
    }
    Ok(found)
}

/// The roots that are not inside another.
fn outermost(mut roots: Vec<PathBuf>) -> Vec<PathBuf> {
    roots.sort();
    let mut kept: Vec<PathBuf> = Vec::new();
    for root in roots {
        if !kept.iter().any(|it| root.starts_with(it)) {
            kept.push(root);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(root: &str) -> Runtime {
        Runtime {
            interpreter: "/usr/bin/python3".into(),
            roots: vec![root.into()],
            version: "3".to_owned(),
            packages: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_more_than_a_runtime_is_refused() {
        for root in ["/", "/usr", "/etc", "/etc/ssl", "/home", "/proc/self", "relative"] {
            assert!(of(root).check().is_err(), "{root}");
        }
        for root in ["/usr/lib/python3.11", "/usr/bin/python3", "/opt/python", "/lib64"] {
            assert_eq!(of(root).check(), Ok(()), "{root}");
        }
    }

    #[test]
    fn what_only_root_may_enter_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let inside = place.path().join("env");
        fs::create_dir(&inside).unwrap();
        let runtime = of(inside.to_str().unwrap());
        let set = |mode| fs::set_permissions(place.path(), fs::Permissions::from_mode(mode));

        set(0o700).unwrap();
        assert!(runtime.check_reachable().is_err());
        set(0o755).unwrap();
        assert_eq!(runtime.check_reachable(), Ok(()));
    }

    #[test]
    fn only_outermost_roots_are_kept() {
        let roots = ["/a/b/c", "/a/b", "/d", "/a/b", "/a/bc"].map(PathBuf::from).to_vec();

        assert_eq!(outermost(roots), ["/a/b", "/a/bc", "/d"].map(PathBuf::from));
    }

    #[test]
    fn a_program_that_is_not_python_is_refused() {
        let unfit = Runtime::discover(Path::new("/bin/true")).unwrap_err();

        assert_eq!(unfit, Unfit::Runtime("/bin/true does not answer as Python does".to_owned()));
    }
}
