//! Mutations of attestations.

use super::{Row, row};
use consensus::helpers::get_current_epoch;
use consensus::{AggregationBits, Attestation, BeaconBlock, Error, PendingAttestation};
use mutations::{Scenario, nonsense};

const FUNCTION: &str = "process_attestation";
const EPOCH: &str =
    "assert data.target.epoch in (get_previous_epoch(state), get_current_epoch(state))";
const EPOCH_OF_SLOT: &str = "assert data.target.epoch == compute_epoch_at_slot(data.slot)";
const DELAY: &str = "assert data.slot + MIN_ATTESTATION_INCLUSION_DELAY <= state.slot <= data.slot + SLOTS_PER_EPOCH";
const COMMITTEE: &str =
    "assert data.index < get_committee_count_per_slot(state, data.target.epoch)";
const BITS: &str = "assert len(attestation.aggregation_bits) == len(committee)";
const VALID: &str =
    "assert is_valid_indexed_attestation(state, get_indexed_attestation(state, attestation))";

/// Place of the block's first attestation to the current epoch, or of the previous one.
fn place(s: &Scenario, block: &BeaconBlock, current: bool) -> usize {
    let epoch = get_current_epoch(&s.at_slot);
    let found = block
        .body
        .attestations
        .iter()
        .position(|it| (it.data.target.epoch == epoch) == current);
    found.expect("the block has attestations to both epochs")
}

/// Changes an attestation of the current or the previous epoch, and has its attesters sign again.
fn change(s: &Scenario, current: bool, change: impl FnOnce(&mut Attestation)) -> Result<(), Error> {
    s.transition(|block| {
        let at = place(s, block, current);
        let attestation = &mut block.body.attestations[at];
        change(attestation);
        s.sign_attestation(attestation);
    })
}

fn with_bits(attestation: &mut Attestation, length: usize) {
    let mut bits = AggregationBits::with_capacity(length).unwrap();
    bits.set(0, true).unwrap();
    attestation.aggregation_bits = bits;
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = time_rows();
    rows.extend(committee_rows());
    rows.extend(vote_rows());
    rows
}

fn time_rows() -> Vec<Row> {
    vec![
        row(
            FUNCTION,
            EPOCH,
            "a target two epochs back",
            "TargetEpochOutOfRange",
            |s| {
                change(s, false, |attestation| {
                    attestation.data.slot -= 8;
                    attestation.data.target.epoch -= 1;
                })
            },
        ),
        row(
            FUNCTION,
            EPOCH,
            "a target in the next epoch",
            "TargetEpochOutOfRange",
            |s| change(s, true, |attestation| attestation.data.target.epoch += 1),
        ),
        row(
            FUNCTION,
            EPOCH,
            "a target at the end of time",
            "TargetEpochOutOfRange",
            |s| {
                change(s, true, |attestation| {
                    attestation.data.target.epoch = u64::MAX;
                })
            },
        ),
        row(
            FUNCTION,
            EPOCH_OF_SLOT,
            "a target of the previous epoch, a slot of this one",
            "TargetEpochSlotMismatch",
            |s| change(s, true, |attestation| attestation.data.target.epoch -= 1),
        ),
        row(
            FUNCTION,
            EPOCH_OF_SLOT,
            "a slot of the previous epoch, a target of this one",
            "TargetEpochSlotMismatch",
            |s| change(s, false, |attestation| attestation.data.target.epoch += 1),
        ),
        row(
            FUNCTION,
            DELAY,
            "a vote of the block's own slot",
            "AttestationTooEarly",
            |s| change(s, true, |attestation| attestation.data.slot = s.block.slot),
        ),
        row(
            FUNCTION,
            DELAY,
            "a vote more than an epoch old",
            "AttestationTooOld",
            |s| {
                change(s, false, |attestation| {
                    attestation.data.slot = s.block.slot - 9;
                })
            },
        ),
    ]
}

