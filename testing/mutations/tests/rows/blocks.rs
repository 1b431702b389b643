//! Mutations of the block itself.

use super::{Row, row};
use consensus::helpers::{compute_shuffled_index, compute_start_slot_at_epoch};
use consensus::transition::{SignatureMode, Signatures, process_block};
use consensus::{BLSSignature, Bls, FAR_FUTURE_EPOCH, Pool};
use mutations::nonsense;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = envelopes();
    rows.extend(headers());
    rows.extend(bodies());
    rows
}

/// `state_transition` around `process_block`.
fn envelopes() -> Vec<Row> {
    vec![
        row(
            "process_slots",
            "assert state.slot < slot",
            "slot of the parent",
            "SlotNotAdvanced",
            |s| s.transition(|block| block.slot = s.parent.slot()),
        ),
        row(
            "process_slots",
            "assert state.slot < slot",
            "slot before the parent",
            "SlotNotAdvanced",
            |s| s.transition(|block| block.slot = 1),
        ),
        row(
            "state_transition",
            "assert verify_block_signature(state, signed_block)",
            "signature of another block",
            "ProposerSignatureInvalid",
            |s| {
                let mut other = s.block.clone();
                other.body.graffiti = nonsense();
                let signature = s.sign(other).signature;
                s.transition_signed(|signed| signed.signature = signature)
            },
        ),
        row(
            "state_transition",
            "assert verify_block_signature(state, signed_block)",
            "signature that is no point",
            "ProposerSignatureInvalid",
            |s| s.transition_signed(|signed| signed.signature = BLSSignature::ZERO),
        ),
        row(
            "state_transition",
            "assert verify_block_signature(state, signed_block)",
            "signature at infinity",
            "ProposerSignatureInvalid",
            |s| {
                s.transition_signed(|signed| {
                    signed.signature = BLSSignature::ZERO;
                    signed.signature[0] = 0xc0;
                })
            },
        ),
        row(
            "verify_block_signature",
            "index: state.validators[block.proposer_index]",
            "proposer beyond the registry",
            "UnknownValidator",
            |s| s.transition(|block| block.proposer_index = s.stranger()),
        ),
        row(
            "state_transition",
            "assert block.state_root == hash_tree_root(state)",
            "another state root",
            "StateRootMismatch",
            |s| s.transition(|block| block.state_root = nonsense()),
        ),
        row(
            "state_transition",
            "assert block.state_root == hash_tree_root(state)",
            "one operation less",
            "StateRootMismatch",
            |s| s.transition(|block| block.body.voluntary_exits = Default::default()),
        ),
    ]
}

/// `process_block_header`.
fn headers() -> Vec<Row> {
    vec![
        row(
            "process_block_header",
            "assert block.slot == state.slot",
            "the state is a slot behind",
            "HeaderSlotMismatch",
            |s| s.process(|state, block| *state = s.state_at(block.slot - 1)),
        ),
        row(
            "process_block_header",
            "assert block.slot == state.slot",
            "the state is a slot ahead",
            "HeaderSlotMismatch",
            |s| s.process(|state, block| *state = s.state_at(block.slot + 1)),
        ),
        row(
            "process_block_header",
            "assert block.slot > state.latest_block_header.slot",
            "a second block in the slot",
            "HeaderNotNewer",
            |s| {
                s.process(|state, block| {
                    let bls = Bls::new(Pool::new(1), [1; 32]);
                    let signatures = &mut Signatures::new(SignatureMode::Skip, &bls);
                    process_block(state, block, signatures).unwrap();
                })
            },
        ),
        row(
            "process_block_header",
            "assert block.proposer_index == get_beacon_proposer_index(state)",
            "another proposer, who signs",
            "ProposerIndexMismatch",
            |s| s.transition(|block| block.proposer_index = s.bystander()),
        ),
        row(
            "process_block_header",
            "assert block.parent_root == hash_tree_root(state.latest_block_header)",
            "another parent",
            "ParentRootMismatch",
            |s| s.transition(|block| block.parent_root = nonsense()),
        ),
        row(
            "process_block_header",
            "assert not proposer.slashed",
            "the proposer is slashed",
            "ProposerSlashed",
            |s| {
                s.process(|state, block| {
                    let proposer = block.proposer_index as usize;
                    state.set_slashed(proposer, true).unwrap();
                })
            },
        ),
    ]
}

fn bodies() -> Vec<Row> {
    vec![
        row(
            "compute_proposer_index",
            "assert len(indices) > 0",
            "everybody has left",
            "NoActiveValidators",
            |s| {
                s.process(|state, _| {
                    for index in 0..state.validators().len() {
                        state.set_exit_epoch(index, 1).unwrap();
                    }
                })
            },
        ),
        row(
            "compute_shuffled_index",
            "assert index < index_count",
            "the index is the count",
            "ShuffledIndexOutOfRange",
            |s| compute_shuffled_index(9, 9, &nonsense(), s.at_slot.spec()).map(drop),
        ),
        row(
            "compute_start_slot_at_epoch",
            "overflow: epoch * SLOTS_PER_EPOCH",
            "the last epoch of all",
            "Overflow",
            |s| compute_start_slot_at_epoch(FAR_FUTURE_EPOCH, s.at_slot.spec()).map(drop),
        ),
        row(
            "process_randao",
            "assert bls.Verify(proposer.pubkey, signing_root, body.randao_reveal)",
            "reveal of the next epoch",
            "RandaoRevealInvalid",
            |s| {
                s.transition(|block| {
                    let signed = s.maker.sign_randao(&s.at_slot, 8, block.proposer_index);
                    block.body.randao_reveal = signed.unwrap();
                })
            },
        ),
        row(
            "process_randao",
            "assert bls.Verify(proposer.pubkey, signing_root, body.randao_reveal)",
            "reveal of another validator",
            "RandaoRevealInvalid",
            |s| {
                s.transition(|block| {
                    let signed = s.maker.sign_randao(&s.at_slot, 7, s.bystander());
                    block.body.randao_reveal = signed.unwrap();
                })
            },
        ),
        row(
            "process_eth1_data",
            "limit: eth1_data_votes",
            "the list of votes is full",
            "ListFull(\"eth1_data_votes\")",
            |s| {
                s.process(|state, block| {
                    let mut pushed = Ok(());
                    while pushed.is_ok() {
                        pushed = state.push_eth1_data_vote(block.body.eth1_data);
                    }
                })
            },
        ),
        row(
            "process_operations",
            "assert len(body.deposits) == min(",
            "a deposit less",
            "DepositCountMismatch",
            |s| {
                s.transition(|block| {
                    let mut deposits = block.body.deposits.to_vec();
                    deposits.pop();
                    block.body.deposits = deposits.try_into().unwrap();
                })
            },
        ),
        row(
            "process_operations",
            "assert len(body.deposits) == min(",
            "a deposit more",
            "DepositCountMismatch",
            |s| {
                s.transition(|block| {
                    let first = block.body.deposits[0].clone();
                    block.body.deposits.push(first).unwrap();
                })
            },
        ),
        row(
            "process_operations",
            "overflow: state.eth1_data.deposit_count - state.eth1_deposit_index",
            "more deposits processed than there are",
            "DepositIndexAhead",
            |s| s.process(|state, _| state.set_eth1_deposit_index(1_000_000)),
        ),
    ]
}
