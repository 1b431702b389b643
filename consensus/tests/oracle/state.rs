//! The state as plain vectors, with its own SSZ and its own Merkle tree.

use consensus::*;
use ssz::Encode;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct PlainState {
    pub spec: Arc<Spec>,
    pub genesis_time: u64,
    pub genesis_validators_root: Root,
    pub slot: Slot,
    pub fork: Fork,
    pub latest_block_header: BeaconBlockHeader,
    pub block_roots: Vec<Root>,
    pub state_roots: Vec<Root>,
    pub historical_roots: Vec<Root>,
    pub eth1_data: Eth1Data,
    pub eth1_data_votes: Vec<Eth1Data>,
    pub eth1_deposit_index: u64,
    pub validators: Vec<Validator>,
    pub balances: Vec<Gwei>,
    pub randao_mixes: Vec<Root>,
    pub slashings: Vec<Gwei>,
    pub previous_epoch_attestations: Vec<PendingAttestation>,
    pub current_epoch_attestations: Vec<PendingAttestation>,
    pub justification_bits: [bool; 4],
    pub previous_justified_checkpoint: Checkpoint,
    pub current_justified_checkpoint: Checkpoint,
    pub finalized_checkpoint: Checkpoint,
}

/// One field's SSZ and whether its length varies.
struct Field {
    name: &'static str,
    bytes: Vec<u8>,
    variable: bool,
}

fn concat<T: Encode>(items: &[T]) -> Vec<u8> {
    items.iter().flat_map(Encode::as_ssz_bytes).collect()
}

fn offsets_then_items(items: &[PendingAttestation]) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = items.iter().map(Encode::as_ssz_bytes).collect();
    let mut offset = 4 * parts.len();
    let mut bytes = Vec::new();
    for part in &parts {
        bytes.extend_from_slice(&(offset as u32).to_le_bytes());
        offset += part.len();
    }
    bytes.extend(parts.concat());
    bytes
}

