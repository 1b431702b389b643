//! Mutations of deposits and exits.

use super::{Row, row};
use consensus::{Deposit, Error, VoluntaryExit};
use mutations::{Scenario, nonsense};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = deposits();
    rows.extend(exits());
    rows
}

const DEPOSIT: &str = "process_deposit";
const PROOF: &str = "assert is_valid_merkle_branch(";

fn deposit(s: &Scenario, change: impl FnOnce(&mut Deposit)) -> Result<(), Error> {
    s.transition(|block| change(&mut block.body.deposits[0]))
}

fn deposits() -> Vec<Row> {
    vec![
        row(
            DEPOSIT,
            PROOF,
            "another amount",
            "DepositProofInvalid",
            |s| deposit(s, |deposit| deposit.data.amount += 1),
        ),
        row(
            DEPOSIT,
            PROOF,
            "another signature",
            "DepositProofInvalid",
            |s| deposit(s, |deposit| deposit.data.signature[95] ^= 1),
        ),
        row(
            DEPOSIT,
            PROOF,
            "another node of the proof",
            "DepositProofInvalid",
            |s| deposit(s, |deposit| deposit.proof[7] = nonsense()),
        ),
        row(
            DEPOSIT,
            PROOF,
            "another length in the proof",
            "DepositProofInvalid",
            |s| deposit(s, |deposit| deposit.proof[32][0] ^= 1),
        ),
        row(
            DEPOSIT,
            PROOF,
            "the order of two deposits",
            "DepositProofInvalid",
            |s| s.transition(|block| block.body.deposits.swap(0, 1)),
        ),
        row(
            DEPOSIT,
            "overflow: state.balances[index] += amount",
            "a balance at its end",
            "Overflow",
            |s| {
                s.process(|state, block| {
                    // The key of the first deposit belongs to a validator already.
                    let key = block.body.deposits[0].data.pubkey;
                    let index = state.index_of_key(&key).unwrap_or_else(|| {
                        let mut validator = state.validators().get(0).unwrap();
                        validator.pubkey = key;
                        validator.activation_epoch = u64::MAX;
                        state.push_validator(&validator, 0).unwrap();
                        state.validators().len() as u64 - 1
                    });
                    state.set_balance(index as usize, u64::MAX).unwrap();
                })
            },
        ),
    ]
}

const EXIT: &str = "process_voluntary_exit";

/// Puts another exit in the place of the block's.
fn exit(s: &Scenario, change: impl FnOnce(&mut VoluntaryExit)) -> Result<(), Error> {
    s.transition(|block| {
        let mut message = block.body.voluntary_exits[0].message;
        change(&mut message);
        block.body.voluntary_exits[0] = s.sign_exit(message);
    })
}

fn exits() -> Vec<Row> {
    vec![
        row(
            EXIT,
            "assert is_active_validator(validator, get_current_epoch(state))",
            "a validator that is not active yet",
            "ExitNotActive",
            |s| exit(s, |exit| exit.validator_index = s.newcomer()),
        ),
        row(
            EXIT,
            "assert validator.exit_epoch == FAR_FUTURE_EPOCH",
            "the same exit twice",
            "ExitAlreadyInitiated",
            |s| {
                s.transition(|block| {
                    let again = block.body.voluntary_exits[0];
                    block.body.voluntary_exits.push(again).unwrap();
                })
            },
        ),
        row(
            EXIT,
            "assert validator.exit_epoch == FAR_FUTURE_EPOCH",
            "the exit of the validator slashed in the block",
            "ExitAlreadyInitiated",
            |s| {
                let slashing = &s.block.body.proposer_slashings[0];
                let slashed = slashing.signed_header_1.message.proposer_index;
                exit(s, |exit| exit.validator_index = slashed)
            },
        ),
        row(
            EXIT,
            "assert get_current_epoch(state) >= voluntary_exit.epoch",
            "an exit from the next epoch on",
            "ExitInFuture",
            |s| exit(s, |exit| exit.epoch += 1),
        ),
        row(
            EXIT,
            "assert get_current_epoch(state) >= validator.activation_epoch + SHARD_COMMITTEE_PERIOD",
            "a validator active since the last epoch",
            "ExitTooYoung",
            |s| {
                s.process(|state, block| {
                    let index = block.body.voluntary_exits[0].message.validator_index;
                    state.set_activation_epoch(index as usize, 6).unwrap();
                })
            },
        ),
        row(
            EXIT,
            "assert bls.Verify(validator.pubkey, signing_root, signed_voluntary_exit.signature)",
            "another epoch than the one signed for",
            "ExitSignatureInvalid",
            |s| s.transition(|block| block.body.voluntary_exits[0].message.epoch -= 1),
        ),
        row(
            EXIT,
            "index: state.validators[voluntary_exit.validator_index]",
            "a validator beyond the registry",
            "UnknownValidator",
            |s| exit(s, |exit| exit.validator_index = s.stranger()),
        ),
    ]
}