fn committee_rows() -> Vec<Row> {
    vec![
        row(
            FUNCTION,
            COMMITTEE,
            "a committee too far",
            "CommitteeIndexOutOfRange",
            |s| change(s, true, |attestation| attestation.data.index = 2),
        ),
        row(
            FUNCTION,
            COMMITTEE,
            "the last committee of all",
            "CommitteeIndexOutOfRange",
            |s| change(s, true, |attestation| attestation.data.index = u64::MAX),
        ),
        row(
            FUNCTION,
            BITS,
            "a bit more than members",
            "AggregationBitsLengthMismatch",
            |s| {
                change(s, true, |attestation| {
                    with_bits(attestation, attestation.aggregation_bits.len() + 1);
                })
            },
        ),
        row(
            FUNCTION,
            BITS,
            "a bit less than members",
            "AggregationBitsLengthMismatch",
            |s| {
                change(s, false, |attestation| {
                    with_bits(attestation, attestation.aggregation_bits.len() - 1);
                })
            },
        ),
        row(FUNCTION, VALID, "no bit is set", "AttestationEmpty", |s| {
            change(s, true, |attestation| {
                let length = attestation.aggregation_bits.len();
                attestation.aggregation_bits = AggregationBits::with_capacity(length).unwrap();
            })
        }),
        row(
            FUNCTION,
            VALID,
            "a bit more is set than validators signed",
            "AttestationSignatureInvalid",
            |s| {
                s.transition(|block| {
                    let at = place(s, block, true);
                    let attestation = &mut block.body.attestations[at];
                    let bits = &mut attestation.aggregation_bits;
                    let clear = (0..bits.len()).find(|&bit| bits.get(bit) == Ok(false));
                    match clear {
                        Some(bit) => bits.set(bit, true).unwrap(),
                        None => bits.set(0, false).unwrap(),
                    }
                })
            },
        ),
        row(
            FUNCTION,
            VALID,
            "another head than the one signed for",
            "AttestationSignatureInvalid",
            |s| {
                s.transition(|block| {
                    let at = place(s, block, false);
                    block.body.attestations[at].data.beacon_block_root = nonsense();
                })
            },
        ),
    ]
}

fn vote_rows() -> Vec<Row> {
    vec![
        row(
            FUNCTION,
            "assert data.source == state.current_justified_checkpoint",
            "another source root",
            "SourceCheckpointMismatch",
            |s| {
                change(s, true, |attestation| {
                    attestation.data.source.root = nonsense();
                })
            },
        ),
        row(
            FUNCTION,
            "assert data.source == state.current_justified_checkpoint",
            "another source epoch",
            "SourceCheckpointMismatch",
            |s| change(s, true, |attestation| attestation.data.source.epoch += 1),
        ),
        row(
            FUNCTION,
            "assert data.source == state.previous_justified_checkpoint",
            "the source of the current epoch in a vote of the previous one",
            "SourceCheckpointMismatch",
            |s| {
                change(s, false, |attestation| {
                    attestation.data.source = s.at_slot.current_justified_checkpoint();
                })
            },
        ),
        row(
            FUNCTION,
            "limit: current_epoch_attestations",
            "the list is full",
            "ListFull(\"current_epoch_attestations\")",
            |s| fill(s, true),
        ),
        row(
            FUNCTION,
            "limit: previous_epoch_attestations",
            "the list is full",
            "ListFull(\"previous_epoch_attestations\")",
            |s| fill(s, false),
        ),
    ]
}

/// The block on a state whose list of attestations of the epoch is full.
fn fill(s: &Scenario, current: bool) -> Result<(), Error> {
    s.process(|state, block| {
        let attestation = &block.body.attestations[place(s, block, current)];
        let pending = PendingAttestation {
            aggregation_bits: attestation.aggregation_bits.clone(),
            data: attestation.data,
            inclusion_delay: 1,
            proposer_index: 0,
        };
        while state
            .push_pending_attestation(pending.clone(), current)
            .is_ok()
        {}
    })
}
