//! States with numbers at the edge of 64 bits and lists that do not fit together: no chain makes
//! them, yet a file may hold them.

use super::rng::Rng;
use super::state::PlainState;
use consensus::*;

/// Numbers around which sums and products of 64 bits break.
fn extreme(rng: &mut Rng) -> u64 {
    let around = rng.pick(&[
        u64::MAX,
        u64::MAX - 250_000_000,
        u64::MAX - 1_250_000_000,
        u64::MAX / 2,
        u64::MAX / 3,
        u64::MAX / 64,
        u64::MAX / 255,
        u64::MAX / 200,
        1 << 58,
        1 << 45,
        1 << 40,
        64_000_000_000_000,
    ]);
    match rng.below(3) {
        0 => around,
        1 => around.saturating_sub(rng.below(1_000_000_000)),
        _ => around.saturating_add(rng.below(1_000_000_000)),
    }
}

/// Makes one to three of the state's numbers extreme.
pub fn strain(rng: &mut Rng, state: &mut PlainState) {
    for _ in 0..rng.range(1, 3) {
        strain_once(rng, state);
    }
}

fn strain_once(rng: &mut Rng, state: &mut PlainState) {
    let epoch = state.current_epoch();
    let index = rng.below(state.validators.len() as u64) as usize;
    match rng.below(14) {
        0 => state.validators[index].effective_balance = extreme(rng),
        1 => {
            let balance = extreme(rng) / state.validators.len() as u64;
            for validator in &mut state.validators {
                validator.effective_balance = balance;
            }
        }
        2 => {
            if let Some(balance) = state.balances.get_mut(index) {
                *balance = extreme(rng);
            }
        }
        3 => {
            let at = rng.below(state.slashings.len() as u64) as usize;
            state.slashings[at] = extreme(rng);
        }
        4 => state.finalized_checkpoint.epoch = epoch.saturating_add(rng.below(3)),
        5 => state.finalized_checkpoint.epoch = extreme(rng),
        6 => {
            leave_late(state, index, u64::MAX - rng.range(1, 3));
            let next = (index + 1) % state.validators.len();
            state.validators[next].effective_balance = 0;
        }
        7 => leave_late(state, index, u64::MAX - rng.range(200, 300)),
        // Everybody leaves at once: what remains is divided by almost nothing.
        8 => {
            for validator in &mut state.validators {
                validator.exit_epoch = validator.exit_epoch.min(epoch);
            }
            state.current_epoch_attestations.clear();
        }
        9 => {
            for attestation in &mut state.previous_epoch_attestations {
                if rng.percent(2) {
                    attestation.inclusion_delay = rng.pick(&[0, u64::MAX]);
                }
            }
        }
        10 => {
            for attestation in &mut state.previous_epoch_attestations {
                if rng.percent(2) {
                    attestation.proposer_index =
                        rng.pick(&[state.validators.len() as u64, u64::MAX]);
                }
            }
        }
        11 => {
            state.balances.pop();
        }
        12 => state.previous_justified_checkpoint.epoch = u64::MAX - rng.below(4),
        _ => state.current_justified_checkpoint.epoch = u64::MAX - rng.below(4),
    }
}

/// Committees stay what they are: attestations with more bits than their committee has members are
/// refused here, where the specification would not notice. No chain can hold them.
fn leave_late(state: &mut PlainState, index: usize, exit_epoch: Epoch) {
    if state.validators[index].exit_epoch > state.current_epoch() {
        state.validators[index].exit_epoch = exit_epoch;
    }
}

/// Every one of 64 validators attested in the previous epoch with an enormous balance, and has left
/// since: rewards are divided by one increment, and only their sum does not fit 64 bits.
pub fn rewards_beyond_64_bits(state: &mut PlainState) {
    let epoch = state.current_epoch();
    for validator in &mut state.validators {
        validator.exit_epoch = epoch;
        validator.effective_balance = 560_000_000_000_000;
    }
    state.finalized_checkpoint.epoch = state.previous_epoch();
}

/// Gwei of nobody: for states in which nobody's balance can be drawn.
pub fn without_balance(state: &mut PlainState) {
    for validator in &mut state.validators {
        validator.effective_balance = 0;
    }
}

/// Whether an epoch of a checkpoint could not be advanced by the few epochs that the rules of
/// finality add.
pub fn checkpoint_at_the_end_of_time(state: &PlainState) -> bool {
    let epochs: [Epoch; 2] = [
        state.previous_justified_checkpoint.epoch,
        state.current_justified_checkpoint.epoch,
    ];
    epochs.iter().any(|&epoch| epoch > u64::MAX - 4)
}
