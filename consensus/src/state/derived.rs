//! What a state's fields imply, computed when first needed and kept. Every kept value is a pure
//! function of fields; the setter of a field forgets, in the same function, what it feeds.

use super::active::ActiveSet;
use super::participation::EpochParticipation;
use super::shuffling::Shuffling;
use super::{BeaconState, PendingAttestations};
use crate::bls::PubkeyId;
use crate::containers::PendingAttestation;
use crate::error::Error;
use crate::helpers::*;
use crate::primitives::*;
use crate::state::key_index::KeyIndex;
use std::sync::{Arc, OnceLock};

/// The end of the exit queue: the latest exit epoch and how many leave in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitQueue {
    /// Latest exit epoch of any validator, 0 if nobody leaves.
    pub epoch: Epoch,
    /// Validators that leave in it.
    pub churn: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Derived {
    /// Of the previous, the current and the next epoch.
    shufflings: [OnceLock<Arc<Shuffling>>; 3],
    /// Of each slot of the current epoch, computed when first asked for.
    proposers: OnceLock<Arc<Vec<OnceLock<ValidatorIndex>>>>,
    active: OnceLock<Arc<ActiveSet>>,
    exit_queue: OnceLock<ExitQueue>,
    previous_participation: OnceLock<EpochParticipation>,
    current_participation: OnceLock<EpochParticipation>,
    key_index: OnceLock<KeyIndex>,
}

impl Derived {
    /// The epoch advanced by one.
    pub(super) fn rotate_epoch(&mut self) {
        self.shufflings.rotate_left(1);
        self.shufflings[2] = OnceLock::new();
        self.proposers = OnceLock::new();
        self.active = OnceLock::new();
    }

    /// The epoch changed in another way.
    pub(super) fn forget_epochs(&mut self) {
        self.shufflings = Default::default();
        self.proposers = OnceLock::new();
        self.active = OnceLock::new();
        self.forget_participation();
    }

    /// The lists of pending attestations, the blocks they refer to or the checkpoints changed.
    pub(super) fn forget_participation(&mut self) {
        self.previous_participation = OnceLock::new();
        self.current_participation = OnceLock::new();
    }

    /// The current epoch's attestations became the previous one's; balances may have changed.
    pub(super) fn rotate_participation(&mut self, slots_per_epoch: u64) {
        self.previous_participation = std::mem::take(&mut self.current_participation);
        if let Some(participation) = self.previous_participation.get_mut() {
            participation.forget_balance();
            let epoch = participation.epoch().saturating_add(1);
            let empty = EpochParticipation::new(epoch, slots_per_epoch);
            self.current_participation = OnceLock::from(empty);
        }
    }

    /// The set of active validators may have changed from `epoch` on.
    pub(super) fn forget_active_from(&mut self, epoch: Epoch, current: Epoch) {
        for (shuffling, of) in self.shufflings.iter_mut().zip(around(current)) {
            if of >= epoch {
                *shuffling = OnceLock::new();
            }
        }
        if current >= epoch {
            self.proposers = OnceLock::new();
            self.active = OnceLock::new();
        }
        self.forget_participation_if(|of| of >= epoch);
    }

    /// Participation is by position in the committees, which changed for these epochs.
    fn forget_participation_if(&mut self, changed: impl Fn(Epoch) -> bool) {
        for kept in [
            &mut self.previous_participation,
            &mut self.current_participation,
        ] {
            if kept.get().is_some_and(|kept| changed(kept.epoch())) {
                *kept = OnceLock::new();
            }
        }
    }

    /// The seed of `epoch` changed.
    pub(super) fn forget_seed(&mut self, epoch: Epoch, current: Epoch) {
        for (shuffling, of) in self.shufflings.iter_mut().zip(around(current)) {
            if of == epoch {
                *shuffling = OnceLock::new();
            }
        }
        if current == epoch {
            self.proposers = OnceLock::new();
        }
        self.forget_participation_if(|of| of == epoch);
    }

    /// An effective balance changed.
    pub(super) fn forget_balances(&mut self) {
        self.proposers = OnceLock::new();
        self.active = OnceLock::new();
        self.forget_target_balances();
    }

    /// A validator was slashed or its balance changed.
    pub(super) fn forget_target_balances(&mut self) {
        for participation in [
            &mut self.previous_participation,
            &mut self.current_participation,
        ] {
            if let Some(participation) = participation.get_mut() {
                participation.forget_balance();
            }
        }
    }

