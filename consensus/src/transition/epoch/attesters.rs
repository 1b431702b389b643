//! Who attested to what in the previous epoch, in one pass over its attestations.

use crate::error::Error;
use crate::helpers::*;
use crate::primitives::*;
use crate::state::BeaconState;

/// The validator is in an attestation with the right source, which every included one has.
pub(super) const SOURCE: u8 = 1;
/// The validator is in an attestation with the right target.
pub(super) const TARGET: u8 = 2;
/// The validator is in an attestation with the right target and head.
pub(super) const HEAD: u8 = 4;

/// The attesters of the previous epoch. Fuses `get_matching_source_attestations`,
/// `get_matching_target_attestations`, `get_matching_head_attestations` with the attesting indices
/// of each: a validator's flag is set exactly if one of the matching attestations has it.
pub(super) struct Attesters {
    /// Per validator the flags above, whether or not it is slashed.
    pub flags: Vec<u8>,
    /// Per validator 1 + the number of the attestation that has it with the smallest inclusion
    /// delay, the first of several; 0 without any.
    pub earliest: Vec<u32>,
    /// Inclusion delay, slots, and proposer of each attestation.
    pub inclusions: Vec<(Slot, ValidatorIndex)>,
}

impl Attesters {
    /// The attesters of the state's previous epoch.
    pub(super) fn of_previous_epoch(state: &BeaconState) -> Result<Attesters, Error> {
        let count = state.validators().len();
        let list = state.previous_epoch_attestations();
        let mut attesters = Attesters {
            flags: vec![0; count],
            earliest: vec![0; count],
            inclusions: Vec::with_capacity(list.len()),
        };
        if list.is_empty() {
            return Ok(attesters);
        }
        let epoch = get_previous_epoch(state);
        let target_root = get_block_root(state, epoch)?;
        let shuffling = state.shuffling(epoch)?;
        for (number, attestation) in (1..).zip(list.iter()) {
            let data = &attestation.data;
            let mut flags = SOURCE;
            if data.target.root == target_root {
                flags |= TARGET;
                if data.beacon_block_root == get_block_root_at_slot(state, data.slot)? {
                    flags |= HEAD;
                }
            }
            let delay = attestation.inclusion_delay;
            attesters
                .inclusions
                .push((delay, attestation.proposer_index));
            let indices = shuffling
                .attesters(data.slot, data.index, &attestation.aggregation_bits)
                .map_err(|_| Error::PendingAttestationInvalid(data.slot))?;
            for (_, validator) in indices {
                let index = validator as usize;
                attesters.flags[index] |= flags;
                let earliest = &mut attesters.earliest[index];
                if *earliest == 0 || delay < attesters.inclusions[*earliest as usize - 1].0 {
                    *earliest = number;
                }
            }
        }
        Ok(attesters)
    }
}
