//! The validator registry: columns in shared chunks, so that a scan of one field reads only it.

use crate::bls::PubkeyId;
use crate::containers::Validator;
use crate::cow::{Chunk, CowList};
use crate::hashing::merkleize;
use crate::primitives::*;
use kernels::Node;
use std::sync::{Arc, OnceLock};

/// Validators per chunk: 128 make 5 KiB of columns, and one change hashes 135 nodes again.
const CHUNK_DEPTH: u32 = 7;
const CHUNK_LEN: usize = 1 << CHUNK_DEPTH;

/// What never changes after a validator joined, shared by all versions of a chunk.
#[derive(Clone, Debug, Default)]
struct Credentials {
    pubkeys: Vec<PubkeyId>,
    withdrawal_credentials: Vec<Root>,
}

/// The roots of a chunk and of its validators.
#[derive(Clone, Debug)]
struct Hashed {
    root: Node,
    validators: Arc<[Node]>,
}

/// Up to 128 validators as columns, all in one allocation.
#[derive(Clone, Debug)]
pub struct ValidatorChunk {
    credentials: Arc<Credentials>,
    len: usize,
    effective_balance: [Gwei; CHUNK_LEN],
    slashed: [bool; CHUNK_LEN],
    activation_eligibility_epoch: [Epoch; CHUNK_LEN],
    activation_epoch: [Epoch; CHUNK_LEN],
    exit_epoch: [Epoch; CHUNK_LEN],
    withdrawable_epoch: [Epoch; CHUNK_LEN],
    hashed: OnceLock<Hashed>,
    /// Roots of the validators before the latest changes, and a bit for each that is no longer
    /// right: changing one validator costs its own eight hashes and the chunk's upper tree, an
    /// eighth of hashing all of them (1% of effective balances changed: 105 ms before, for 400,000).
    before: Option<Arc<[Node]>>,
    stale: u128,
}

