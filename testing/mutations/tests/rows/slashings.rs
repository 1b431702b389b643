//! Mutations of slashings.

use super::{Row, row};
use consensus::{AttesterSlashing, Error, ProposerSlashing, ValidatorIndex};
use mutations::{Scenario, nonsense};

/// Changes the block's proposer slashing and signs both headers again.
fn proposer(s: &Scenario, change: impl FnOnce(&mut ProposerSlashing)) -> Result<(), Error> {
    s.transition(|block| {
        let slashing = &mut block.body.proposer_slashings[0];
        change(slashing);
        s.sign_proposer_slashing(slashing);
    })
}

/// Changes the block's attester slashing and signs both attestations again.
fn attester(s: &Scenario, change: impl FnOnce(&mut AttesterSlashing)) -> Result<(), Error> {
    s.transition(|block| {
        let slashing = &mut block.body.attester_slashings[0];
        change(slashing);
        s.sign_indexed(&mut slashing.attestation_1);
        s.sign_indexed(&mut slashing.attestation_2);
    })
}

fn set_proposer(slashing: &mut ProposerSlashing, index: ValidatorIndex) {
    slashing.signed_header_1.message.proposer_index = index;
    slashing.signed_header_2.message.proposer_index = index;
}

fn set_indices(slashing: &mut AttesterSlashing, first: &[u64], second: &[u64]) {
    slashing.attestation_1.attesting_indices = first.to_vec().try_into().unwrap();
    slashing.attestation_2.attesting_indices = second.to_vec().try_into().unwrap();
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = proposer_rows();
    rows.extend(attester_rows());
    rows.extend(index_rows());
    rows
}

const PROPOSER: &str = "process_proposer_slashing";
const SLASHABLE: &str = "assert is_slashable_validator(proposer, get_current_epoch(state))";
const HEADER_SIGNED: &str =
    "assert bls.Verify(proposer.pubkey, signing_root, signed_header.signature)";

fn proposer_rows() -> Vec<Row> {
    vec![
        row(
            PROPOSER,
            "assert header_1.slot == header_2.slot",
            "the second header is of another slot",
            "ProposerSlashingSlotsDiffer",
            |s| proposer(s, |slashing| slashing.signed_header_2.message.slot += 1),
        ),
        row(
            PROPOSER,
            "assert header_1.proposer_index == header_2.proposer_index",
            "the second header is by another validator",
            "ProposerSlashingProposersDiffer",
            |s| {
                proposer(s, |slashing| {
                    slashing.signed_header_2.message.proposer_index = s.bystander();
                })
            },
        ),
        row(
            PROPOSER,
            "assert header_1 != header_2",
            "twice the same header",
            "ProposerSlashingHeadersEqual",
            |s| {
                proposer(s, |slashing| {
                    slashing.signed_header_2 = slashing.signed_header_1;
                })
            },
        ),
        row(
            PROPOSER,
            SLASHABLE,
            "a validator that is not active yet",
            "ProposerNotSlashable",
            |s| proposer(s, |slashing| set_proposer(slashing, s.newcomer())),
        ),
        row(
            PROPOSER,
            SLASHABLE,
            "the same slashing twice",
            "ProposerNotSlashable",
            |s| {
                s.transition(|block| {
                    let again = block.body.proposer_slashings[0];
                    block.body.proposer_slashings.push(again).unwrap();
                })
            },
        ),
        row(
            PROPOSER,
            SLASHABLE,
            "a validator that could have withdrawn",
            "ProposerNotSlashable",
            |s| {
                s.process(|state, block| {
                    let slashing = &block.body.proposer_slashings[0];
                    let index = slashing.signed_header_1.message.proposer_index as usize;
                    state.set_withdrawable_epoch(index, 1).unwrap();
                })
            },
        ),
        row(
            PROPOSER,
            "index: state.validators[header_1.proposer_index]",
            "a validator beyond the registry",
            "UnknownValidator",
            |s| proposer(s, |slashing| set_proposer(slashing, s.stranger())),
        ),
        row(
            PROPOSER,
            HEADER_SIGNED,
            "the first header is signed by another",
            "ProposerSlashingSignatureInvalid(1)",
            |s| {
                s.transition(|block| {
                    let header = &mut block.body.proposer_slashings[0].signed_header_1;
                    *header = s.sign_header(header.message, Some(s.bystander()));
                })
            },
        ),
        row(
            PROPOSER,
            HEADER_SIGNED,
            "the second header is signed by another",
            "ProposerSlashingSignatureInvalid(2)",
            |s| {
                s.transition(|block| {
                    let header = &mut block.body.proposer_slashings[0].signed_header_2;
                    *header = s.sign_header(header.message, Some(s.bystander()));
                })
            },
        ),
    ]
}

