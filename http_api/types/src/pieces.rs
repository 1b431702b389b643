//! Long JSON lists written in pieces of some [`PIECE_BYTES`], so that a list as long as the
//! registry is never in memory as a whole. What is written is what serde writes for the types of
//! this crate.

use crate::{Envelope, ValidatorStatus};
use consensus::helpers::get_current_epoch;
use consensus::state::Shuffling;
use consensus::*;
use std::sync::Arc;

/// About the length of a piece, bytes.
pub const PIECE_BYTES: usize = 64 << 10;

/// Most items that are looked at for one piece: between pieces others get their turn.
const ITEMS_PER_PIECE: usize = 4096;

/// The validators asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of the registry.
    All,
    /// These, ascending; those that the registry does not have are skipped.
    Listed(Vec<ValidatorIndex>),
}

impl Selection {
    fn len(&self, state: &BeaconState) -> usize {
        match self {
            Selection::All => state.validators().len(),
            Selection::Listed(indices) => indices.len(),
        }
    }

    fn index(&self, at: usize) -> usize {
        match self {
            Selection::All => at,
            Selection::Listed(indices) => indices[at] as usize,
        }
    }
}

/// An answer whose `data` is a list. The pieces in order are the body; a piece may be empty.
struct ListPieces<W> {
    started: bool,
    at: usize,
    len: usize,
    any: bool,
    finalized: bool,
    /// Writes an item, or nothing if it is not to be listed.
    write: W,
}

impl<W: FnMut(usize, &mut Vec<u8>)> Iterator for ListPieces<W> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.started && self.at > self.len {
            return None;
        }
        let mut piece = Vec::with_capacity(PIECE_BYTES + 4096);
        if !self.started {
            self.started = true;
            piece.extend_from_slice(&opening(self.finalized));
        }
        let end = self.len.min(self.at.saturating_add(ITEMS_PER_PIECE));
        while self.at < end && piece.len() < PIECE_BYTES {
            let before = piece.len();
            if self.any {
                piece.push(b',');
            }
            let start = piece.len();
            (self.write)(self.at, &mut piece);
            self.at += 1;
            match piece.len() == start {
                true => piece.truncate(before),
                false => self.any = true,
            }
        }
        if self.at == self.len {
            piece.extend_from_slice(b"]}");
            self.at += 1;
        }
        Some(piece)
    }
}

/// Everything of an answer up to the list's first item.
fn opening(finalized: bool) -> Vec<u8> {
    let empty: [u8; 0] = [];
    let mut text = serde_json::to_vec(&Envelope::of_chain(finalized, empty)).unwrap_or_default();
    text.truncate(text.len().saturating_sub(2));
    text
}

fn list(
    len: usize,
    finalized: bool,
    write: impl FnMut(usize, &mut Vec<u8>) + Send + Sync + 'static,
) -> impl Iterator<Item = Vec<u8>> + Send + Sync + 'static {
    ListPieces {
        started: false,
        at: 0,
        len,
        any: false,
        finalized,
        write,
    }
}

/// The body of a list of [`crate::ValidatorData`]; without `statuses` of any status.
pub fn validator_pieces(
    state: BeaconState,
    selection: Selection,
    statuses: Vec<ValidatorStatus>,
    finalized: bool,
) -> impl Iterator<Item = Vec<u8>> + Send + Sync + 'static {
    let epoch = get_current_epoch(&state);
    let len = selection.len(&state);
    list(len, finalized, move |at, out| {
        let index = selection.index(at);
        let validator = state.validators().get(index);
        let (Some(validator), Some(balance)) = (validator, state.balances().get(index)) else {
            return;
        };
        let status = ValidatorStatus::of(&validator, epoch);
        if !statuses.is_empty() && !statuses.contains(&status) {
            return;
        }
        out.extend_from_slice(b"{\"index\":");
        write_number(out, index as u64);
        out.extend_from_slice(b",\"balance\":");
        write_number(out, balance);
        out.extend_from_slice(b",\"status\":\"");
        out.extend_from_slice(status.as_str().as_bytes());
        out.extend_from_slice(b"\",\"validator\":");
        write_validator(out, &validator);
        out.push(b'}');
    })
}

/// The body of a list of [`crate::BalanceData`].
pub fn balance_pieces(
    state: BeaconState,
    selection: Selection,
    finalized: bool,
) -> impl Iterator<Item = Vec<u8>> + Send + Sync + 'static {
    let len = selection.len(&state);
    list(len, finalized, move |at, out| {
        let index = selection.index(at);
        if let Some(balance) = state.balances().get(index) {
            out.extend_from_slice(b"{\"index\":");
            write_number(out, index as u64);
            out.extend_from_slice(b",\"balance\":");
            write_number(out, balance);
            out.push(b'}');
        }
    })
}

/// A list of [`crate::BalanceData`] in SSZ.
pub fn balances_ssz(state: &BeaconState, selection: &Selection) -> Vec<u8> {
    let len = selection.len(state);
    let mut bytes = Vec::with_capacity(len * 16);
    for index in (0..len).map(|at| selection.index(at)) {
        if let Some(balance) = state.balances().get(index) {
            bytes.extend_from_slice(&(index as u64).to_le_bytes());
            bytes.extend_from_slice(&balance.to_le_bytes());
        }
    }
    bytes
}

/// The body of a list of [`crate::CommitteeData`]: those committees, by slot and index.
pub fn committee_pieces(
    shuffling: Arc<Shuffling>,
    committees: Vec<(Slot, CommitteeIndex)>,
    finalized: bool,
) -> impl Iterator<Item = Vec<u8>> + Send + Sync + 'static {
    list(committees.len(), finalized, move |at, out| {
        let (slot, index) = committees[at];
        let Some(members) = shuffling.committee(slot, index) else {
            return;
        };
        out.extend_from_slice(b"{\"index\":");
        write_number(out, index);
        out.extend_from_slice(b",\"slot\":");
        write_number(out, slot);
        out.extend_from_slice(b",\"validators\":[");
        for (place, member) in members.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            write_number(out, u64::from(*member));
        }
        out.extend_from_slice(b"]}");
    })
}

/// A number in decimal and quotes.
pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push(b'"');
    out.extend_from_slice(&digits[first..]);
    out.push(b'"');
}

/// Bytes in hex with `0x` and quotes.
pub(crate) fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\"0x");
    out.extend(bytes.iter().flat_map(|byte| {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        [DIGITS[high], DIGITS[low]]
    }));
    out.push(b'"');
}

/// What serde writes for it.
pub(crate) fn write_validator(out: &mut Vec<u8>, validator: &Validator) {
    out.extend_from_slice(b"{\"pubkey\":");
    write_hex(out, validator.pubkey.as_slice());
    out.extend_from_slice(b",\"withdrawal_credentials\":");
    write_hex(out, validator.withdrawal_credentials.as_slice());
    out.extend_from_slice(b",\"effective_balance\":");
    write_number(out, validator.effective_balance);
    out.extend_from_slice(match validator.slashed {
        true => b",\"slashed\":true",
        false => b",\"slashed\":false",
    });
    let epochs: [(&[u8], Epoch); 4] = [
        (
            b",\"activation_eligibility_epoch\":",
            validator.activation_eligibility_epoch,
        ),
        (b",\"activation_epoch\":", validator.activation_epoch),
        (b",\"exit_epoch\":", validator.exit_epoch),
        (b",\"withdrawable_epoch\":", validator.withdrawable_epoch),
    ];
    for (name, epoch) in epochs {
        out.extend_from_slice(name);
        write_number(out, epoch);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests;
