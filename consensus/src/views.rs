//! Fields read from the SSZ bytes of a signed block without decoding it,
//! `simple-serialize.md#serialization`.

use crate::containers::Eth1Data;
use crate::error::Error;
use crate::primitives::*;
use alloy_primitives::FixedBytes;
use ssz::{BYTES_PER_LENGTH_OFFSET, DecodeError};

/// `SignedBeaconBlock`: the offset of the message, the signature, the message.
const MESSAGE: usize = BYTES_PER_LENGTH_OFFSET + 96;
/// `BeaconBlock`: slot, proposer, parent root, state root, the offset of the body, the body.
const BODY: usize = 8 + 8 + 32 + 32 + BYTES_PER_LENGTH_OFFSET;
/// `BeaconBlockBody`: reveal, eth1 data, graffiti, the offsets of the lists, the lists.
const LISTS: usize = 96 + 72 + 32 + 5 * BYTES_PER_LENGTH_OFFSET;
/// Length of a signed block with empty lists.
const MIN_LENGTH: usize = MESSAGE + BODY + LISTS;

/// A signed block as SSZ bytes, long enough and with sound offsets, so that its fields of fixed
/// size are where they are read. The operations are not looked at: bytes with a view may still
/// fail to decode, but then never differ from it.
#[derive(Clone, Copy, Debug)]
pub struct SignedBlockView<'a> {
    bytes: &'a [u8],
}

impl<'a> SignedBlockView<'a> {
    /// Checks length and offsets.
    ///
    /// # Errors
    /// [`Error::Decode`] where decoding the block would fail as well.
    pub fn new(bytes: &'a [u8]) -> Result<SignedBlockView<'a>, Error> {
        if bytes.len() < MIN_LENGTH {
            return Err(Error::Decode(DecodeError::InvalidByteLength {
                len: bytes.len(),
                expected: MIN_LENGTH,
            }));
        }
        let view = SignedBlockView { bytes };
        view.check_first_offset(0, MESSAGE)?;
        view.check_first_offset(MESSAGE + BODY - BYTES_PER_LENGTH_OFFSET, BODY)?;
        let body = MESSAGE + BODY;
        let first_list = body + LISTS - 5 * BYTES_PER_LENGTH_OFFSET;
        view.check_first_offset(first_list, LISTS)?;
        let mut previous = LISTS;
        for list in 1..5 {
            let offset = view.offset(first_list + list * BYTES_PER_LENGTH_OFFSET);
            if offset < previous {
                return Err(DecodeError::OffsetsAreDecreasing(offset).into());
            }
            previous = offset;
        }
        if previous > bytes.len() - body {
            return Err(DecodeError::OffsetOutOfBounds(previous).into());
        }
        Ok(view)
    }

    fn check_first_offset(&self, at: usize, expected: usize) -> Result<(), Error> {
        match self.offset(at) {
            offset if offset < expected => Err(DecodeError::OffsetIntoFixedPortion(offset).into()),
            offset if offset > expected => {
                Err(DecodeError::OffsetSkipsVariableBytes(offset).into())
            }
            _ => Ok(()),
        }
    }

    /// The whole of the bytes.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The proposer's signature.
    pub fn signature(&self) -> BLSSignature {
        self.fixed(BYTES_PER_LENGTH_OFFSET)
    }

    /// Slot of the block.
    pub fn slot(&self) -> Slot {
        self.number(MESSAGE)
    }

    /// Proposer of the block.
    pub fn proposer_index(&self) -> ValidatorIndex {
        self.number(MESSAGE + 8)
    }

    /// Root of the parent block.
    pub fn parent_root(&self) -> Root {
        self.fixed(MESSAGE + 16)
    }

    /// Root of the post-state.
    pub fn state_root(&self) -> Root {
        self.fixed(MESSAGE + 48)
    }

    /// Proposer's signature over the epoch.
    pub fn randao_reveal(&self) -> BLSSignature {
        self.fixed(MESSAGE + BODY)
    }

    /// Proposer's eth1 vote.
    pub fn eth1_data(&self) -> Eth1Data {
        let at = MESSAGE + BODY + 96;
        Eth1Data {
            deposit_root: self.fixed(at),
            deposit_count: self.number(at + 32),
            block_hash: self.fixed(at + 40),
        }
    }

    /// 32 bytes of the proposer's choice.
    pub fn graffiti(&self) -> Root {
        self.fixed(MESSAGE + BODY + 96 + 72)
    }

    fn fixed<const N: usize>(&self, at: usize) -> FixedBytes<N> {
        FixedBytes::from_slice(&self.bytes[at..at + N])
    }

    fn number(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.fixed(at).0)
    }

    fn offset(&self, at: usize) -> usize {
        u32::from_le_bytes(self.fixed(at).0) as usize
    }
}
