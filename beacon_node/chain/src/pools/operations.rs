//! [`OperationPool`]: slashings and exits.

use crate::gossip::Verified;
use consensus::helpers::{get_current_epoch, is_slashable_validator};
use consensus::{
    AttesterSlashing, BeaconState, FAR_FUTURE_EPOCH, ProposerSlashing, SignedVoluntaryExit,
    ValidatorIndex,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most operations of each kind: what 64 blocks can take, or more.
const MAX_PROPOSER_SLASHINGS: usize = 1024;
const MAX_ATTESTER_SLASHINGS: usize = 128;
const MAX_VOLUNTARY_EXITS: usize = 4096;

/// Verified slashings and exits that no finalized block has made pointless yet. When a kind is full,
/// what is in stays and newcomers are left out. A clone shares the operations.
#[derive(Clone, Debug, Default)]
pub struct OperationPool {
    proposer_slashings: BTreeMap<ValidatorIndex, Arc<ProposerSlashing>>,
    attester_slashings: Vec<Arc<AttesterSlashing>>,
    voluntary_exits: BTreeMap<ValidatorIndex, Arc<SignedVoluntaryExit>>,
}

/// Operations in the order in which a block should try them.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    /// Of proposers that can still be slashed, large balances first.
    pub proposer_slashings: Vec<Arc<ProposerSlashing>>,
    /// Those that slash the most balance first.
    pub attester_slashings: Vec<Arc<AttesterSlashing>>,
    /// Those that came with the lowest validator index first.
    pub voluntary_exits: Vec<Arc<SignedVoluntaryExit>>,
}

impl OperationPool {
    /// Adds a proposer slashing.
    pub fn add_proposer_slashing(&mut self, slashing: &Verified<Arc<ProposerSlashing>>) {
        if self.proposer_slashings.len() < MAX_PROPOSER_SLASHINGS {
            let index = slashing.signed_header_1.message.proposer_index;
            self.proposer_slashings.insert(index, Arc::clone(slashing));
        }
    }

    /// Adds an attester slashing.
    pub fn add_attester_slashing(&mut self, slashing: &Verified<Arc<AttesterSlashing>>) {
        if self.attester_slashings.len() < MAX_ATTESTER_SLASHINGS {
            self.attester_slashings.push(Arc::clone(slashing));
        }
    }

    /// Adds an exit.
    pub fn add_voluntary_exit(&mut self, exit: &Verified<Arc<SignedVoluntaryExit>>) {
        if self.voluntary_exits.len() < MAX_VOLUNTARY_EXITS {
            let index = exit.message.validator_index;
            self.voluntary_exits.insert(index, Arc::clone(exit));
        }
    }

    /// What may be of use in a block on this state. Not all of it will be: one slashing can make
    /// another or an exit pointless.
    pub fn candidates(&self, state: &BeaconState) -> Operations {
        let mut proposer_slashings: Vec<_> = self
            .proposer_slashings
            .iter()
            .map(|(&index, slashing)| (slashable_balance(state, index), slashing))
            .filter(|(balance, _)| *balance > 0)
            .collect();
        proposer_slashings.sort_by_key(|(balance, _)| Reverse(*balance));
        let mut attester_slashings: Vec<_> = self
            .attester_slashings
            .iter()
            .map(|slashing| (slashed_balance(state, slashing), slashing))
            .filter(|(balance, _)| *balance > 0)
            .collect();
        attester_slashings.sort_by_key(|(balance, _)| Reverse(*balance));
        let exits = self.voluntary_exits.iter();
        Operations {
            proposer_slashings: second(proposer_slashings),
            attester_slashings: second(attester_slashings),
            voluntary_exits: exits
                .filter(|(index, _)| is_staying(state, **index))
                .map(|(_, exit)| Arc::clone(exit))
                .collect(),
        }
    }

    /// Drops what no block can use any more on top of the finalized state.
    pub fn prune(&mut self, finalized: &BeaconState) {
        self.proposer_slashings
            .retain(|&index, _| slashable_balance(finalized, index) > 0);
        self.attester_slashings
            .retain(|slashing| slashed_balance(finalized, slashing) > 0);
        self.voluntary_exits
            .retain(|&index, _| is_staying(finalized, index));
    }

    /// Operations of all kinds.
    pub fn len(&self) -> usize {
        self.proposer_slashings.len() + self.attester_slashings.len() + self.voluntary_exits.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn second<T: Clone>(pairs: Vec<(u64, &Arc<T>)>) -> Vec<Arc<T>> {
    pairs
        .into_iter()
        .map(|(_, item)| Arc::clone(item))
        .collect()
}

/// The effective balance of a validator that can be slashed, in whole Gwei; 0 if it cannot.
fn slashable_balance(state: &BeaconState, index: ValidatorIndex) -> u64 {
    match state.validators().get(index as usize) {
        Some(validator) if is_slashable_validator(&validator, get_current_epoch(state)) => {
            validator.effective_balance.max(1)
        }
        _ => 0,
    }
}

/// What an attester slashing slashes, Gwei. Both lists are sorted: it was verified.
fn slashed_balance(state: &BeaconState, slashing: &AttesterSlashing) -> u64 {
    let others = &slashing.attestation_2.attesting_indices;
    let both = slashing.attestation_1.attesting_indices.iter();
    both.filter(|index| others.binary_search(index).is_ok())
        .map(|&index| slashable_balance(state, index))
        .fold(0, u64::saturating_add)
}

/// Whether the validator has not asked to leave. One that the state does not know yet may come.
fn is_staying(state: &BeaconState, index: ValidatorIndex) -> bool {
    let exit_epoch = state.validators().exit_epoch(index as usize);
    exit_epoch.is_none_or(|epoch| epoch == FAR_FUTURE_EPOCH)
}
