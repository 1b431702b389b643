//! The deposit tree: against a naive tree, the vectors of EIP-4881, and a real deposit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

use consensus::bls::{Bls, SetKeys, Verifier};
use consensus::deposit_tree::{DepositTree, DepositTreeError, DepositTreeSnapshot};
use consensus::hashing::zero_hash;
use consensus::helpers::{hash, is_valid_merkle_branch};
use consensus::transition::deposit_signature_set;
use consensus::*;
use proptest::prelude::*;
use serde::Deserialize;

const DEPTH: usize = DEPOSIT_CONTRACT_TREE_DEPTH;

fn leaf(index: u64) -> Root {
    hash(&index.to_le_bytes())
}

fn tree_of(count: u64) -> DepositTree {
    let mut tree = DepositTree::new();
    (0..count).for_each(|index| tree.push(leaf(index)).unwrap());
    tree
}

fn pair(left: Root, right: Root) -> Root {
    hash(&[left.0, right.0].concat())
}

/// The root as the specification defines it, level by level over the whole list.
fn naive_root(leaves: &[Root]) -> Root {
    let mut level = leaves.to_vec();
    let mut zero = Root::ZERO;
    for _ in 0..DEPTH {
        level = level
            .chunks(2)
            .map(|nodes| pair(nodes[0], *nodes.get(1).unwrap_or(&zero)))
            .collect();
        zero = pair(zero, zero);
    }
    let mut length = Root::ZERO;
    length[..8].copy_from_slice(&(leaves.len() as u64).to_le_bytes());
    pair(*level.first().unwrap_or(&zero), length)
}

fn eth1_data(tree: &DepositTree, count: u64) -> Eth1Data {
    Eth1Data {
        deposit_root: tree.root_at(count).unwrap(),
        deposit_count: count,
        block_hash: hash(b"block"),
    }
}

fn proves(tree: &DepositTree, index: u64, count: u64) -> bool {
    let proof = tree.proof_at(index, count).unwrap();
    let root = tree.root_at(count).unwrap();
    is_valid_merkle_branch(leaf(index), &proof, DEPTH + 1, index, root)
}

#[test]
fn an_empty_tree_has_the_contracts_first_root() {
    let root = "0xd70a234731285c6804c2a4f56711ddb8c82c99740f207854891028af34e27e5e";
    assert_eq!(DepositTree::new().root(), root.parse::<Root>().unwrap());
    assert_eq!(DepositTree::new().snapshot(), None);
}

#[test]
fn roots_and_proofs_at_every_count() {
    let leaves: Vec<Root> = (0..40).map(leaf).collect();
    let tree = tree_of(40);
    for count in 0..=40 {
        let root = naive_root(&leaves[..count as usize]);
        assert_eq!(tree.root_at(count).unwrap(), root);
        assert_eq!(tree_of(count).root(), root);
        assert!((0..count).all(|index| proves(&tree, index, count)));
    }
    // A proof is of one place under one root.
    let proof = tree.proof(7).unwrap();
    let verifies = |index, root| is_valid_merkle_branch(leaf(7), &proof, DEPTH + 1, index, root);
    assert!(verifies(7, tree.root()));
    assert!(!verifies(6, tree.root()));
    assert!(!verifies(7, tree.root_at(39).unwrap()));
}

#[test]
fn what_the_tree_cannot_answer_is_an_error() {
    let mut tree = tree_of(5);
    let unknown = DepositTreeError::UnknownDeposit { index: 5, count: 5 };
    assert_eq!(tree.proof(5), Err(unknown));
    let ahead = DepositTreeError::CountAhead { count: 6, len: 5 };
    assert_eq!(tree.root_at(6), Err(ahead.clone()));
    assert_eq!(tree.proof_at(0, 6), Err(ahead.clone()));
    let mut data = eth1_data(&tree, 3);
    tree.finalize(&data, 9).unwrap();
    let gone = |count| DepositTreeError::Finalized {
        count,
        finalized: 3,
    };
    assert_eq!(tree.root_at(2), Err(gone(2)));
    assert_eq!(tree.proof(2), Err(gone(2)));
    assert!(proves(&tree, 3, 4));

    let before = tree.clone();
    data.deposit_count = 6;
    assert_eq!(tree.finalize(&data, 10), Err(ahead));
    data.deposit_count = 4;
    let mismatch = tree.finalize(&data, 10).unwrap_err();
    assert!(matches!(
        mismatch,
        DepositTreeError::RootMismatch { count: 4, .. }
    ));
    data.deposit_count = 2;
    assert_eq!(tree.finalize(&data, 10), Ok(()));
    assert_eq!(tree, before);
}

