//! Bits that turn over on a disk that says nothing: found when they are read, never served.

use crate::queue::NodeId;
use crate::simulation::Simulation;
use consensus::{Root, Slot};
use store::{Reader, StoreError};

/// Where the store keeps finalized history.
const FINALIZED: &str = "finalized/";

impl Simulation {
    /// Turns a bit of finalized history over, reads everything, and turns it back: each block must
    /// come as it was before, or as an error.
    pub(crate) fn rot(&mut self, node: NodeId) -> Result<(), String> {
        let it = &self.nodes[node];
        let Some(live) = &it.live else {
            return Ok(());
        };
        let split = live.reader.split().checkpoint.root;
        let files = it.disk.files(FINALIZED);
        let bytes: u64 = files.iter().map(|(_, len)| len).sum();
        if split == Root::ZERO || split == self.world.genesis() || bytes == 0 {
            return Ok(());
        }
        let mut canonical = Vec::new();
        for root in self.world.branch(self.world.genesis(), split)? {
            canonical.push((self.world.block(root)?.slot, root));
        }
        let mut at = self.dice.below(bytes);
        let bit = self.dice.below(8) as u8;
        let Some((path, _)) = files.iter().find(|(_, len)| {
            let here = at < *len;
            at -= if here { 0 } else { *len };
            here
        }) else {
            return Ok(());
        };
        let it = &self.nodes[node];
        let Some(live) = &it.live else {
            return Ok(());
        };
        let before = read_all(&live.reader, &canonical);
        it.disk.flip_bit(path, at, bit);
        let after = read_all(&live.reader, &canonical);
        let mut found = !live.reader.verify(|_| ()).is_empty();
        it.disk.flip_bit(path, at, bit);
        for ((block, before), after) in canonical.iter().zip(before).zip(after) {
            match (before, after) {
                (Err(error), _) => return Err(format!("block {block:?}: {error}")),
                (Ok(before), Ok(after)) if before != after => {
                    return Err(format!(
                        "block {block:?} was served wrong after bit {bit} of byte {at} of {path} flipped"
                    ));
                }
                (_, after) => found |= after.is_err(),
            }
        }
        self.totals.flips.0 += 1;
        self.totals.flips.1 += u64::from(found);
        Ok(())
    }
}

/// A block as it would be served: its SSZ, and the stored frames if it is in a segment.
type Served = (Vec<u8>, Option<Vec<u8>>);

/// Every block as it would be served, or what the store says instead.
fn read_all(reader: &Reader, blocks: &[(Slot, Root)]) -> Vec<Result<Served, StoreError>> {
    let read = |&(slot, root): &(Slot, Root)| {
        let block = reader.block(root)?;
        let block = block.ok_or(StoreError::Missing { slot, root })?;
        let frames = reader.finalized().raw_block(slot)?;
        Ok((block.ssz, frames.map(|raw| raw.frames().to_vec())))
    };
    blocks.iter().map(read).collect()
}