    pub(super) fn forget_exit_queue(&mut self) {
        self.exit_queue = OnceLock::new();
    }

    /// A validator without an exit epoch got one.
    pub(super) fn push_exit(&mut self, epoch: Epoch) {
        if let Some(queue) = self.exit_queue.get_mut() {
            if epoch > queue.epoch {
                *queue = ExitQueue { epoch, churn: 1 };
            } else if epoch == queue.epoch {
                queue.churn += 1;
            }
        }
    }

    pub(super) fn push_key(&mut self, key: PubkeyId, index: usize) {
        if let Some(keys) = self.key_index.get_mut() {
            keys.push(key, index as u32);
        }
    }
}

/// The epochs of the three kept shufflings. At genesis nothing is kept for a previous epoch, which
/// equals the current one: `u64::MAX` stands for it.
fn around(current: Epoch) -> [Epoch; 3] {
    [current.wrapping_sub(1), current, current.saturating_add(1)]
}

impl BeaconState {
    /// The committees of `epoch`; kept for the previous, the current and the next one.
    pub fn shuffling(&self, epoch: Epoch) -> Result<Arc<Shuffling>, Error> {
        let current = get_current_epoch(self);
        let compute = || {
            let seed = get_seed(self, epoch, DOMAIN_BEACON_ATTESTER);
            Arc::new(Shuffling::new(epoch, &seed.0, &self.validators, &self.spec))
        };
        let kept = around(current).iter().position(|&kept| kept == epoch);
        let shuffling = match kept {
            Some(at) => self.derived.shufflings[at].get_or_init(compute).clone(),
            None => compute(),
        };
        debug_assert!(shuffling.epoch() == epoch);
        Ok(shuffling)
    }

    /// `get_beacon_proposer_index` of any slot of the current epoch, by its place in the epoch.
    pub(crate) fn proposer(&self, slot_index: u64) -> Result<ValidatorIndex, Error> {
        let slots = self.derived.proposers.get_or_init(|| {
            let slots = self.spec.SLOTS_PER_EPOCH as usize;
            Arc::new(vec![OnceLock::new(); slots])
        });
        let slot = &slots[slot_index as usize];
        if let Some(&proposer) = slot.get() {
            return Ok(proposer);
        }
        let proposer = self.compute_proposer(slot_index)?;
        Ok(*slot.get_or_init(|| proposer))
    }

    fn compute_proposer(&self, slot_index: u64) -> Result<ValidatorIndex, Error> {
        let epoch = get_current_epoch(self);
        let slot = compute_start_slot_at_epoch(epoch, &self.spec)?
            .checked_add(slot_index)
            .ok_or_else(Error::overflow)?;
        let mut preimage = [0; 40];
        let seed = get_seed(self, epoch, DOMAIN_BEACON_PROPOSER);
        preimage[..32].copy_from_slice(seed.as_slice());
        preimage[32..].copy_from_slice(&slot.to_le_bytes());
        compute_proposer_index(self, self.active_set(), &hash(&preimage))
    }

    /// The validators active in the current epoch.
    pub(crate) fn active_set(&self) -> &ActiveSet {
        self.derived.active.get_or_init(|| {
            let epoch = get_current_epoch(self);
            Arc::new(ActiveSet::new(&self.validators, epoch))
        })
    }

    /// The end of the exit queue.
    pub(crate) fn exit_queue(&self) -> ExitQueue {
        *self.derived.exit_queue.get_or_init(|| {
            let mut queue = ExitQueue { epoch: 0, churn: 0 };
            for chunk in self.validators.chunks() {
                for &exit in chunk.exit_epoch() {
                    if exit == FAR_FUTURE_EPOCH || exit < queue.epoch {
                        continue;
                    }
                    if exit > queue.epoch {
                        queue = ExitQueue {
                            epoch: exit,
                            churn: 0,
                        };
                    }
                    queue.churn += 1;
                }
            }
            queue
        })
    }

    /// The index of the validator with this key, in this state's history.
    pub fn index_of_key(&self, key: &BLSPubkey) -> Option<ValidatorIndex> {
        let key = PubkeyId::get(key)?;
        let keys = &self.derived.key_index;
        keys.get_or_init(|| KeyIndex::new(self.validators.pubkeys()))
            .get(key)
    }