#[test]
fn snapshots_that_contradict_themselves_are_refused() {
    let mut tree = tree_of(6);
    tree.finalize(&eth1_data(&tree, 6), 1).unwrap();
    let snapshot = tree.snapshot().unwrap().clone();
    assert_eq!(DepositTree::from_snapshot(snapshot.clone()), Ok(tree));
    let refused = |change: &dyn Fn(&mut DepositTreeSnapshot)| {
        let mut changed = snapshot.clone();
        change(&mut changed);
        DepositTree::from_snapshot(changed).unwrap_err()
    };
    for count in [0, 7, 1 << 32, u64::MAX] {
        let error = refused(&|snapshot| snapshot.deposit_count = count);
        assert!(
            matches!(error, DepositTreeError::SnapshotShape { .. }),
            "{count}"
        );
    }
    type Change = fn(&mut DepositTreeSnapshot);
    let changes: [Change; 4] = [
        |snapshot| snapshot.deposit_count = 5,
        |snapshot| snapshot.deposit_root = Root::ZERO,
        |snapshot| snapshot.finalized[1] = Root::ZERO,
        |snapshot| snapshot.finalized.swap(0, 1),
    ];
    for change in changes {
        assert!(matches!(
            refused(&change),
            DepositTreeError::RootMismatch { .. }
        ));
    }
}

