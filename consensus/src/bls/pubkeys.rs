//! The process-wide table of public keys.
//!
//! Keys are only ever added. The bytes and the decompressed points sit in chunks that never move,
//! so that reading them takes no lock; only the way from bytes to id does.

use std::sync::{OnceLock, RwLock};

use blst::min_pk::PublicKey;
use kernels::Node;

use super::BlsError;
use super::points::{decode_pubkey, is_infinity_g1};
use crate::{BLSPubkey, Pool};

/// Keys in a chunk.
const CHUNK: usize = 1 << 12;
/// Keys that are looked up and hashed together.
const BATCH: usize = 256;
/// Chunks in a block, and blocks in the table: together room for 2^32 keys.
const FAN_OUT: usize = 1 << 10;

struct Chunk {
    bytes: Box<[OnceLock<BLSPubkey>]>,
    /// Made when the first key of the chunk is decompressed. Infinity stands for an unusable key.
    points: OnceLock<Box<[OnceLock<PublicKey>]>>,
}

type Block = Box<[OnceLock<Chunk>]>;

static BLOCKS: [OnceLock<Block>; FAN_OUT] = [const { OnceLock::new() }; FAN_OUT];
static INDEX: RwLock<Index> = RwLock::new(Index {
    slots: Vec::new(),
    len: 0,
});

/// A public key interned process-wide by its 48 bytes: comparing ids is comparing the bytes.
/// The order of ids is the order of interning. Not known to be a valid key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PubkeyId(u32);

impl PubkeyId {
    /// The id of these bytes, interned if they are new.
    pub fn intern(key: &BLSPubkey) -> PubkeyId {
        let tag = tag(key);
        let known = INDEX.read().expect(NO_PANIC).find(tag, key).ok();
        known.unwrap_or_else(|| INDEX.write().expect(NO_PANIC).insert(tag, key))
    }

    /// The ids of many keys. Fastest when they come in the order in which they were interned, as
    /// registries do: then no key is hashed.
    pub fn intern_all<'a>(mut keys: impl Iterator<Item = &'a [u8; 48]>) -> Vec<PubkeyId> {
        let mut ids = Vec::with_capacity(keys.size_hint().0);
        let mut batch = Vec::<&[u8; 48]>::with_capacity(BATCH);
        let mut guess = PubkeyId(0);
        loop {
            batch.clear();
            batch.extend(keys.by_ref().take(BATCH));
            if batch.is_empty() {
                return ids;
            }
            let known = ids.len();
            for key in &batch {
                if guess.stored().is_none_or(|stored| stored.0 != **key) {
                    break;
                }
                ids.push(guess);
                guess.0 = guess.0.saturating_add(1);
            }
            let known = ids.len() - known;
            if known < batch.len() {
                intern_batch(&batch[known..], &mut ids);
                guess.0 = ids[ids.len() - 1].0.saturating_add(1);
            }
        }
    }

    /// The id of these bytes if they were interned before.
    pub fn get(key: &BLSPubkey) -> Option<PubkeyId> {
        INDEX.read().expect(NO_PANIC).find(tag(key), key).ok()
    }

    /// A small number, dense over all interned keys, for arrays indexed by key.
    pub fn as_index(self) -> usize {
        self.0 as usize
    }

    /// The 48 bytes. Takes no lock.
    pub fn bytes(self) -> &'static BLSPubkey {
        self.stored()
            .expect("an id is handed out after its key is stored")
    }

    /// The decompressed point, kept after the first use: on the curve and not infinity, but not
    /// known to be in the subgroup (see [`super::key_validate`]). Takes no lock once it is there.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub fn public_key(self) -> Result<&'static PublicKey, BlsError> {
        let (chunk, at) = self.place();
        let points = chunk
            .and_then(OnceLock::get)
            .expect("an id is handed out after its key is stored")
            .points
            .get_or_init(new_cells);
        let point =
            points[at].get_or_init(|| decode_pubkey(self.bytes().as_slice()).unwrap_or_default());
        if is_infinity_g1(point.into()) {
            return Err(decode_pubkey(self.bytes().as_slice())
                .err()
                .unwrap_or(BlsError::InfinitePubkey));
        }
        Ok(point)
    }

    /// The chunk this id belongs to, if its block exists, and the place in the chunk.
    fn place(self) -> (Option<&'static OnceLock<Chunk>>, usize) {
        let (chunk, at) = (self.as_index() / CHUNK, self.as_index() % CHUNK);
        let block = BLOCKS[chunk / FAN_OUT].get();
        (block.map(|block| &block[chunk % FAN_OUT]), at)
    }

    fn stored(self) -> Option<&'static BLSPubkey> {
        let (chunk, at) = self.place();
        chunk?.get()?.bytes[at].get()
    }

    fn store(self, key: &BLSPubkey) {
        let (chunk, at) = (self.as_index() / CHUNK, self.as_index() % CHUNK);
        let block =
            BLOCKS[chunk / FAN_OUT].get_or_init(|| (0..FAN_OUT).map(|_| OnceLock::new()).collect());
        let chunk = block[chunk % FAN_OUT].get_or_init(|| Chunk {
            bytes: new_cells(),
            points: OnceLock::new(),
        });
        chunk.bytes[at]
            .set(*key)
            .expect("every id is given out once");
    }
}

