//! What a program left: read after its end, and only what was declared.

use std::{
    fs::{self, File, OpenOptions},
    io::Read as _,
    os::{
        fd::AsRawFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use crate::{Content, Declared, Document, Fault, Form, Limits, Made, Table};

/// The place in which a program leaves its outputs: memory that only its own namespace shows. It is
/// held by an open file, and so outlives all processes of the program.
#[derive(Debug)]
pub(crate) struct Quarantine(File);

impl Quarantine {
    /// The directory `/out` as the process sees it; `None` while its root is still that of the host,
    /// or is not finished.
    pub(crate) fn of(process: u32) -> Option<Self> {
        let root = PathBuf::from(format!("/proc/{process}/root"));
        let device = |path: &Path| fs::metadata(path).map(|it| it.dev()).ok();
        let (inside, outside) = (device(&root)?, device(Path::new("/"))?);
        let directory = File::open(root.join("out")).ok()?;
        let metadata = directory.metadata().ok()?;
        (inside != outside
            && metadata.is_dir()
            && metadata.dev() != inside
            && metadata.dev() != outside)
            .then_some(Self(directory))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// Reads what was declared.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is not as declared, or that there is anything more.
    pub(crate) fn read(&self, declared: &[Declared], limits: &Limits) -> Result<Vec<Made>, Fault> {
        let entries = fs::read_dir(self.path()).map_err(|_| Fault::Undeclared)?;
        for entry in entries {
            let name = entry.map_err(|_| Fault::Undeclared)?.file_name();
            if !declared.iter().any(|it| it.file().as_str() == name) {
                return Err(Fault::Undeclared);
            }
        }
        let mut room = limits.output_bytes;
        declared.iter().map(|it| self.one(it, limits.rows, &mut room)).collect()
    }

    fn one(&self, declared: &Declared, rows: usize, room: &mut u64) -> Result<Made, Fault> {
        let name = declared.name.as_str();
        let missing = |_| Fault::Missing(name.to_owned());
        let path = self.path().join(declared.file());
        if !fs::symlink_metadata(&path).map_err(missing)?.is_file() {
            return Err(Fault::NotAFile(name.to_owned()));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path)
            .map_err(|_| Fault::NotAFile(name.to_owned()))?;
        // A file with holes is as large as it says.
        let size = file.metadata().map_err(missing)?.len();
        *room = room.checked_sub(size).ok_or_else(|| Fault::Size(name.to_owned()))?;
        let mut bytes = Vec::new();
        file.by_ref().take(size).read_to_end(&mut bytes).map_err(missing)?;
        let content = match &declared.form {
            Form::Csv { columns } => Content::Table(Table::from_csv(name, columns, &bytes, rows)?),
            Form::Arrow { columns } => {
                Content::Table(Table::from_arrow(name, columns, &bytes, rows)?)
            }
            Form::Json => Content::Document(Document::from_json(name, &bytes)?),
        };
        Ok(Made { name: name.to_owned(), content })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn declared() -> Vec<Declared> {
        vec![Declared { name: "fit".to_owned(), form: Form::Json }]
    }

    fn read(place: &Path, output_bytes: u64) -> Result<Vec<Made>, Fault> {
        let limits = Limits { output_bytes, ..Limits::default() };
        Quarantine(File::open(place).unwrap()).read(&declared(), &limits)
    }

    #[test]
    fn what_was_declared_is_read() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("fit.json"), b"{\"r2\": 0.5}").unwrap();

        let made = read(place.path(), 11).unwrap();

        assert_eq!(made.len(), 1);
        assert_eq!(made[0].to_bytes(), b"{\"r2\":0.5}");
        assert_eq!(read(place.path(), 10), Err(Fault::Size("fit".to_owned())));
    }

    #[test]
    fn what_was_not_declared_refuses_all() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("fit.json"), b"{}").unwrap();
        fs::write(place.path().join("rows.csv"), b"a").unwrap();

        assert_eq!(read(place.path(), 99), Err(Fault::Undeclared));
    }

    #[test]
    fn what_is_no_plain_file_is_refused() {
        let missing = tempfile::tempdir().unwrap();
        assert_eq!(read(missing.path(), 99), Err(Fault::Missing("fit".to_owned())));

        let link = tempfile::tempdir().unwrap();
        symlink("/etc/passwd", link.path().join("fit.json")).unwrap();
        assert_eq!(read(link.path(), 9_999), Err(Fault::NotAFile("fit".to_owned())));

        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("fit.json")).unwrap();
        assert_eq!(read(directory.path(), 99), Err(Fault::NotAFile("fit".to_owned())));

        let sparse = tempfile::tempdir().unwrap();
        File::create(sparse.path().join("fit.json")).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(sparse.path(), 1 << 20), Err(Fault::Size("fit".to_owned())));
    }
}
