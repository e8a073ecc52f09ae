//! Packs as files: those built into the binary, those of a directory, and their versions.

use std::{collections::BTreeMap, fs, io, path::Path};

use include_dir::{Dir, DirEntry, include_dir};
use shuyu_kernel::ContentHash;

use crate::PackVersion;

/// The packs of the repository, built in.
static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../regulations");

/// The pack that every city overlays.
pub const BASELINE: &str = "baseline";

/// The files of a pack: path inside the pack's folder, such as `procedures/exit.toml`, and text.
pub type PackFiles = BTreeMap<String, String>;

/// The packs that there are, as files. [`Packs::load`] reads one into a [`Law`](crate::Law).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packs {
    packs: BTreeMap<String, PackFiles>,
}

/// Why a pack cannot be read. Nothing of it is used then.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// There is no pack of this name.
    #[error("there is no pack `{name}`; there are: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A folder or file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The folder or file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not say what its format asks for.
    #[error("{file}:{line}: {message}")]
    Invalid {
        /// The file, as `<pack>/<path>`.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl PackError {
    pub(crate) fn invalid(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self::Invalid { file: file.to_owned(), line, message: message.into() }
    }
}

impl Packs {
    /// The packs that are built into the binary.
    pub fn embedded() -> Self {
        let mut packs = Self::default();
        for folder in EMBEDDED.dirs() {
            let mut files = PackFiles::new();
            gather(folder, folder.path(), &mut files);
            if let Some(name) = folder.path().to_str() {
                packs.insert(name, files);
            }
        }
        packs
    }

    /// The packs in the folders of `directory`.
    pub fn read(directory: &Path) -> Result<Self, PackError> {
        let mut packs = Self::default();
        for folder in sorted_entries(directory)? {
            if let Some(name) = name_of(&folder).filter(|_| folder.is_dir()) {
                let mut files = PackFiles::new();
                read_folder(&folder, "", &mut files)?;
                packs.insert(&name, files);
            }
        }
        Ok(packs)
    }

    /// Adds a pack, or puts these files in its place. Folders without a file of a pack are none.
    pub fn insert(&mut self, name: &str, files: PackFiles) {
        if !files.is_empty() {
            self.packs.insert(name.to_owned(), files);
        }
    }

    /// The names of the packs, the baseline among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.packs.keys().map(String::as_str)
    }

    /// The names of the packs that are a city's.
    pub fn cities(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| *name != BASELINE)
    }

    /// The files of a pack.
    pub fn files(&self, name: &str) -> Result<&PackFiles, PackError> {
        self.packs.get(name).ok_or_else(|| PackError::Unknown {
            name: name.to_owned(),
            known: self.names().collect::<Vec<_>>().join(", "),
        })
    }

    /// Only the pack of this name and the baseline: what a deployment keeps of a version.
    pub fn only(&self, name: &str) -> Result<Self, PackError> {
        let mut packs = Self::default();
        packs.insert(BASELINE, self.files(BASELINE)?.clone());
        packs.insert(name, self.files(name)?.clone());
        Ok(packs)
    }

    /// The version of a pack: the digest of the paths and bytes of its own files and the
    /// baseline's. Whatever is changed in either gives another version; proofs, which say
    /// nothing of the law, do not count.
    pub fn version(&self, name: &str) -> Result<PackVersion, PackError> {
        let baseline = self.files(BASELINE)?;
        let own = if name == BASELINE { None } else { Some(self.files(name)?) };
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for (pack, files) in [(BASELINE, Some(baseline)), (name, own)] {
            for (path, text) in files.into_iter().flatten().filter(|(path, _)| !is_proof(path)) {
                parts.push(format!("{pack}/{path}\0{}\0", text.len()).into_bytes());
                parts.push(text.clone().into_bytes());
            }
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Ok(PackVersion(ContentHash::of_parts(&parts).to_string()))
    }
}

/// Whether a file of a pack holds proofs of its clauses.
pub(crate) fn is_proof(path: &str) -> bool {
    path.starts_with("proofs/")
}

/// Whether a pack consists of such files. Editors' copies and notes beside them are none.
fn belongs(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml" || extension == "cedar")
}

fn gather(folder: &Dir<'_>, root: &Path, files: &mut PackFiles) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(inner) => gather(inner, root, files),
            DirEntry::File(file) if belongs(file.path()) => {
                let path = file.path().strip_prefix(root).unwrap_or(file.path());
                let text = String::from_utf8_lossy(file.contents()).into_owned();
                files.insert(path.to_string_lossy().replace('\\', "/"), text);
            }
            DirEntry::File(_) => {}
        }
    }
}

fn name_of(path: &Path) -> Option<String> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned)
}

fn sorted_entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, PackError> {
    let unreadable = |source| PackError::Unreadable { path: folder.display().to_string(), source };
    let mut entries = fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    entries.sort();
    Ok(entries)
}

fn read_folder(folder: &Path, prefix: &str, files: &mut PackFiles) -> Result<(), PackError> {
    for path in sorted_entries(folder)? {
        let Some(name) = name_of(&path) else { continue };
        if path.is_dir() {
            // A pack is two levels deep; a link that leads back up ends here.
            if prefix.is_empty() {
                read_folder(&path, &format!("{name}/"), files)?;
            }
        } else if belongs(&path) {
            let text = fs::read_to_string(&path).map_err(|source| PackError::Unreadable {
                path: path.display().to_string(),
                source,
            })?;
            files.insert(format!("{prefix}{name}"), text);
        }
    }
    Ok(())
}