/// Decompresses the keys through the pool, so that signature checks find them ready. Unusable keys
/// are left for the check that needs them.
pub fn warm_keys(ids: &[PubkeyId], pool: &Pool) {
    pool.map_chunks(ids, 64, |ids| {
        for id in ids {
            // An error is not lost: the key's next user gets it again.
            let _ = id.public_key();
        }
    });
}

const NO_PANIC: &str = "nothing panics while the index is locked";

fn new_cells<T>() -> Box<[OnceLock<T>]> {
    (0..CHUNK).map(|_| OnceLock::new()).collect()
}

/// Appends the ids of these keys.
fn intern_batch(keys: &[&[u8; 48]], ids: &mut Vec<PubkeyId>) {
    let leaves = keys.iter().flat_map(|key| nodes(key)).collect::<Vec<_>>();
    let mut roots = vec![Node::default(); keys.len()];
    kernels::hash_layer_into(&leaves, &mut roots);
    let mut index = INDEX.write().expect(NO_PANIC);
    for (key, root) in keys.iter().zip(&roots) {
        ids.push(index.insert(tag_of(root), &BLSPubkey::from(*key)));
    }
}

/// The two leaves of a key's hash tree.
fn nodes(key: &[u8; 48]) -> [Node; 2] {
    let mut nodes = [Node::default(); 2];
    nodes[0].copy_from_slice(&key[..32]);
    nodes[1][..16].copy_from_slice(&key[32..]);
    nodes
}

fn tag(key: &BLSPubkey) -> u32 {
    let [left, right] = nodes(key);
    tag_of(&kernels::hash_pair(&left, &right))
}

/// The table is indexed by 32 bits of a key's root. Everybody can choose keys, but making many of
/// them collide costs a search for each.
fn tag_of(root: &Node) -> u32 {
    u32::from_le_bytes([root[0], root[1], root[2], root[3]])
}

/// An open-addressing hash table from key to id.
struct Index {
    /// A power of two, less than three quarters full. 0 is empty; else the tag in the upper half
    /// and the id plus one in the lower half.
    slots: Vec<u64>,
    len: u32,
}

impl Index {
    /// The id of the key, or else the free slot where it belongs (meaningless in an empty table).
    fn find(&self, tag: u32, key: &BLSPubkey) -> Result<PubkeyId, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mask = self.slots.len() - 1;
        let mut at = tag as usize & mask;
        while let Some(id) = id_in(self.slots[at]) {
            if tag_in(self.slots[at]) == tag && id.bytes() == key {
                return Ok(id);
            }
            at = (at + 1) & mask;
        }
        Err(at)
    }

    fn insert(&mut self, tag: u32, key: &BLSPubkey) -> PubkeyId {
        if self.slots.len() / 4 * 3 <= self.len as usize {
            self.grow();
        }
        // Another thread may have been faster.
        match self.find(tag, key) {
            Ok(id) => id,
            Err(free) => {
                let id = PubkeyId(self.len);
                id.store(key);
                self.len = self.len.checked_add(1).expect("2^32 keys need 200 GB");
                self.slots[free] = u64::from(tag) << 32 | u64::from(self.len);
                id
            }
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(1024);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            let mut at = tag_in(slot) as usize & (size - 1);
            while self.slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = slot;
        }
    }
}

fn tag_in(slot: u64) -> u32 {
    (slot >> 32) as u32
}

fn id_in(slot: u64) -> Option<PubkeyId> {
    (slot as u32).checked_sub(1).map(PubkeyId)
}
