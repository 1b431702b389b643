//! When and how the signatures of a block are verified.

use crate::bls::{SignatureSet, Verifier};
use crate::error::Error;

/// When the signatures of a block are verified. The signatures inside deposits do not count among
/// them: they decide whether a validator is added, and are always verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureMode {
    /// All together after everything else of the block: the fast way.
    Bulk,
    /// Each where the specification does: names the first violated assertion.
    OneByOne,
    /// Not at all: for blocks whose signatures have been verified before.
    Skip,
}

/// The signatures of one block on their way to being verified.
pub struct Signatures<'a> {
    mode: SignatureMode,
    verifier: &'a dyn Verifier,
    sets: Vec<SignatureSet>,
    errors: Vec<Error>,
    operation: Option<(&'static str, usize)>,
}

impl<'a> Signatures<'a> {
    /// Nothing collected yet.
    pub fn new(mode: SignatureMode, verifier: &'a dyn Verifier) -> Self {
        Signatures {
            mode,
            verifier,
            sets: Vec::new(),
            errors: Vec::new(),
            operation: None,
        }
    }

    /// Drops what a failed block left behind.
    pub(crate) fn clear(&mut self) {
        self.sets.clear();
        self.errors.clear();
    }

    /// What verifies, for signatures that decide an outcome.
    pub fn verifier(&self) -> &'a dyn Verifier {
        self.verifier
    }

    /// A signature that must hold: verified now or at [`Self::finish`], not at all when skipping.
    /// `error` is what its failure means.
    pub(crate) fn check(
        &mut self,
        set: impl FnOnce() -> Result<SignatureSet, Error>,
        error: Error,
    ) -> Result<(), Error> {
        match self.mode {
            SignatureMode::Skip => Ok(()),
            SignatureMode::OneByOne => {
                let verified = self.verifier.verify_sets(&[set()?]);
                verified.map_err(|_| error)
            }
            SignatureMode::Bulk => {
                self.sets.push(set()?);
                let error = self.name_operation(error);
                self.errors.push(error);
                Ok(())
            }
        }
    }

    /// Runs `process` for one operation of a block, so that its errors name it.
    pub(crate) fn in_operation(
        &mut self,
        operation: &'static str,
        index: usize,
        process: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.operation = Some((operation, index));
        let result = process(self);
        let result = result.map_err(|error| self.name_operation(error));
        self.operation = None;
        result
    }

    fn name_operation(&self, error: Error) -> Error {
        match self.operation {
            Some((operation, index)) => Error::Operation {
                operation,
                index,
                error: Box::new(error),
            },
            None => error,
        }
    }

    /// Verifies what has been collected. `process_block` and `state_transition` call it; a caller
    /// of a single operation in [`SignatureMode::Bulk`] must.
    pub fn finish(&mut self) -> Result<(), Error> {
        let sets = std::mem::take(&mut self.sets);
        let mut errors = std::mem::take(&mut self.errors);
        if sets.is_empty() {
            return Ok(());
        }
        let verified = self.verifier.verify_sets(&sets);
        verified.map_err(|culprit| errors.swap_remove(culprit))
    }
}
