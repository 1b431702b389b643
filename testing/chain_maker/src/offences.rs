//! Operations that validators do not make every epoch: slashable offences and exits.

use crate::{ChainMaker, Error};
use consensus::helpers::*;
use consensus::{
    AttestationData, AttesterSlashing, BeaconBlockHeader, BeaconState, Checkpoint,
    FAR_FUTURE_EPOCH, HashTreeRoot, IndexedAttestation, ProposerSlashing, Root,
    SignedVoluntaryExit, ValidatorIndex, VoluntaryExit,
};

impl ChainMaker {
    /// Evidence that a validator signed two headers for the state's slot.
    ///
    /// # Errors
    /// If the validator is unknown or not slashable now.
    pub fn proposer_slashing(
        &self,
        state: &BeaconState,
        index: ValidatorIndex,
    ) -> Result<ProposerSlashing, Error> {
        check_slashable(state, index)?;
        let header = |mark| {
            self.sign_header(
                state,
                BeaconBlockHeader {
                    slot: state.slot(),
                    proposer_index: index,
                    parent_root: state.latest_block_header().hash_tree_root(),
                    state_root: Root::with_last_byte(mark),
                    body_root: Root::with_last_byte(mark),
                },
            )
        };
        Ok(ProposerSlashing {
            signed_header_1: header(1)?,
            signed_header_2: header(2)?,
        })
    }

    /// Evidence that validators attested to two blocks for the same target epoch.
    ///
    /// # Errors
    /// If one of the validators is unknown or not slashable now, or there are none or too many.
    pub fn attester_slashing(
        &self,
        state: &BeaconState,
        indices: &[ValidatorIndex],
    ) -> Result<AttesterSlashing, Error> {
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        indices.dedup();
        for &index in &indices {
            check_slashable(state, index)?;
        }
        let attestation = |mark| {
            let data = AttestationData {
                slot: state.slot(),
                index: 0,
                beacon_block_root: Root::with_last_byte(mark),
                source: state.current_justified_checkpoint(),
                target: Checkpoint {
                    epoch: get_current_epoch(state),
                    root: Root::with_last_byte(mark),
                },
            };
            let signature = self.sign_attestation(state, &data, &indices)?;
            let attesting_indices = indices.clone().try_into();
            Ok::<_, Error>(IndexedAttestation {
                attesting_indices: attesting_indices.map_err(|_| Error::TooMany("attesters"))?,
                data,
                signature,
            })
        };
        Ok(AttesterSlashing {
            attestation_1: attestation(1)?,
            attestation_2: attestation(2)?,
        })
    }

    /// A validator's wish to leave from the state's epoch on.
    ///
    /// # Errors
    /// If the validator cannot leave now.
    pub fn voluntary_exit(
        &self,
        state: &BeaconState,
        index: ValidatorIndex,
    ) -> Result<SignedVoluntaryExit, Error> {
        if !may_exit(state, index) {
            return Err(Error::Impossible(format!(
                "validator {index} cannot exit at slot {}",
                state.slot()
            )));
        }
        self.sign_exit(
            state,
            VoluntaryExit {
                epoch: get_current_epoch(state),
                validator_index: index,
            },
        )
    }
}

fn check_slashable(state: &BeaconState, index: ValidatorIndex) -> Result<(), Error> {
    match may_be_slashed(state, index) {
        true => Ok(()),
        false => Err(Error::Impossible(format!(
            "validator {index} is not slashable at slot {}",
            state.slot()
        ))),
    }
}

/// Whether the validator is slashable now.
pub(crate) fn may_be_slashed(state: &BeaconState, index: ValidatorIndex) -> bool {
    let validator = state.validators().get(index as usize);
    validator.is_some_and(|validator| is_slashable_validator(&validator, get_current_epoch(state)))
}

/// Whether the validator is active, has not asked to leave, and has served long enough.
pub(crate) fn may_exit(state: &BeaconState, index: ValidatorIndex) -> bool {
    let epoch = get_current_epoch(state);
    state
        .validators()
        .get(index as usize)
        .is_some_and(|validator| {
            let served = epoch.saturating_sub(validator.activation_epoch);
            is_active_validator(&validator, epoch)
                && validator.exit_epoch == FAR_FUTURE_EPOCH
                && served >= state.spec().SHARD_COMMITTEE_PERIOD
        })
}