impl Default for ValidatorChunk {
    fn default() -> Self {
        ValidatorChunk {
            credentials: Arc::default(),
            len: 0,
            effective_balance: [0; CHUNK_LEN],
            slashed: [false; CHUNK_LEN],
            activation_eligibility_epoch: [0; CHUNK_LEN],
            activation_epoch: [0; CHUNK_LEN],
            exit_epoch: [0; CHUNK_LEN],
            withdrawable_epoch: [0; CHUNK_LEN],
            hashed: OnceLock::new(),
            before: None,
            stale: 0,
        }
    }
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident, $set:ident: $type:ty;)*) => {
        impl ValidatorChunk {
            $($(#[$doc])*
            pub fn $name(&self) -> &[$type] {
                &self.$name[..self.len]
            })*
        }

        impl Validators {
            $($(#[$doc])*
            pub fn $name(&self, index: usize) -> Option<$type> {
                self.list.locate(index).map(|(chunk, at)| chunk.$name[at])
            }

            /// Replaces the value; false if there is no such validator.
            pub(super) fn $set(&mut self, index: usize, value: $type) -> bool {
                match self.list.locate_mut(index) {
                    Some((chunk, at)) => {
                        chunk.$name[at] = value;
                        chunk.stale |= 1 << at;
                        true
                    }
                    None => false,
                }
            })*
        }
    };
}

columns! {
    /// Balance at stake, Gwei.
    effective_balance, set_effective_balance: Gwei;
    /// Whether the validator has been slashed.
    slashed, set_slashed: bool;
    /// Epoch at which activation became possible.
    activation_eligibility_epoch, set_activation_eligibility_epoch: Epoch;
    /// First epoch of duty.
    activation_epoch, set_activation_epoch: Epoch;
    /// First epoch without duty.
    exit_epoch, set_exit_epoch: Epoch;
    /// First epoch at which funds can leave.
    withdrawable_epoch, set_withdrawable_epoch: Epoch;
}

impl ValidatorChunk {
    /// Interned keys of the validators.
    pub fn pubkeys(&self) -> &[PubkeyId] {
        &self.credentials.pubkeys
    }

    /// Withdrawal credentials of the validators.
    pub fn withdrawal_credentials(&self) -> &[Root] {
        &self.credentials.withdrawal_credentials
    }

    /// Number of validators in the chunk.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the chunk has no validators; a registry has no such chunk.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn get(&self, at: usize) -> Validator {
        Validator {
            pubkey: *self.credentials.pubkeys[at].bytes(),
            withdrawal_credentials: self.credentials.withdrawal_credentials[at],
            effective_balance: self.effective_balance[at],
            slashed: self.slashed[at],
            activation_eligibility_epoch: self.activation_eligibility_epoch[at],
            activation_epoch: self.activation_epoch[at],
            exit_epoch: self.exit_epoch[at],
            withdrawable_epoch: self.withdrawable_epoch[at],
        }
    }

    fn push(&mut self, pubkey: PubkeyId, validator: &Validator) {
        let at = self.len;
        let credentials = Arc::make_mut(&mut self.credentials);
        credentials.pubkeys.push(pubkey);
        credentials
            .withdrawal_credentials
            .push(validator.withdrawal_credentials);
        self.effective_balance[at] = validator.effective_balance;
        self.slashed[at] = validator.slashed;
        self.activation_eligibility_epoch[at] = validator.activation_eligibility_epoch;
        self.activation_epoch[at] = validator.activation_epoch;
        self.exit_epoch[at] = validator.exit_epoch;
        self.withdrawable_epoch[at] = validator.withdrawable_epoch;
        self.stale |= 1 << at;
        self.len += 1;
    }

    /// Appends this chunk's validators as SSZ. `validator` is 121 bytes.
    fn ssz_append(&self, buffer: &mut Vec<u8>) {
        for at in 0..self.len {
            let mut one = [0; VALIDATOR_SSZ_LEN];
            let mut put = |from: usize, bytes: &[u8]| {
                one[from..from + bytes.len()].copy_from_slice(bytes);
            };
            put(0, self.credentials.pubkeys[at].bytes().as_slice());
            put(48, self.credentials.withdrawal_credentials[at].as_slice());
            put(80, &self.effective_balance[at].to_le_bytes());
            put(88, &[u8::from(self.slashed[at])]);
            put(89, &self.activation_eligibility_epoch[at].to_le_bytes());
            put(97, &self.activation_epoch[at].to_le_bytes());
            put(105, &self.exit_epoch[at].to_le_bytes());
            put(113, &self.withdrawable_epoch[at].to_le_bytes());
            buffer.extend_from_slice(&one);
        }
    }

    /// Roots of the validators at these places. Eight leaves each; all validators go through each
    /// layer together.
    fn roots_of(&self, places: &[usize]) -> Vec<Node> {
        let mut keys = vec![[0u8; 32]; 2 * places.len()];
        for (leaves, &at) in keys.chunks_exact_mut(2).zip(places) {
            let key = self.credentials.pubkeys[at].bytes();
            leaves[0].copy_from_slice(&key[..32]);
            leaves[1][..16].copy_from_slice(&key[32..]);
        }
        kernels::hash_layer(&mut keys);
        let mut nodes = vec![[0u8; 32]; 8 * places.len()];
        for ((leaves, key), &at) in nodes.chunks_exact_mut(8).zip(&keys).zip(places) {
            leaves[0] = *key;
            leaves[1] = self.credentials.withdrawal_credentials[at].0;
            leaves[2][..8].copy_from_slice(&self.effective_balance[at].to_le_bytes());
            leaves[3][0] = u8::from(self.slashed[at]);
            leaves[4][..8].copy_from_slice(&self.activation_eligibility_epoch[at].to_le_bytes());
            leaves[5][..8].copy_from_slice(&self.activation_epoch[at].to_le_bytes());
            leaves[6][..8].copy_from_slice(&self.exit_epoch[at].to_le_bytes());
            leaves[7][..8].copy_from_slice(&self.withdrawable_epoch[at].to_le_bytes());
        }
        for layer in 0..3 {
            kernels::hash_layer(&mut nodes[..(8 * places.len()) >> layer]);
        }
        nodes.truncate(places.len());
        nodes
    }

    fn compute_hashed(&self, depth: u32) -> Hashed {
        let roots = match &self.before {
            Some(before) => {
                let stale = |at: &usize| self.stale >> at & 1 == 1;
                let places: Vec<usize> = (0..self.len).filter(stale).collect();
                let mut roots = before.to_vec();
                roots.resize(self.len, [0; 32]);
                for (root, &at) in self.roots_of(&places).into_iter().zip(&places) {
                    roots[at] = root;
                }
                roots
            }
            None => self.roots_of(&(0..self.len).collect::<Vec<_>>()),
        };
        Hashed {
            // Of exactly that many nodes: the vector's room is eight times as large.
            validators: Arc::from(roots.as_slice()),
            root: merkleize(roots, depth),
        }
    }
}

impl Chunk for ValidatorChunk {
    const DEPTH: u32 = CHUNK_DEPTH;
    const CAPACITY: usize = CHUNK_LEN;

    fn root(&self, depth: u32) -> Node {
        self.hashed.get_or_init(|| self.compute_hashed(depth)).root
    }

    fn forget_root(&mut self) {
        if let Some(hashed) = self.hashed.take() {
            self.before = Some(hashed.validators);
            self.stale = 0;
        }
    }
}

