//! SSZ of a state: lengths and limits come from its [`Spec`].

use super::{BeaconState, Derived, PendingAttestations, PlainList, Validators};
use crate::containers::*;
use crate::cow::Plain;
use crate::error::Error;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::validators::VALIDATOR_SSZ_LEN;
use ssz::{BYTES_PER_LENGTH_OFFSET, Decode, DecodeError, Encode, SszDecoderBuilder};
use std::sync::Arc;

/// Reads values of `size` bytes; the length is known to be a multiple of it.
fn plain_list<T: Plain + Decode>(
    bytes: &[u8],
    limit: u64,
    exact: bool,
) -> Result<PlainList<T>, DecodeError> {
    let size = <T as Decode>::ssz_fixed_len();
    let length = bytes.len() / size;
    if !bytes.len().is_multiple_of(size) || (exact && length as u64 != limit) {
        return Err(DecodeError::InvalidByteLength {
            len: bytes.len(),
            expected: if exact {
                limit as usize * size
            } else {
                length * size
            },
        });
    }
    if length as u64 > limit {
        return Err(over_limit(length, limit));
    }
    bytes.chunks_exact(size).map(T::from_ssz_bytes).collect()
}

fn over_limit(length: usize, limit: u64) -> DecodeError {
    DecodeError::BytesInvalid(format!("a list of {length} items, the limit is {limit}"))
}

fn validators(bytes: &[u8], limit: u64) -> Result<Validators, DecodeError> {
    let length = bytes.len() / VALIDATOR_SSZ_LEN;
    if !bytes.len().is_multiple_of(VALIDATOR_SSZ_LEN) {
        return Err(DecodeError::InvalidByteLength {
            len: bytes.len(),
            expected: length * VALIDATOR_SSZ_LEN,
        });
    }
    if length as u64 > limit.min(u64::from(u32::MAX)) {
        return Err(over_limit(length, limit));
    }
    Validators::from_ssz(bytes)
        .ok_or_else(|| DecodeError::BytesInvalid("a boolean is neither 0 nor 1".into()))
}

fn attestations(bytes: &[u8], limit: u64) -> Result<PendingAttestations, DecodeError> {
    if bytes.is_empty() {
        return Ok(PendingAttestations::default());
    }
    let list: Vec<PendingAttestation> =
        ssz::decode_list_of_variable_length_items(bytes, Some(limit as usize))?;
    Ok(list.into_iter().collect())
}

impl BeaconState {
    /// Decodes a state of `spec`'s shape, strictly. Checks the form only: lists that disagree with
    /// each other are met by the transition. The public keys are interned, for as
    /// long as the process lives, and not decompressed: states come from places that are trusted.
    pub fn from_ssz_bytes(bytes: &[u8], spec: &Arc<Spec>) -> Result<BeaconState, Error> {
        let vector = |length: u64, size: usize| length as usize * size;
        let mut builder = SszDecoderBuilder::new(bytes);
        builder.register_type::<u64>()?;
        builder.register_type::<Root>()?;
        builder.register_type::<Slot>()?;
        builder.register_type::<Fork>()?;
        builder.register_type::<BeaconBlockHeader>()?;
        let roots = vector(spec.SLOTS_PER_HISTORICAL_ROOT, 32);
        builder.register_type_parameterized(true, roots)?;
        builder.register_type_parameterized(true, roots)?;
        builder.register_anonymous_variable_length_item()?;
        builder.register_type::<Eth1Data>()?;
        builder.register_anonymous_variable_length_item()?;
        builder.register_type::<u64>()?;
        builder.register_anonymous_variable_length_item()?;
        builder.register_anonymous_variable_length_item()?;
        builder.register_type_parameterized(true, vector(spec.EPOCHS_PER_HISTORICAL_VECTOR, 32))?;
        builder.register_type_parameterized(true, vector(spec.EPOCHS_PER_SLASHINGS_VECTOR, 8))?;
        builder.register_anonymous_variable_length_item()?;
        builder.register_anonymous_variable_length_item()?;
        builder.register_type::<JustificationBits>()?;
        builder.register_type::<Checkpoint>()?;
        builder.register_type::<Checkpoint>()?;
        builder.register_type::<Checkpoint>()?;
        let mut decoder = builder.build()?;
        let registry = spec.VALIDATOR_REGISTRY_LIMIT;
        let historical = spec.SLOTS_PER_HISTORICAL_ROOT;
        let pending = spec.pending_attestations_limit();
        Ok(BeaconState {
            spec: spec.clone(),
            genesis_time: decoder.decode_next()?,
            genesis_validators_root: decoder.decode_next()?,
            slot: decoder.decode_next()?,
            fork: decoder.decode_next()?,
            latest_block_header: decoder.decode_next()?,
            block_roots: decoder.decode_next_with(|it| plain_list(it, historical, true))?,
            state_roots: decoder.decode_next_with(|it| plain_list(it, historical, true))?,
            historical_roots: decoder
                .decode_next_with(|it| plain_list(it, spec.HISTORICAL_ROOTS_LIMIT, false))?,
            eth1_data: decoder.decode_next()?,
            eth1_data_votes: decoder
                .decode_next_with(|it| plain_list(it, spec.eth1_voting_slots(), false))?,
            eth1_deposit_index: decoder.decode_next()?,
            validators: decoder.decode_next_with(|it| validators(it, registry))?,
            balances: decoder.decode_next_with(|it| plain_list(it, registry, false))?,
            randao_mixes: decoder
                .decode_next_with(|it| plain_list(it, spec.EPOCHS_PER_HISTORICAL_VECTOR, true))?,
            slashings: decoder
                .decode_next_with(|it| plain_list(it, spec.EPOCHS_PER_SLASHINGS_VECTOR, true))?,
            previous_epoch_attestations: decoder
                .decode_next_with(|it| attestations(it, pending))?,
            current_epoch_attestations: decoder.decode_next_with(|it| attestations(it, pending))?,
            justification_bits: decoder.decode_next()?,
            previous_justified_checkpoint: decoder.decode_next()?,
            current_justified_checkpoint: decoder.decode_next()?,
            finalized_checkpoint: decoder.decode_next()?,
            derived: Derived::default(),
        })
    }

