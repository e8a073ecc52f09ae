//! The refused records of a version, sealed as CSV.

use std::io::Write;

use super::{Place, begin, check::Refused};
use crate::{
    DataKey, Part, Result, StoredObject, Vault,
    sealed::Sealer,
    upload::{Upload, UploadWriter},
};

/// The refused records, sealed as CSV; nothing is written where there are none.
pub(super) struct Quarantine<'a> {
    vault: &'a Vault,
    place: &'a Place,
    key: &'a DataKey,
    open: Option<(Upload, Sealer<UploadWriter>)>,
    records: u64,
}

impl<'a> Quarantine<'a> {
    pub(super) fn new(vault: &'a Vault, place: &'a Place, key: &'a DataKey) -> Self {
        Self { vault, place, key, open: None, records: 0 }
    }

    pub(super) fn add(&mut self, refused: &Refused) -> Result<()> {
        if self.open.is_none() {
            let (upload, mut sealer) = begin(self.vault, self.place, self.key, Part::Quarantine)?;
            sealer.write_all(b"line,column,rule,record\r\n")?;
            self.open = Some((upload, sealer));
        }
        self.records += 1;
        let Some((_, sealer)) = &mut self.open else { return Ok(()) };
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        write!(
            sealer,
            "{},{},{},{}\r\n",
            refused.line,
            quoted(&refused.column),
            refused.rule,
            quoted(&String::from_utf8_lossy(&refused.text))
        )?;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(u64, Option<StoredObject>)> {
        let Some((upload, sealer)) = self.open else { return Ok((0, None)) };
        drop(sealer.finish()?);
        let object = tokio::runtime::Handle::current().block_on(upload.finish())?;
        Ok((self.records, Some(object)))
    }
}
