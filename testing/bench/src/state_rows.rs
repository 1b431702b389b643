//! Rows on a whole state: codec, roots, clone, shuffle, epoch.

use std::hint::black_box;

use anyhow::Result;
use consensus::BeaconState;
use consensus::helpers::get_current_epoch;
use consensus::transition::{process_epoch, process_slots};

use crate::bench::{Bench, root};
use crate::measure::{Sample, measure, measure_short};

/// `ssz_decode`, of a registry whose keys are known; see `ssz_decode_first` for unknown ones.
pub fn ssz_decode(bench: &Bench) -> Result<Sample> {
    measure(bench.runs, || Ok(()), |()| bench.cold())
}

/// `ssz_encode`, into a buffer that is used again.
pub fn ssz_encode(bench: &Bench) -> Result<Sample> {
    let state = bench.warm()?;
    let mut buffer = Vec::new();
    measure(
        bench.runs,
        || Ok(()),
        |()| {
            buffer.clear();
            state.ssz_append(&mut buffer);
            black_box(&buffer);
            Ok(())
        },
    )
}

/// `ssz_encode_fresh`
pub fn ssz_encode_fresh(bench: &Bench) -> Result<Sample> {
    let state = bench.warm()?;
    measure(bench.runs, || Ok(()), |()| Ok(state.as_ssz_bytes()))
}

/// `root_cold`
pub fn root_cold(bench: &Bench) -> Result<Sample> {
    measure(
        bench.runs,
        || bench.cold(),
        |state| {
            let root = root(&state, &bench.pool);
            Ok((state, root))
        },
    )
}

/// `root_all_balances`
pub fn root_all_balances(bench: &Bench) -> Result<Sample> {
    let changed = || {
        let mut state = bench.warm()?;
        let balances: Vec<_> = state.balances().iter().collect();
        for (index, balance) in balances.into_iter().enumerate() {
            state.set_balance(index, balance + 1)?;
        }
        Ok(state)
    };
    measure(bench.runs, changed, |state| {
        let root = root(&state, &bench.pool);
        Ok((state, root))
    })
}

/// `clone`, and the drop of the clone.
pub fn clone(bench: &Bench) -> Result<Sample> {
    let state = bench.warm()?;
    measure_short(bench.runs, || drop(black_box(black_box(&state).clone())))
}

/// `shuffle`: of an epoch whose shuffling a state does not keep.
pub fn shuffle(bench: &Bench) -> Result<Sample> {
    let state = bench.warm()?;
    let epoch = get_current_epoch(&state) + 100;
    measure(bench.runs, || Ok(()), |()| Ok(state.shuffling(epoch)?))
}

/// `process_epoch_warm`
pub fn process_epoch_warm(bench: &Bench) -> Result<Sample> {
    process_epoch_of(bench, || bench.warm())
}

/// `process_epoch_cold`
pub fn process_epoch_cold(bench: &Bench) -> Result<Sample> {
    process_epoch_of(bench, || bench.cold())
}

fn process_epoch_of(bench: &Bench, state: impl FnMut() -> Result<BeaconState>) -> Result<Sample> {
    measure(bench.runs, state, |mut state| {
        process_epoch(&mut state)?;
        Ok(state)
    })
}

/// `epoch_shuffle_root`
pub fn epoch_shuffle_root(bench: &Bench) -> Result<Sample> {
    measure(
        bench.runs,
        || bench.warm(),
        |mut state| {
            advance_and_shuffle(&mut state)?;
            let root = root(&state, &bench.pool);
            Ok((state, root))
        },
    )
}

/// `root_after_epoch`
pub fn root_after_epoch(bench: &Bench) -> Result<Sample> {
    let advanced = || {
        let mut state = bench.warm()?;
        advance_and_shuffle(&mut state)?;
        Ok(state)
    };
    measure(bench.runs, advanced, |state| {
        let root = root(&state, &bench.pool);
        Ok((state, root))
    })
}

fn advance_and_shuffle(state: &mut BeaconState) -> Result<()> {
    let next_slot = state.slot() + 1;
    process_slots(state, next_slot)?;
    state.shuffling(get_current_epoch(state) + 1)?;
    Ok(())
}