    /// The state as SSZ.
    pub fn as_ssz_bytes(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        self.ssz_append(&mut buffer);
        buffer
    }

    /// Appends the state as SSZ; a buffer that is used again saves the cost of fresh pages.
    pub fn ssz_append(&self, buffer: &mut Vec<u8>) {
        let previous = attestations_bytes(&self.previous_epoch_attestations);
        let current = attestations_bytes(&self.current_epoch_attestations);
        let lengths = [
            self.historical_roots.len() * 32,
            self.eth1_data_votes.len() * <Eth1Data as Encode>::ssz_fixed_len(),
            self.validators.len() * VALIDATOR_SSZ_LEN,
            self.balances.len() * 8,
            previous.len(),
            current.len(),
        ];
        let fixed = self.fixed_len();
        buffer.reserve(fixed + lengths.iter().sum::<usize>());
        let mut offset = fixed;
        let mut offsets = lengths.iter().map(|length| {
            let at = (offset as u32).to_le_bytes();
            offset += length;
            at
        });
        let mut next_offset = || offsets.next().expect("six lists have six offsets");
        self.genesis_time.ssz_append(buffer);
        self.genesis_validators_root.ssz_append(buffer);
        self.slot.ssz_append(buffer);
        self.fork.ssz_append(buffer);
        self.latest_block_header.ssz_append(buffer);
        append_all(&self.block_roots, buffer);
        append_all(&self.state_roots, buffer);
        buffer.extend_from_slice(&next_offset());
        self.eth1_data.ssz_append(buffer);
        buffer.extend_from_slice(&next_offset());
        self.eth1_deposit_index.ssz_append(buffer);
        buffer.extend_from_slice(&next_offset());
        buffer.extend_from_slice(&next_offset());
        append_all(&self.randao_mixes, buffer);
        append_all(&self.slashings, buffer);
        buffer.extend_from_slice(&next_offset());
        buffer.extend_from_slice(&next_offset());
        self.justification_bits.ssz_append(buffer);
        self.previous_justified_checkpoint.ssz_append(buffer);
        self.current_justified_checkpoint.ssz_append(buffer);
        self.finalized_checkpoint.ssz_append(buffer);
        append_all(&self.historical_roots, buffer);
        append_all(&self.eth1_data_votes, buffer);
        self.validators.ssz_append(buffer);
        append_all(&self.balances, buffer);
        buffer.extend_from_slice(&previous);
        buffer.extend_from_slice(&current);
    }

    fn fixed_len(&self) -> usize {
        let vectors =
            (2 * self.block_roots.len() + self.randao_mixes.len()) * 32 + self.slashings.len() * 8;
        let header = <BeaconBlockHeader as Encode>::ssz_fixed_len();
        let checkpoint = <Checkpoint as Encode>::ssz_fixed_len();
        let eth1_data = <Eth1Data as Encode>::ssz_fixed_len();
        let fork = <Fork as Encode>::ssz_fixed_len();
        // Three numbers, a root, six offsets, a byte of bits.
        3 * 8
            + 32
            + fork
            + header
            + eth1_data
            + 6 * BYTES_PER_LENGTH_OFFSET
            + 1
            + 3 * checkpoint
            + vectors
    }
}

fn append_all<T: Plain + Encode>(list: &PlainList<T>, buffer: &mut Vec<u8>) {
    for chunk in list.chunks() {
        for item in chunk.items() {
            item.ssz_append(buffer);
        }
    }
}

fn attestations_bytes(list: &PendingAttestations) -> Vec<u8> {
    let mut offset = list.len() * BYTES_PER_LENGTH_OFFSET;
    let mut bytes = Vec::with_capacity(offset + list.len() * 200);
    for attestation in list.iter() {
        bytes.extend_from_slice(&(offset as u32).to_le_bytes());
        offset += attestation.ssz_bytes_len();
    }
    for attestation in list.iter() {
        attestation.ssz_append(&mut bytes);
    }
    bytes
}
