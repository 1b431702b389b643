//! What is written in pieces equals what serde writes.

use super::*;
use crate::state_pieces::state_pieces;
use crate::{BalanceData, CommitteeData, ValidatorData};
use chain_maker::{BlockOptions, ChainMaker};

/// A state with something in every list.
fn made_state() -> BeaconState {
    let spec = Arc::new(Spec::minimal());
    let mut maker = ChainMaker::new(&spec, 64, 7, &Pool::default()).expect("a chain");
    for slot in 1..=70 {
        maker
            .block_at(slot, &BlockOptions::default())
            .expect("a block");
    }
    let mut state = maker.post_state(maker.head()).expect("the head").clone();
    state.set_slashed(5, true).expect("validator 5");
    state.set_exit_epoch(5, 6).expect("validator 5");
    state
}

fn joined(pieces: impl Iterator<Item = Vec<u8>>) -> String {
    let bytes: Vec<u8> = pieces.flatten().collect();
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

fn expected<T: serde::Serialize>(data: T) -> String {
    serde_json::to_string(&Envelope::of_chain(true, data)).expect("JSON")
}

#[test]
fn numbers_and_bytes() {
    for number in [0, 9, 10, 32_000_000_000, u64::MAX] {
        let mut out = Vec::new();
        write_number(&mut out, number);
        assert_eq!(out, format!("\"{number}\"").into_bytes());
    }
    let mut out = Vec::new();
    write_hex(&mut out, &[0x00, 0x1f, 0xa0]);
    assert_eq!(out, b"\"0x001fa0\"");
}

#[test]
fn a_state_in_pieces_is_the_state() {
    let state = made_state();
    assert!(state.historical_roots().len() == 1 && !state.current_epoch_attestations().is_empty());
    let whole = Envelope::versioned(false, state.to_json());
    let whole = serde_json::to_string(&whole).expect("JSON");
    let pieces: Vec<Vec<u8>> = state_pieces(state, false).collect();
    assert!(pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 4096));
    assert_eq!(joined(pieces.into_iter()), whole);
}

#[test]
fn lists_in_pieces_are_the_lists() {
    let state = made_state();
    let epoch = get_current_epoch(&state);
    let all: Vec<ValidatorData> = state
        .validators()
        .iter()
        .zip(state.balances().iter())
        .zip(0..)
        .map(|((validator, balance), index)| ValidatorData {
            index,
            balance,
            status: ValidatorStatus::of(&validator, epoch),
            validator,
        })
        .collect();
    let written = validator_pieces(state.clone(), Selection::All, vec![], true);
    assert_eq!(joined(written), expected(&all));

    let exited = vec![ValidatorStatus::ExitedSlashed];
    let written = validator_pieces(state.clone(), Selection::All, exited.clone(), true);
    let wanted = all.iter().filter(|one| one.status == exited[0]);
    let wanted: Vec<_> = wanted.collect();
    assert_eq!(wanted.len(), 1);
    assert_eq!(joined(written), expected(wanted));

    let some = Selection::Listed(vec![1, 63, 64, u64::MAX]);
    let written = validator_pieces(state.clone(), some.clone(), vec![], true);
    assert_eq!(joined(written), expected([&all[1], &all[63]]));

    let balances = [1, 63].map(|index: u64| BalanceData {
        index,
        balance: all[index as usize].balance,
    });
    let ssz = balances_ssz(&state, &some);
    let numbers = balances.map(|one| [one.index.to_le_bytes(), one.balance.to_le_bytes()]);
    assert_eq!(ssz, numbers.concat().concat());
    assert_eq!(
        joined(balance_pieces(state.clone(), some, true)),
        expected(balances)
    );
    let none = balance_pieces(state, Selection::Listed(vec![]), true);
    assert_eq!(joined(none), expected([0; 0]));
}

#[test]
fn committees_in_pieces_are_the_committees() {
    let state = made_state();
    let shuffling = state.shuffling(8).expect("committees");
    let wanted = vec![(64, 0), (71, 0), (71, 1), (72, 0)];
    let data: Vec<CommitteeData> = wanted
        .iter()
        .filter_map(|&(slot, index)| {
            let members = shuffling.committee(slot, index)?;
            let validators = members.iter().map(|&member| member.into()).collect();
            Some(CommitteeData {
                index,
                slot,
                validators,
            })
        })
        .collect();
    assert_eq!(data.len(), 2, "63 are active: one committee a slot");
    assert_eq!(
        joined(committee_pieces(shuffling, wanted, true)),
        expected(data)
    );
}

#[test]
fn a_long_list_comes_in_bounded_pieces() {
    let mut written = 0;
    let list = list(100_000, false, |at, out| {
        if at % 50_000 == 49_999 {
            write_number(out, at as u64);
        }
    });
    let pieces: Vec<Vec<u8>> = list.inspect(|piece| written += piece.len()).collect();
    assert!(pieces.len() > 100_000 / ITEMS_PER_PIECE);
    let whole = joined(pieces.into_iter());
    assert!(
        whole.ends_with("\"data\":[\"49999\",\"99999\"]}"),
        "{whole}"
    );
}