    /// Effective balance of the unslashed validators that attested to the previous and to the
    /// current epoch's target, Gwei, without the floor of one increment.
    pub(crate) fn target_balances(&self) -> Result<(Gwei, Gwei), Error> {
        let current = get_current_epoch(self);
        let previous = get_previous_epoch(self);
        Ok((
            self.target_balance(
                &self.derived.previous_participation,
                previous,
                &self.previous_epoch_attestations,
            )?,
            self.target_balance(
                &self.derived.current_participation,
                current,
                &self.current_epoch_attestations,
            )?,
        ))
    }

    fn target_balance(
        &self,
        kept: &OnceLock<EpochParticipation>,
        epoch: Epoch,
        attestations: &PendingAttestations,
    ) -> Result<Gwei, Error> {
        if attestations.is_empty() {
            return Ok(0);
        }
        let shuffling = self.shuffling(epoch)?;
        let compute = || self.compute_participation(epoch, attestations, &shuffling);
        if kept.get().is_none() {
            let _ = kept.set(compute()?);
        }
        match kept.get().filter(|kept| kept.epoch() == epoch) {
            Some(kept) => kept.target_balance(&shuffling, &self.validators),
            // Between the slot's step into a new epoch and the lists' rotation.
            None => compute()?.target_balance(&shuffling, &self.validators),
        }
    }

    fn compute_participation(
        &self,
        epoch: Epoch,
        attestations: &PendingAttestations,
        shuffling: &Shuffling,
    ) -> Result<EpochParticipation, Error> {
        let mut participation = EpochParticipation::new(epoch, self.spec.SLOTS_PER_EPOCH);
        // Bits first, their sum in one pass afterwards: aggregates overlap.
        participation.forget_balance();
        for attestation in attestations.iter() {
            self.add_participation(&mut participation, attestation, shuffling)?;
        }
        Ok(participation)
    }

    fn add_participation(
        &self,
        participation: &mut EpochParticipation,
        attestation: &PendingAttestation,
        shuffling: &Shuffling,
    ) -> Result<(), Error> {
        let data = &attestation.data;
        if data.target.root != get_block_root(self, participation.epoch())? {
            return Ok(());
        }
        let bits = &attestation.aggregation_bits;
        participation
            .add(data, bits, shuffling, &self.validators)
            .map_err(|error| match error {
                Error::Overflow => Error::Overflow,
                _ => Error::PendingAttestationInvalid(data.slot),
            })
    }

    /// Keeps the participation up to date with an attestation that is about to be appended.
    pub(super) fn record_participation(
        &mut self,
        attestation: &PendingAttestation,
        is_current: bool,
    ) -> Result<(), Error> {
        let (current, previous) = (get_current_epoch(self), get_previous_epoch(self));
        let (kept, epoch) = match is_current {
            true => (&mut self.derived.current_participation, current),
            false => (&mut self.derived.previous_participation, previous),
        };
        let kept = std::mem::take(kept).into_inner();
        let Some(mut participation) = kept.filter(|kept| kept.epoch() == epoch) else {
            return Ok(());
        };
        let shuffling = self.shuffling(participation.epoch())?;
        self.add_participation(&mut participation, attestation, &shuffling)?;
        let kept = match is_current {
            true => &mut self.derived.current_participation,
            false => &mut self.derived.previous_participation,
        };
        *kept = OnceLock::from(participation);
        Ok(())
    }

    /// Whether every kept value equals one computed afresh. Debug builds assert it after every
    /// transition.
    pub(crate) fn derived_is_consistent(&self) -> bool {
        let mut fresh = self.clone();
        fresh.derived = Derived::default();
        let (kept, epoch) = (&self.derived, get_current_epoch(self));
        let shufflings = around(epoch).iter().enumerate().all(|(at, &of)| {
            let kept = kept.shufflings[at].get();
            kept.is_none_or(|kept| fresh.shuffling(of).is_ok_and(|new| new == *kept))
        });
        let proposers = kept.proposers.get().is_none_or(|kept| {
            let mut slots = (0..).zip(kept.iter());
            slots.all(|(at, kept)| {
                kept.get()
                    .is_none_or(|kept| fresh.proposer(at) == Ok(*kept))
            })
        });
        let active = kept.active.get();
        let active = active.is_none_or(|kept| *fresh.active_set() == **kept);
        let exits = kept.exit_queue.get();
        let exits = exits.is_none_or(|kept| fresh.exit_queue() == *kept);
        let balances = self.target_balances() == fresh.target_balances();
        let keys = kept.key_index.get().is_none_or(|kept| {
            let mut keys = self.validators.pubkeys();
            keys.all(|key| kept.get(key) == fresh.index_of_key(key.bytes()))
        });
        shufflings && proposers && active && exits && balances && keys
    }
}
