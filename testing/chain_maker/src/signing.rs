//! Signatures by interop keys. All take a state for the registry, the fork and the chain's name;
//! none checks what it signs, so that a caller can alter something and sign it again.

use crate::{ChainMaker, Error};
use consensus::helpers::{compute_epoch_at_slot, compute_signing_root, get_domain};
use consensus::{
    AttestationData, BLSSignature, BeaconBlock, BeaconBlockHeader, BeaconState,
    DOMAIN_BEACON_ATTESTER, DOMAIN_BEACON_PROPOSER, DOMAIN_RANDAO, DOMAIN_VOLUNTARY_EXIT, Epoch,
    SignedBeaconBlock, SignedBeaconBlockHeader, SignedVoluntaryExit, ValidatorIndex, VoluntaryExit,
};

impl ChainMaker {
    /// The block, signed by the validator it names as its proposer.
    ///
    /// # Errors
    /// If there is no such validator.
    pub fn sign_block(
        &self,
        state: &BeaconState,
        block: BeaconBlock,
    ) -> Result<SignedBeaconBlock, Error> {
        let signature = self.sign_header(state, block.header())?.signature;
        Ok(SignedBeaconBlock {
            message: block,
            signature,
        })
    }

    /// The header, signed by the validator it names as its proposer.
    ///
    /// # Errors
    /// If there is no such validator.
    pub fn sign_header(
        &self,
        state: &BeaconState,
        header: BeaconBlockHeader,
    ) -> Result<SignedBeaconBlockHeader, Error> {
        let epoch = compute_epoch_at_slot(header.slot, state.spec());
        let domain = get_domain(state, DOMAIN_BEACON_PROPOSER, Some(epoch));
        let key = self.keys().of_validator(state, header.proposer_index)?;
        Ok(SignedBeaconBlockHeader {
            message: header,
            signature: key.sign(compute_signing_root(&header, domain)),
        })
    }

    /// A validator's RANDAO reveal of an epoch.
    ///
    /// # Errors
    /// If there is no such validator.
    pub fn sign_randao(
        &self,
        state: &BeaconState,
        epoch: Epoch,
        index: ValidatorIndex,
    ) -> Result<BLSSignature, Error> {
        let domain = get_domain(state, DOMAIN_RANDAO, Some(epoch));
        let key = self.keys().of_validator(state, index)?;
        Ok(key.sign(compute_signing_root(&epoch, domain)))
    }

    /// The aggregate signature of validators over attestation data.
    ///
    /// # Errors
    /// If there are none, or no such validators.
    pub fn sign_attestation(
        &self,
        state: &BeaconState,
        data: &AttestationData,
        indices: &[ValidatorIndex],
    ) -> Result<BLSSignature, Error> {
        let domain = get_domain(state, DOMAIN_BEACON_ATTESTER, Some(data.target.epoch));
        let key = self.keys().sum_of_validators(state, indices)?;
        Ok(key.sign(compute_signing_root(data, domain)))
    }

    /// The exit, signed by the validator it names.
    ///
    /// # Errors
    /// If there is no such validator.
    pub fn sign_exit(
        &self,
        state: &BeaconState,
        exit: VoluntaryExit,
    ) -> Result<SignedVoluntaryExit, Error> {
        let domain = get_domain(state, DOMAIN_VOLUNTARY_EXIT, Some(exit.epoch));
        let key = self.keys().of_validator(state, exit.validator_index)?;
        Ok(SignedVoluntaryExit {
            message: exit,
            signature: key.sign(compute_signing_root(&exit, domain)),
        })
    }
}