const ATTESTER: &str = "process_attester_slashing";
const SLASHABLE_DATA: &str =
    "assert is_slashable_attestation_data(attestation_1.data, attestation_2.data)";
const FIRST_VALID: &str = "assert is_valid_indexed_attestation(state, attestation_1)";
const SECOND_VALID: &str = "assert is_valid_indexed_attestation(state, attestation_2)";

fn attester_rows() -> Vec<Row> {
    vec![
        row(
            ATTESTER,
            SLASHABLE_DATA,
            "twice the same vote",
            "AttestationsNotSlashable",
            |s| {
                attester(s, |slashing| {
                    slashing.attestation_2.data = slashing.attestation_1.data;
                })
            },
        ),
        row(
            ATTESTER,
            SLASHABLE_DATA,
            "votes for different epochs",
            "AttestationsNotSlashable",
            |s| attester(s, |slashing| slashing.attestation_2.data.target.epoch += 1),
        ),
        row(
            ATTESTER,
            FIRST_VALID,
            "the first vote is signed by another",
            "AttestationSignatureInvalid",
            |s| {
                s.transition(|block| {
                    let slashing = &mut block.body.attester_slashings[0];
                    let data = &slashing.attestation_1.data;
                    let by = [s.bystander()];
                    let signed = s.maker.sign_attestation(&s.at_slot, data, &by);
                    slashing.attestation_1.signature = signed.unwrap();
                })
            },
        ),
        row(
            ATTESTER,
            SECOND_VALID,
            "the second vote has the first one's signature",
            "AttestationSignatureInvalid",
            |s| {
                s.transition(|block| {
                    let slashing = &mut block.body.attester_slashings[0];
                    slashing.attestation_2.signature = slashing.attestation_1.signature;
                })
            },
        ),
        row(
            ATTESTER,
            "assert slashed_any",
            "nobody is in both votes",
            "NobodySlashed",
            |s| {
                attester(s, |slashing| {
                    set_indices(slashing, &s.bystanders[0..2], &s.bystanders[2..4]);
                })
            },
        ),
        row(
            ATTESTER,
            "assert slashed_any",
            "the same slashing twice",
            "NobodySlashed",
            |s| {
                s.transition(|block| {
                    let again = block.body.attester_slashings[0].clone();
                    block.body.attester_slashings.push(again).unwrap();
                })
            },
        ),
        row(
            ATTESTER,
            "assert slashed_any",
            "votes by a validator that is not active yet",
            "NobodySlashed",
            |s| {
                attester(s, |slashing| {
                    set_indices(slashing, &[s.newcomer()], &[s.newcomer()]);
                })
            },
        ),
    ]
}

/// `is_valid_indexed_attestation` beyond the signature.
fn index_rows() -> Vec<Row> {
    vec![
        row(
            ATTESTER,
            FIRST_VALID,
            "the first vote is by nobody",
            "AttestationEmpty",
            |s| {
                attester(s, |it| {
                    it.attestation_1.attesting_indices = Default::default();
                })
            },
        ),
        row(
            ATTESTER,
            SECOND_VALID,
            "the second vote is by nobody",
            "AttestationEmpty",
            |s| {
                attester(s, |it| {
                    it.attestation_2.attesting_indices = Default::default();
                })
            },
        ),
        row(
            ATTESTER,
            FIRST_VALID,
            "the first vote's indices descend",
            "AttestingIndicesUnsorted",
            |s| attester(s, |it| it.attestation_1.attesting_indices.reverse()),
        ),
        row(
            ATTESTER,
            SECOND_VALID,
            "the second vote names a validator twice",
            "AttestingIndicesUnsorted",
            |s| {
                attester(s, |slashing| {
                    let indices = &mut slashing.attestation_2.attesting_indices;
                    indices[1] = indices[0];
                })
            },
        ),
        row(
            ATTESTER,
            "index: state.validators[i].pubkey",
            "the second vote names a validator beyond the registry",
            "UnknownValidator",
            |s| {
                attester(s, |slashing| {
                    let indices = &mut slashing.attestation_2.attesting_indices;
                    indices[1] = s.stranger();
                })
            },
        ),
        row(
            ATTESTER,
            FIRST_VALID,
            "a fork version that the chain does not have",
            "AttestationSignatureInvalid",
            |s| {
                s.process(|state, block| {
                    block.body.proposer_slashings = Default::default();
                    let mut fork = *state.fork();
                    fork.previous_version = [9; 4].into();
                    fork.epoch = 7;
                    state.set_fork(fork);
                    // Votes of the epoch before, which the state's new fork has no part in.
                    let slashing = &mut block.body.attester_slashings[0];
                    for it in [&mut slashing.attestation_1, &mut slashing.attestation_2] {
                        it.data.target.epoch = 6;
                        it.data.target.root = nonsense();
                        s.sign_indexed(it);
                    }
                })
            },
        ),
    ]
}