impl PlainState {
    fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        let mut field = |name, bytes, variable| {
            fields.push(Field {
                name,
                bytes,
                variable,
            });
        };
        let bits = (0..4).map(|at| u8::from(self.justification_bits[at]) << at);
        field("genesis_time", self.genesis_time.as_ssz_bytes(), false);
        let root = self.genesis_validators_root;
        field("genesis_validators_root", root.as_ssz_bytes(), false);
        field("slot", self.slot.as_ssz_bytes(), false);
        field("fork", self.fork.as_ssz_bytes(), false);
        let header = &self.latest_block_header;
        field("latest_block_header", header.as_ssz_bytes(), false);
        field("block_roots", concat(&self.block_roots), false);
        field("state_roots", concat(&self.state_roots), false);
        field("historical_roots", concat(&self.historical_roots), true);
        field("eth1_data", self.eth1_data.as_ssz_bytes(), false);
        field("eth1_data_votes", concat(&self.eth1_data_votes), true);
        let index = self.eth1_deposit_index;
        field("eth1_deposit_index", index.as_ssz_bytes(), false);
        field("validators", concat(&self.validators), true);
        field("balances", concat(&self.balances), true);
        field("randao_mixes", concat(&self.randao_mixes), false);
        field("slashings", concat(&self.slashings), false);
        let previous = offsets_then_items(&self.previous_epoch_attestations);
        field("previous_epoch_attestations", previous, true);
        let current = offsets_then_items(&self.current_epoch_attestations);
        field("current_epoch_attestations", current, true);
        field("justification_bits", vec![bits.sum()], false);
        let checkpoint = self.previous_justified_checkpoint;
        field(
            "previous_justified_checkpoint",
            checkpoint.as_ssz_bytes(),
            false,
        );
        let checkpoint = self.current_justified_checkpoint;
        field(
            "current_justified_checkpoint",
            checkpoint.as_ssz_bytes(),
            false,
        );
        let checkpoint = self.finalized_checkpoint;
        field("finalized_checkpoint", checkpoint.as_ssz_bytes(), false);
        fields
    }

    pub fn to_ssz(&self) -> Vec<u8> {
        let fields = self.fields();
        let fixed = |field: &Field| if field.variable { 4 } else { field.bytes.len() };
        let mut offset: usize = fields.iter().map(fixed).sum();
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        for field in fields {
            if field.variable {
                head.extend_from_slice(&(offset as u32).to_le_bytes());
                offset += field.bytes.len();
                tail.extend(field.bytes);
            } else {
                head.extend(field.bytes);
            }
        }
        head.extend(tail);
        head
    }

    /// Where `bytes`, an SSZ state of the same preset, differs from this one.
    pub fn differs_from(&self, bytes: &[u8]) -> Option<String> {
        let mine = self.to_ssz();
        if mine == bytes {
            return None;
        }
        let at = mine.iter().zip(bytes).position(|(a, b)| a != b);
        let at = at.unwrap_or(mine.len().min(bytes.len()));
        let (mut head, mut name) = (0, "after the end");
        let fixed = |field: &Field| if field.variable { 4 } else { field.bytes.len() };
        let fields = self.fields();
        let mut tail: usize = fields.iter().map(fixed).sum();
        for field in &fields {
            let is_head = (head..head + fixed(field)).contains(&at);
            let is_tail = field.variable && (tail..tail + field.bytes.len()).contains(&at);
            if is_head || is_tail {
                name = field.name;
            }
            head += fixed(field);
            tail += if field.variable { field.bytes.len() } else { 0 };
        }
        let lengths = (mine.len(), bytes.len());
        Some(format!(
            "first at byte {at}, in {name}; lengths {lengths:?}"
        ))
    }

    /// The state of the crate under test with the same content and nothing computed yet.
    pub fn to_state(&self) -> BeaconState {
        BeaconState::from_ssz_bytes(&self.to_ssz(), &self.spec).expect("a well-formed state")
    }

    /// `hash_tree_root` over whole trees.
    pub fn root(&self) -> Root {
        let spec = &self.spec;
        let pending = spec.MAX_ATTESTATIONS * spec.SLOTS_PER_EPOCH;
        let votes = spec.EPOCHS_PER_ETH1_VOTING_PERIOD * spec.SLOTS_PER_EPOCH;
        let registry = spec.VALIDATOR_REGISTRY_LIMIT;
        let previous = roots(&self.previous_epoch_attestations);
        let current = roots(&self.current_epoch_attestations);
        let bits = (0..4).map(|at| u8::from(self.justification_bits[at]) << at);
        let mut bits_leaf = Root::ZERO;
        bits_leaf[0] = bits.sum();
        let fields = vec![
            self.genesis_time.hash_tree_root(),
            self.genesis_validators_root,
            self.slot.hash_tree_root(),
            self.fork.hash_tree_root(),
            self.latest_block_header.hash_tree_root(),
            merkle(self.block_roots.clone(), spec.SLOTS_PER_HISTORICAL_ROOT),
            merkle(self.state_roots.clone(), spec.SLOTS_PER_HISTORICAL_ROOT),
            list(self.historical_roots.clone(), spec.HISTORICAL_ROOTS_LIMIT),
            self.eth1_data.hash_tree_root(),
            list(roots(&self.eth1_data_votes), votes),
            self.eth1_deposit_index.hash_tree_root(),
            list(roots(&self.validators), registry),
            with_length(
                merkle(packed(&self.balances), registry.div_ceil(4)),
                self.balances.len(),
            ),
            merkle(self.randao_mixes.clone(), spec.EPOCHS_PER_HISTORICAL_VECTOR),
            merkle(
                packed(&self.slashings),
                spec.EPOCHS_PER_SLASHINGS_VECTOR.div_ceil(4),
            ),
            list(previous, pending),
            list(current, pending),
            bits_leaf,
            self.previous_justified_checkpoint.hash_tree_root(),
            self.current_justified_checkpoint.hash_tree_root(),
            self.finalized_checkpoint.hash_tree_root(),
        ];
        merkle(fields, 21)
    }
}

pub fn sha256(left: &[u8], right: &[u8]) -> Root {
    consensus::helpers::hash(&[left, right].concat())
}

fn roots<T: HashTreeRoot>(items: &[T]) -> Vec<Root> {
    items.iter().map(HashTreeRoot::hash_tree_root).collect()
}

fn packed(numbers: &[u64]) -> Vec<Root> {
    let leaf = |four: &[u64]| {
        let mut leaf = Root::ZERO;
        for (at, number) in four.iter().enumerate() {
            leaf[at * 8..at * 8 + 8].copy_from_slice(&number.to_le_bytes());
        }
        leaf
    };
    numbers.chunks(4).map(leaf).collect()
}

fn list(leaves: Vec<Root>, limit: u64) -> Root {
    let length = leaves.len();
    with_length(merkle(leaves, limit), length)
}

fn with_length(root: Root, length: usize) -> Root {
    let mut leaf = Root::ZERO;
    leaf[..8].copy_from_slice(&(length as u64).to_le_bytes());
    sha256(root.as_slice(), leaf.as_slice())
}

/// The root of the smallest tree with room for `limit` leaves.
pub fn merkle(leaves: Vec<Root>, limit: u64) -> Root {
    let mut layer = leaves;
    let mut zero = Root::ZERO;
    let mut width = 1u64;
    if layer.is_empty() {
        layer.push(zero);
    }
    while width < limit {
        if layer.len() % 2 == 1 {
            layer.push(zero);
        }
        layer = layer
            .chunks(2)
            .map(|pair| sha256(pair[0].as_slice(), pair[1].as_slice()))
            .collect();
        zero = sha256(zero.as_slice(), zero.as_slice());
        width *= 2;
    }
    assert_eq!(layer.len(), 1, "more leaves than the limit");
    layer[0]
}
