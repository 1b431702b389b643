//! The tests of the fork choice, one binary: situations by name, real states, and random histories
//! beside a naive oracle.

mod cases;
mod oracle;
