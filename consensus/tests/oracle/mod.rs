//! A second, slow consensus: epoch processing and its accessors as `beacon-chain.md` writes them,
//! on plain vectors, every sum from scratch. Shares with the crate under test only the wire
//! containers and SHA-256. A failed assertion or an overflow is a [`Failed`].

#![allow(
    dead_code,
    unreachable_pub,
    reason = "several tests include this module and each uses a part of it"
)]
#![allow(
    clippy::unnecessary_wraps,
    reason = "the steps of an epoch have one type, whether or not they can fail"
)]
#![allow(
    clippy::manual_midpoint,
    reason = "the specification's own expressions"
)]

pub mod deltas;
pub mod epoch;
pub mod fixture;
pub mod helpers;
pub mod overflow;
pub mod random;
pub mod rng;
pub mod setters;
pub mod state;

/// What made the specification's code raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed(pub &'static str);

pub type Result<T> = std::result::Result<T, Failed>;

pub fn add(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).ok_or(Failed("overflow of an addition"))
}

pub fn sub(a: u64, b: u64) -> Result<u64> {
    a.checked_sub(b).ok_or(Failed("underflow of a subtraction"))
}

pub fn mul(a: u64, b: u64) -> Result<u64> {
    a.checked_mul(b)
        .ok_or(Failed("overflow of a multiplication"))
}

pub fn div(a: u64, b: u64) -> Result<u64> {
    a.checked_div(b).ok_or(Failed("division by zero"))
}

/// The specification's `assert`.
pub fn assert_that(holds: bool, what: &'static str) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Failed(what)),
    }
}

/// The specification's list access, which raises beyond the end.
pub fn at<T>(list: &[T], index: u64) -> Result<&T> {
    usize::try_from(index)
        .ok()
        .and_then(|index| list.get(index))
        .ok_or(Failed("index out of range"))
}
