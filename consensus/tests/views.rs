//! Views of signed blocks: equal to the decoded block, and safe on any bytes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

use consensus::views::SignedBlockView;
use consensus::{Error, SignedBeaconBlock};
use proptest::prelude::*;
use shared_inputs::archived;
use ssz::{Decode, DecodeError, Encode};

/// A signed block with one attestation of eight bits and one exit, every byte of its fields
/// another one.
fn block_bytes() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).cycle().take(404).collect();
    for (at, offset) in [
        (0, 100u32),
        (180, 84),
        (384, 220),
        (388, 220),
        (392, 220),
        (396, 453),
        (400, 453),
    ] {
        bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
    }
    bytes.extend(4u32.to_le_bytes());
    bytes.extend(228u32.to_le_bytes());
    bytes.extend((0..224).map(|byte: u8| byte.wrapping_mul(7)));
    bytes.push(0x9d);
    bytes.extend((0..112).map(|byte: u8| byte.wrapping_mul(3)));
    SignedBeaconBlock::from_ssz_bytes(&bytes).unwrap();
    bytes
}

fn assert_equal(view: &SignedBlockView<'_>, block: &SignedBeaconBlock) {
    let (message, body) = (&block.message, &block.message.body);
    assert_eq!(view.slot(), message.slot);
    assert_eq!(view.proposer_index(), message.proposer_index);
    assert_eq!(view.parent_root(), message.parent_root);
    assert_eq!(view.state_root(), message.state_root);
    assert_eq!(view.signature(), block.signature);
    assert_eq!(view.randao_reveal(), body.randao_reveal);
    assert_eq!(view.eth1_data(), body.eth1_data);
    assert_eq!(view.graffiti(), body.graffiti);
    assert_eq!(view.as_bytes(), block.as_ssz_bytes());
}

fn assert_decoded_equally(bytes: &[u8]) {
    let block = SignedBeaconBlock::from_ssz_bytes(bytes).unwrap();
    assert_equal(&SignedBlockView::new(bytes).unwrap(), &block);
}

#[test]
fn equal_to_a_decoded_block() {
    assert_decoded_equally(&block_bytes());
}

#[test]
fn equal_to_the_vectors() {
    let mut found = 0;
    for preset in ["minimal", "mainnet"] {
        let archive = format!("vectors/phase0-vectors-{preset}-phase0.tar.zst");
        let wanted = |path: &str| {
            path.contains("/ssz_static/SignedBeaconBlock/") && path.ends_with(".ssz_snappy")
        };
        let Some(files) = archived(archive, "vectors of signed blocks", wanted) else {
            return;
        };
        for (_, packed) in &files {
            let bytes = snap::raw::Decoder::new().decompress_vec(packed).unwrap();
            assert_decoded_equally(&bytes);
        }
        found += files.len();
    }
    assert!(found > 100, "{found} vectors");
}

#[test]
fn equal_to_real_blocks() {
    for folder in ["mainnet-blocks", "medalla", "prysm"] {
        let Some(files) = shared_inputs::files(format!("chaindata/{folder}"), "real blocks") else {
            return;
        };
        let blocks = files
            .iter()
            .filter(|file| file.extension().is_some_and(|e| e == "ssz"));
        let mut found = 0;
        for file in blocks {
            assert_decoded_equally(&shared_inputs::bytes(file, "real blocks").unwrap());
            found += 1;
        }
        assert!(found > 0, "{folder}");
    }
}

#[test]
fn short_bytes_and_unsound_offsets_are_refused() {
    let bytes = block_bytes();
    for length in 0..404 {
        assert!(SignedBlockView::new(&bytes[..length]).is_err(), "{length}");
    }
    let with = |at: usize, offset: u32| {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
        SignedBlockView::new(&bytes).map(|_| ()).unwrap_err()
    };
    for (at, offset) in [(0, 100), (180, 84), (384, 220)] {
        for low in [0, offset - 1] {
            let error = Error::Decode(DecodeError::OffsetIntoFixedPortion(low as usize));
            assert_eq!(with(at, low), error);
        }
        for high in [offset + 1, offset + 4, u32::MAX] {
            let error = Error::Decode(DecodeError::OffsetSkipsVariableBytes(high as usize));
            assert_eq!(with(at, high), error);
        }
    }
    assert_eq!(
        with(392, 219),
        Error::Decode(DecodeError::OffsetsAreDecreasing(219))
    );
    assert_eq!(
        with(392, 454),
        Error::Decode(DecodeError::OffsetsAreDecreasing(453))
    );
    let end = (bytes.len() - 184) as u32;
    assert_eq!(
        with(400, end + 1),
        Error::Decode(DecodeError::OffsetOutOfBounds(end as usize + 1))
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(view) = SignedBlockView::new(&bytes) {
            let _ = (view.slot(), view.eth1_data(), view.graffiti());
        }
    }

    #[test]
    fn whatever_decodes_has_an_equal_view(
        flips in prop::collection::vec((0usize..1000, any::<u8>()), 0..4),
        length in 0usize..1000,
        cut in any::<bool>(),
    ) {
        let mut bytes = block_bytes();
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length);
        }
        if let Ok(block) = SignedBeaconBlock::from_ssz_bytes(&bytes) {
            assert_equal(&SignedBlockView::new(&bytes).unwrap(), &block);
        }
    }
}
