//! The table: each row trips one assertion.

mod attestations;
mod blocks;
mod others;
mod slashings;

use consensus::Error;
use mutations::Scenario;

/// What makes a row's error.
pub(crate) type Trip = fn(&Scenario) -> Result<(), Error>;

/// One mutation.
pub(crate) struct Row {
    /// The function whose assertion is to be tripped.
    pub(crate) function: &'static str,
    /// The assertion as the specification writes it (its first line), or what implies one.
    pub(crate) assertion: &'static str,
    /// What is changed.
    pub(crate) mutation: &'static str,
    /// How the error's `Debug` text begins, without the operation around it.
    pub(crate) expected: &'static str,
    pub(crate) trip: Trip,
}

const fn row(
    function: &'static str,
    assertion: &'static str,
    mutation: &'static str,
    expected: &'static str,
    trip: Trip,
) -> Row {
    Row {
        function,
        assertion,
        mutation,
        expected,
        trip,
    }
}

pub(crate) fn all() -> Vec<Row> {
    let mut rows = blocks::rows();
    rows.extend(slashings::rows());
    rows.extend(attestations::rows());
    rows.extend(others::rows());
    rows
}