proptest! {
    #[test]
    fn finalizing_changes_neither_roots_nor_proofs(
        steps in prop::collection::vec((1u64..20, 0u64..30, any::<bool>()), 1..12),
    ) {
        let (mut pruned, mut whole) = (DepositTree::new(), DepositTree::new());
        for (pushed, finalized, restart) in steps {
            for _ in 0..pushed {
                let next = leaf(whole.len());
                pruned.push(next).unwrap();
                whole.push(next).unwrap();
            }
            let first = (pruned.finalized_len() + finalized).min(whole.len());
            pruned.finalize(&eth1_data(&whole, first), first + 100).unwrap();
            if restart {
                let mut again = DepositTree::from_snapshot(pruned.snapshot().unwrap().clone()).unwrap();
                (first..whole.len()).for_each(|index| again.push(leaf(index)).unwrap());
                prop_assert_eq!(&again, &pruned);
            }
            for count in first..=whole.len() {
                prop_assert_eq!(pruned.root_at(count), whole.root_at(count));
                for index in first..count {
                    prop_assert_eq!(pruned.proof_at(index, count), whole.proof_at(index, count));
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct EipCase {
    deposit_data: DepositData,
    deposit_data_root: Root,
    eth1_data: Eth1Data,
    block_height: u64,
    snapshot: EipSnapshot,
}

/// The vectors write its numbers without quotes.
#[derive(Deserialize)]
struct EipSnapshot {
    finalized: Vec<Root>,
    deposit_root: Root,
    deposit_count: u64,
    execution_block_hash: Hash32,
    execution_block_height: u64,
}

#[test]
fn eip_4881_vectors() {
    for file in ["eip-4881-test_cases.yaml", "teku-eip4881-test_cases.yml"] {
        let Some(text) = shared_inputs::text(format!("chaindata/deposit/{file}"), "EIP-4881")
        else {
            return;
        };
        let cases: Vec<EipCase> = serde_saphyr::from_str(&text).unwrap();
        assert!(cases.len() > 100, "{}", cases.len());
        let mut whole = DepositTree::new();
        // Finalized as in the vectors' own test: only now and then.
        let mut late = DepositTree::new();
        for (index, case) in cases.iter().enumerate() {
            assert_eq!(case.deposit_data.hash_tree_root(), case.deposit_data_root);
            whole.push(case.deposit_data_root).unwrap();
            late.push(case.deposit_data_root).unwrap();
            assert_eq!(whole.root(), case.eth1_data.deposit_root);
            assert_eq!(whole.len(), case.eth1_data.deposit_count);
            let expected = DepositTreeSnapshot {
                finalized: case.snapshot.finalized.clone().try_into().unwrap(),
                deposit_root: case.snapshot.deposit_root,
                deposit_count: case.snapshot.deposit_count,
                execution_block_hash: case.snapshot.execution_block_hash,
                execution_block_height: case.snapshot.execution_block_height,
            };
            let mut finalized = whole.clone();
            finalized
                .finalize(&case.eth1_data, case.block_height)
                .unwrap();
            assert_eq!(finalized.snapshot(), Some(&expected));
            assert_eq!(DepositTree::from_snapshot(expected.clone()), Ok(finalized));
            if index % 31 == 17 {
                late.finalize(&case.eth1_data, case.block_height).unwrap();
                assert_eq!(late.snapshot(), Some(&expected));
            }
            assert_eq!(late.root(), whole.root());
            for open in late.finalized_len()..late.len() {
                assert_eq!(late.proof(open), whole.proof(open));
            }
        }
    }
}

#[test]
fn a_snapshot_has_the_beacon_apis_form() {
    let mut tree = tree_of(1);
    tree.finalize(&eth1_data(&tree, 1), 7).unwrap();
    let snapshot = tree.snapshot().unwrap();
    let json = serde_json::to_value(snapshot).unwrap();
    assert_eq!(json["deposit_count"], "1");
    assert_eq!(json["execution_block_height"], "7");
    assert_eq!(json["finalized"][0], format!("{:?}", leaf(0)));
    assert_eq!(
        serde_json::from_value::<DepositTreeSnapshot>(json).unwrap(),
        *snapshot
    );
}

#[test]
fn a_real_deposit() {
    let Some(text) = shared_inputs::text(
        "chaindata/deposit/mainnet-deposit-with-proof.json",
        "deposit",
    ) else {
        return;
    };
    let deposits: Vec<Deposit> = serde_json::from_str(&text).unwrap();
    let [deposit] = deposits.as_slice() else {
        panic!("one deposit")
    };
    let set = deposit_signature_set(&deposit.data, &Spec::mainnet());
    assert_eq!(set.pubkeys, SetKeys::Bytes(deposit.data.pubkey));
    let bls = Bls::new(Pool::new(1), [7; 32]);
    assert_eq!(bls.verify_sets(std::slice::from_ref(&set)), Ok(()));
    for changed in [
        DepositData {
            amount: deposit.data.amount + 1,
            ..deposit.data
        },
        DepositData {
            withdrawal_credentials: Root::ZERO,
            ..deposit.data
        },
    ] {
        let set = deposit_signature_set(&changed, &Spec::mainnet());
        assert_eq!(bls.verify_sets(&[set]), Err(0));
    }
    let other_network = deposit_signature_set(&deposit.data, &Spec::minimal());
    assert_eq!(bls.verify_sets(&[other_network]), Err(0));

    // Which place it has is not recorded, but the empty places around it show all but its last
    // eight bits. A tree of as many deposits is empty in the same places.
    let count = u64::from_le_bytes(deposit.proof[DEPTH][..8].try_into().unwrap());
    let index = (count - 1) & !0xff;
    let tree = tree_of(count);
    let ours = tree.proof(index).unwrap();
    assert_eq!(ours[DEPTH], deposit.proof[DEPTH]);
    for depth in 8..DEPTH {
        let empty = Root::from(zero_hash(depth as u32));
        assert_eq!(
            ours[depth] == empty,
            deposit.proof[depth] == empty,
            "{depth}"
        );
    }
    let data = deposit.data.hash_tree_root();
    let root = deposit
        .proof
        .iter()
        .enumerate()
        .fold(data, |node, (depth, sibling)| match index >> depth & 1 {
            1 => pair(*sibling, node),
            _ => pair(node, *sibling),
        });
    assert!(is_valid_merkle_branch(
        data,
        &deposit.proof,
        DEPTH + 1,
        index,
        root
    ));
    let elsewhere = index ^ (1 << 12);
    assert!(!is_valid_merkle_branch(
        data,
        &deposit.proof,
        DEPTH + 1,
        elsewhere,
        root
    ));
}
