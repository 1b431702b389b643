//! Rows come back as they were written, and nothing else is taken for a row.

use consensus::{Checkpoint, Root};
use proptest::prelude::*;
use rows::*;
use std::fmt::Debug;

const TABLE: &str = "table";
const KEY: &[u8] = b"key";

fn root() -> impl Strategy<Value = Root> {
    any::<[u8; 32]>().prop_map(Root::new)
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    (any::<u64>(), root()).prop_map(|(epoch, root)| Checkpoint { epoch, root })
}

fn hot_row() -> impl Strategy<Value = HotRow> {
    let numbers = any::<(u64, u64, u64, bool)>();
    let checkpoints = (checkpoint(), checkpoint(), checkpoint(), checkpoint());
    (numbers, (root(), root(), root(), root()), checkpoints).prop_map(
        |((seq, slot, validator_count, timely), roots, checkpoints)| HotRow {
            seq,
            row: BlockRow {
                slot,
                root: roots.0,
                parent_root: roots.1,
                state_root: roots.2,
                target_root: roots.3,
                justified: checkpoints.0,
                finalized: checkpoints.1,
                unrealized_justified: checkpoints.2,
                unrealized_finalized: checkpoints.3,
                validator_count,
                timely,
            },
        },
    )
}

fn chain_row() -> impl Strategy<Value = ChainRow> {
    (
        root(),
        checkpoint(),
        checkpoint(),
        checkpoint(),
        checkpoint(),
    )
        .prop_map(
            |(head, justified, finalized, unrealized_justified, unrealized_finalized)| ChainRow {
                head,
                justified,
                finalized,
                unrealized_justified,
                unrealized_finalized,
            },
        )
}

fn votes() -> impl Strategy<Value = VoteDump> {
    let vote = (0..3_u64, (0..4_u8).prop_map(Root::with_last_byte));
    let latest = proptest::collection::vec(proptest::option::of(vote), 0..40);
    let equivocating = proptest::collection::btree_set(any::<u64>(), 0..5);
    (any::<u64>(), latest, equivocating).prop_map(|(slot, latest, equivocating)| VoteDump {
        slot,
        latest,
        equivocating: equivocating.into_iter().collect(),
    })
}

/// A row comes back; no change of a bit, no other key or table, no missing or added byte passes.
fn check<R: Row + PartialEq + Debug>(row: &R) {
    let bytes = encode(TABLE, KEY, row);
    assert_eq!(decode::<R>(TABLE, KEY, &bytes).as_ref(), Ok(row));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode::<R>(TABLE, KEY, &flipped), Err(RowError::Checksum));
    }
    for length in 0..bytes.len() {
        assert!(decode::<R>(TABLE, KEY, &bytes[..length]).is_err());
    }
    for (table, key) in [("tabl", &b"ekey"[..]), (TABLE, b"kez"), ("other", KEY)] {
        assert_eq!(decode::<R>(table, key, &bytes), Err(RowError::Checksum));
    }
    // The strict form below the checksum.
    let body = &bytes[6..];
    for length in 0..body.len() {
        assert!(read_whole::<R>(&body[..length]).is_err());
    }
    let longer = [body, &[0]].concat();
    assert!(read_whole::<R>(&longer).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hot_rows(row in hot_row()) {
        check(&row);
    }

    #[test]
    fn chain_rows(row in proptest::option::of(chain_row())) {
        check(&row);
    }

    #[test]
    fn vote_dumps(votes in votes()) {
        check(&votes);
    }

    #[test]
    fn anchors_and_splits(
        numbers in any::<[u64; 4]>(),
        root in root(),
        checkpoint in checkpoint(),
        state_root in root(),
    ) {
        check(&Anchor {
            slot: numbers[0],
            root,
            oldest_block_slot: numbers[1],
            oldest_state_slot: numbers[2],
        });
        check(&Split { checkpoint, slot: numbers[3], state_root });
    }

    /// Bytes from anywhere are refused or mean exactly what they encode to.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(0..4_u8, 0..120)) {
        if let Ok(votes) = read_whole::<VoteDump>(&bytes) {
            let mut again = Vec::new();
            votes.write(&mut again);
            prop_assert_eq!(read_whole::<VoteDump>(&again), Ok(votes));
        }
        if let Ok(row) = read_whole::<Option<ChainRow>>(&bytes) {
            let mut again = Vec::new();
            row.write(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn other_kinds_and_versions_are_told_apart() {
    let split = Split {
        checkpoint: Checkpoint::default(),
        slot: 3,
        state_root: Root::ZERO,
    };
    let bytes = encode(TABLE, KEY, &split);
    let kind = decode::<Anchor>(TABLE, KEY, &bytes);
    let (expected, found) = (Anchor::KIND, Split::KIND);
    assert_eq!(kind, Err(RowError::Kind { expected, found }));

    #[derive(Debug, PartialEq)]
    struct Later;
    impl Row for Later {
        const KIND: u8 = Split::KIND;
        const VERSION: u8 = 2;
        fn write(&self, _out: &mut Vec<u8>) {}
        fn read(_input: &mut Input) -> Result<Later, RowError> {
            Ok(Later)
        }
    }
    let later = encode(TABLE, KEY, &Later);
    let (expected, found) = (1, 2);
    let refused = decode::<Split>(TABLE, KEY, &later);
    assert_eq!(refused, Err(RowError::Version { expected, found }));
}

#[test]
fn lengths_are_checked_before_anything_is_reserved() {
    let mut bytes = 7_u64.to_le_bytes().to_vec();
    bytes.extend(u32::MAX.to_le_bytes());
    assert_eq!(read_whole::<VoteDump>(&bytes), Err(RowError::CutShort));
}

#[test]
fn votes_point_into_their_table() {
    let mut bytes = 7_u64.to_le_bytes().to_vec();
    for number in [0_u32, 1, 1, 0] {
        bytes.extend(number.to_le_bytes());
    }
    let refused = read_whole::<VoteDump>(&bytes);
    assert_eq!(refused, Err(RowError::Value("vote")));
}
