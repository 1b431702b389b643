//! Bits that turn over on a disk that says nothing: found when they are read, never served.

use crate::queue::NodeId;
use crate::simulation::Simulation;
use consensus::{Root, Slot};
use store::{Reader, StoreError};

/// Where the store keeps finalized history.
const FINALIZED: &str = "finalized/";
/// Bits that turn over at one time.
const FLIPS: u64 = 8;

impl Simulation {
    /// Turns bits of finalized history over, one at a time, reads everything, and turns them back.
    pub(crate) fn rot(&mut self, node: NodeId) -> Result<(), String> {
        let Some(live) = &self.nodes[node].live else {
            return Ok(());
        };
        let split = live.reader.split().checkpoint.root;
        if split == self.world.genesis() {
            return Ok(());
        }
        let mut canonical = Vec::new();
        for root in self.world.branch(self.world.genesis(), split)? {
            canonical.push((self.world.block(root)?.slot, root));
        }
        for _ in 0..FLIPS {
            let files = self.nodes[node].disk.files(FINALIZED);
            let at = self.dice.below(files.iter().map(|(_, len)| len).sum());
            let bit = self.dice.below(8) as u8;
            if let Some((path, at)) = place_of(&files, at) {
                let found = self.flip(node, &canonical, path, at, bit)?;
                self.totals.flips.0 += 1;
                self.totals.flips.1 += u64::from(found);
            }
        }
        Ok(())
    }

    /// Whether a flipped bit is found: each block must come as it was before, or as an error.
    fn flip(
        &self,
        node: NodeId,
        canonical: &[(Slot, Root)],
        path: &str,
        at: u64,
        bit: u8,
    ) -> Result<bool, String> {
        let it = &self.nodes[node];
        let Some(live) = &it.live else {
            return Ok(false);
        };
        let before = read_all(&live.reader, canonical);
        let file = it.disk.flip_bit(path, at, bit);
        let after = read_all(&live.reader, canonical);
        let mut found = !live.reader.verify(|_| ()).is_empty();
        // Not by its name: a damaged sidecar was replaced by a good one.
        it.disk.flip_bit_of(file, at, bit);
        for ((block, before), (_, after)) in before.iter().zip(after) {
            match (before, after) {
                (Err(error), _) => return Err(format!("{block}: {error}")),
                (Ok(before), Ok(after)) if *before != after => {
                    return Err(format!(
                        "{block} was served wrong after bit {bit} of byte {at} of {path} flipped"
                    ));
                }
                (_, after) => found |= after.is_err(),
            }
        }
        Ok(found)
    }
}

/// The file and the place in it of a byte of all files together.
fn place_of(files: &[(String, u64)], mut at: u64) -> Option<(&str, u64)> {
    for (path, len) in files {
        if at < *len {
            return Some((path, at));
        }
        at -= len;
    }
    None
}

/// Bytes that would be served, if any, or what the store says instead.
type Served = Result<Option<Vec<u8>>, StoreError>;

/// What would be served of every block, decoded and as it is stored, which no decoder checks.
fn read_all(reader: &Reader, blocks: &[(Slot, Root)]) -> Vec<(String, Served)> {
    let mut all = Vec::new();
    for &(slot, root) in blocks {
        let decoded = reader.block(root).map(|block| block.map(|block| block.ssz));
        all.push((format!("block {root}"), decoded));
        let stored = reader.finalized().raw_block(slot);
        let stored = stored.map(|raw| raw.map(|raw| raw.frames().to_vec()));
        all.push((format!("the record of slot {slot}"), stored));
    }
    all
}
