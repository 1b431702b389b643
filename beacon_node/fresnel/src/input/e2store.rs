//! What to say of e2store files that cannot be read.

use std::path::Path;
use store::finalized::e2store::RecordError;

/// An error of a file's records, with the file and what to do.
pub(crate) fn record_error(path: &Path) -> impl Fn(RecordError) -> anyhow::Error {
    move |error| {
        let path = path.display();
        match error {
            RecordError::Io(source) => anyhow::Error::new(source).context(format!(
                "{path}: the file cannot be read to its end; it is damaged or cut short, get it again"
            )),
            error @ RecordError::CutShort { .. } => {
                anyhow::anyhow!("{path}: {error}; it is cut short, get it again")
            }
            error => anyhow::anyhow!("{path}: {error}; the file is damaged, get it again"),
        }
    }
}
