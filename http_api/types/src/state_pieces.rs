//! The JSON form of a whole state, written in pieces.

use crate::Envelope;
use crate::pieces::{PIECE_BYTES, write_hex, write_number, write_validator};
use consensus::*;
use serde::Serialize;

/// Writes the item of a list at a place that it has.
type WriteItem = fn(&BeaconState, usize, &mut Vec<u8>);

/// A part of the body: text, or a list's items.
enum Part {
    Text(Vec<u8>),
    List(usize, WriteItem),
}

/// The body of an answer with a state: what serde writes for `BeaconState::to_json`, without a copy
/// of the state.
pub fn state_pieces(
    state: BeaconState,
    finalized: bool,
) -> impl Iterator<Item = Vec<u8>> + Send + Sync + 'static {
    StatePieces {
        parts: parts(&state, finalized).into_iter(),
        list: None,
        state,
    }
}

struct StatePieces {
    state: BeaconState,
    parts: std::vec::IntoIter<Part>,
    /// The list that is being written: its next item, its length.
    list: Option<(usize, usize, WriteItem)>,
}

impl Iterator for StatePieces {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES {
            if let Some((at, len, write)) = self.list {
                if at == len {
                    self.list = None;
                    continue;
                }
                if at > 0 {
                    piece.push(b',');
                }
                write(&self.state, at, &mut piece);
                self.list = Some((at + 1, len, write));
                continue;
            }
            match self.parts.next() {
                Some(Part::Text(text)) => piece.extend_from_slice(&text),
                Some(Part::List(len, write)) => self.list = Some((0, len, write)),
                None => break,
            }
        }
        (!piece.is_empty()).then_some(piece)
    }
}

/// Collects the fields in order.
struct Fields {
    parts: Vec<Part>,
    text: Vec<u8>,
}

impl Fields {
    fn name(&mut self, name: &str) {
        if !self.text.ends_with(b"{") {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        write_number(&mut self.text, number);
    }

    fn value(&mut self, name: &str, value: &impl Serialize) {
        self.name(name);
        self.text.extend_from_slice(&json(value));
    }

    fn list(&mut self, name: &str, len: usize, write: WriteItem) {
        self.name(name);
        self.text.push(b'[');
        self.parts.push(Part::Text(std::mem::take(&mut self.text)));
        self.parts.push(Part::List(len, write));
        self.text.push(b']');
    }
}

/// Values of this crate's and the specification's types always have a JSON form.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn item(value: Option<&impl Serialize>, out: &mut Vec<u8>) {
    out.extend_from_slice(&json(&value));
}

fn root(value: Option<Root>, out: &mut Vec<u8>) {
    write_hex(out, value.unwrap_or_default().as_slice());
}

fn parts(state: &BeaconState, finalized: bool) -> Vec<Part> {
    let mut opening = json(&Envelope::versioned(finalized, ()));
    opening.truncate(opening.len().saturating_sub("null}".len()));
    opening.push(b'{');
    let mut fields = Fields {
        parts: Vec::new(),
        text: opening,
    };
    fields.number("genesis_time", state.genesis_time());
    let genesis_validators_root = state.genesis_validators_root();
    fields.value("genesis_validators_root", &genesis_validators_root);
    fields.number("slot", state.slot());
    fields.value("fork", state.fork());
    fields.value("latest_block_header", state.latest_block_header());
    fields.list(
        "block_roots",
        state.block_roots().len(),
        |state, at, out| {
            root(state.block_roots().get(at), out);
        },
    );
    fields.list(
        "state_roots",
        state.state_roots().len(),
        |state, at, out| {
            root(state.state_roots().get(at), out);
        },
    );
    let len = state.historical_roots().len();
    fields.list("historical_roots", len, |state, at, out| {
        root(state.historical_roots().get(at), out);
    });
    fields.value("eth1_data", state.eth1_data());
    let len = state.eth1_data_votes().len();
    fields.list("eth1_data_votes", len, |state, at, out| {
        item(state.eth1_data_votes().get(at).as_ref(), out);
    });
    fields.number("eth1_deposit_index", state.eth1_deposit_index());
    registry(&mut fields, state);
    fields.value("justification_bits", state.justification_bits());
    for (name, checkpoint) in [
        (
            "previous_justified_checkpoint",
            state.previous_justified_checkpoint(),
        ),
        (
            "current_justified_checkpoint",
            state.current_justified_checkpoint(),
        ),
        ("finalized_checkpoint", state.finalized_checkpoint()),
    ] {
        fields.value(name, &checkpoint);
    }
    fields.text.extend_from_slice(b"}}");
    fields.parts.push(Part::Text(fields.text));
    fields.parts
}

/// The registry and what follows it up to the attestations.
fn registry(fields: &mut Fields, state: &BeaconState) {
    fields.list("validators", state.validators().len(), |state, at, out| {
        if let Some(validator) = state.validators().get(at) {
            write_validator(out, &validator);
        }
    });
    fields.list("balances", state.balances().len(), |state, at, out| {
        write_number(out, state.balances().get(at).unwrap_or_default());
    });
    fields.list(
        "randao_mixes",
        state.randao_mixes().len(),
        |state, at, out| {
            root(state.randao_mixes().get(at), out);
        },
    );
    fields.list("slashings", state.slashings().len(), |state, at, out| {
        write_number(out, state.slashings().get(at).unwrap_or_default());
    });
    let len = state.previous_epoch_attestations().len();
    fields.list("previous_epoch_attestations", len, |state, at, out| {
        item(state.previous_epoch_attestations().get(at), out);
    });
    let len = state.current_epoch_attestations().len();
    fields.list("current_epoch_attestations", len, |state, at, out| {
        item(state.current_epoch_attestations().get(at), out);
    });
}