/// SSZ length of a `Validator`, bytes.
pub(super) const VALIDATOR_SSZ_LEN: usize = 121;

/// The registry, `List[Validator, VALIDATOR_REGISTRY_LIMIT]`.
#[derive(Clone, Debug, Default)]
pub struct Validators {
    list: CowList<ValidatorChunk>,
}

impl Validators {
    /// Number of validators.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The validator at `index`.
    pub fn get(&self, index: usize) -> Option<Validator> {
        self.list.locate(index).map(|(chunk, at)| chunk.get(at))
    }

    /// Effective balance of the validator at `index` if it is not slashed, else 0, Gwei.
    pub(super) fn unslashed_balance(&self, index: usize) -> Gwei {
        match self.list.locate(index) {
            Some((chunk, at)) if !chunk.slashed[at] => chunk.effective_balance[at],
            _ => 0,
        }
    }

    /// The interned key of the validator at `index`.
    pub fn pubkey_id(&self, index: usize) -> Option<PubkeyId> {
        self.list
            .locate(index)
            .map(|(chunk, at)| chunk.credentials.pubkeys[at])
    }

    /// All validators in order, by value.
    pub fn iter(&self) -> impl Iterator<Item = Validator> {
        self.chunks()
            .flat_map(|chunk| (0..chunk.len()).map(|at| chunk.get(at)))
    }

    /// The columns, 128 validators at a time, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &ValidatorChunk> {
        self.list.chunks()
    }

    /// The chunk that holds the validator at `index`.
    pub(super) fn chunk_at(&self, index: usize) -> Option<&ValidatorChunk> {
        self.list.locate(index).map(|(chunk, _)| chunk)
    }

    /// Every key in order.
    pub fn pubkeys(&self) -> impl Iterator<Item = PubkeyId> {
        self.chunks()
            .flat_map(|chunk| chunk.credentials.pubkeys.iter().copied())
    }

    pub(super) fn push(&mut self, validator: &Validator) -> PubkeyId {
        let key = PubkeyId::intern(&validator.pubkey);
        self.list.grow().push(key, validator);
        key
    }

    pub(super) fn root(&self, depth: u32) -> Node {
        self.list.root(depth)
    }

    pub(super) fn warm_root(&self, depth: u32, pool: &crate::Pool) {
        self.list.warm_root(depth, pool);
    }

    pub(super) fn ssz_append(&self, buffer: &mut Vec<u8>) {
        for chunk in self.chunks() {
            chunk.ssz_append(buffer);
        }
    }

    /// From SSZ whose length is a multiple of 121 and within the limit. `None` if a boolean is
    /// neither 0 nor 1.
    pub(super) fn from_ssz(bytes: &[u8]) -> Option<Validators> {
        let keys = PubkeyId::intern_all(
            bytes
                .chunks_exact(VALIDATOR_SSZ_LEN)
                .map(|one| one[..48].try_into().expect("a slice of 48 bytes")),
        );
        let len = keys.len();
        let mut chunks = Vec::with_capacity(len.div_ceil(CHUNK_LEN));
        for (bytes, keys) in bytes
            .chunks(VALIDATOR_SSZ_LEN * CHUNK_LEN)
            .zip(keys.chunks(CHUNK_LEN))
        {
            chunks.push(decode_chunk(bytes, keys)?);
        }
        Some(Validators {
            list: CowList::from_chunks(chunks, len),
        })
    }
}

fn decode_chunk(bytes: &[u8], keys: &[PubkeyId]) -> Option<ValidatorChunk> {
    let mut chunk = ValidatorChunk {
        len: keys.len(),
        ..ValidatorChunk::default()
    };
    let mut withdrawal_credentials = Vec::with_capacity(keys.len());
    let number = |one: &[u8], at: usize| {
        u64::from_le_bytes(one[at..at + 8].try_into().expect("a slice of 8 bytes"))
    };
    for (at, one) in bytes.chunks_exact(VALIDATOR_SSZ_LEN).enumerate() {
        withdrawal_credentials.push(Root::from_slice(&one[48..80]));
        chunk.effective_balance[at] = number(one, 80);
        chunk.slashed[at] = match one[88] {
            0 => false,
            1 => true,
            _ => return None,
        };
        chunk.activation_eligibility_epoch[at] = number(one, 89);
        chunk.activation_epoch[at] = number(one, 97);
        chunk.exit_epoch[at] = number(one, 105);
        chunk.withdrawable_epoch[at] = number(one, 113);
    }
    chunk.credentials = Arc::new(Credentials {
        pubkeys: keys.to_vec(),
        withdrawal_credentials,
    });
    Some(chunk)
}
