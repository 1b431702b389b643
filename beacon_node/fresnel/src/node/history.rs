//! What the core's jobs read from the store.

use chain::History;
use consensus::{BeaconState, Root, SignedBeaconBlock};
use ssz::Decode;
use std::sync::Arc;
use store::Reader;

/// The store as the jobs see it.
pub(crate) struct StoredHistory(pub(crate) Reader);

impl History for StoredHistory {
    fn block(&self, root: Root) -> Result<Option<Arc<SignedBeaconBlock>>, String> {
        let stored = self.0.block(root).map_err(|error| error.to_string())?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        match SignedBeaconBlock::from_ssz_bytes(&stored.ssz) {
            Ok(block) => Ok(Some(Arc::new(block))),
            Err(error) => Err(format!("the stored block {root} is no block: {error:?}")),
        }
    }

    fn state(&self, block_root: Root) -> Result<Option<BeaconState>, String> {
        self.0.state(block_root).map_err(|error| error.to_string())
    }
}
