//! The trace: one hash over all that happens, so that two runs can be compared by a line.

use crate::queue::{NodeId, Planned};
use chain::Effect;
use consensus::Root;

/// Bytes that are gathered before they are hashed.
const BLOCK: usize = 4096;

/// A running hash.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    digest: [u8; 32],
    buffer: Vec<u8>,
    verbose: bool,
}

impl Trace {
    /// A trace; a verbose one is also printed.
    pub(crate) fn new(verbose: bool) -> Trace {
        Trace {
            verbose,
            ..Trace::default()
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BLOCK {
            self.fold();
        }
    }

    fn fold(&mut self) {
        self.buffer.extend_from_slice(&self.digest);
        self.digest = kernels::sha256(&self.buffer);
        self.buffer.clear();
    }

    /// Something happens.
    pub(crate) fn event(&mut self, planned: &Planned) {
        self.add(&planned.at.to_le_bytes());
        self.add(&[planned.node as u8, planned.event.kind()]);
    }

    /// The core answers an input of a kind.
    pub(crate) fn effect(&mut self, effect: &Effect) {
        self.add(&[effect_kind(effect)]);
        match effect {
            Effect::Commit(batch) => self.add(&batch.seq.to_le_bytes()),
            Effect::Publish(snapshot) => {
                self.add(snapshot.head.root.as_slice());
                self.add(snapshot.head.state_root.as_slice());
                self.add(snapshot.finalized.root.as_slice());
            }
            Effect::RequestBlock(root) => self.add(root.as_slice()),
            _ => {}
        }
    }

    /// A root that matters.
    pub(crate) fn root(&mut self, root: Root) {
        self.add(root.as_slice());
    }

    /// A line for whoever reads along.
    pub(crate) fn say(&self, seconds: f64, node: NodeId, line: impl FnOnce() -> String) {
        if self.verbose {
            println!("{seconds:10.3}  node {node}  {}", line());
        }
    }

    /// The hash of everything so far.
    pub(crate) fn hash(&mut self) -> Root {
        self.fold();
        Root::from(self.digest)
    }
}

fn effect_kind(effect: &Effect) -> u8 {
    match effect {
        Effect::Run(_) => 1,
        Effect::Commit(_) => 2,
        Effect::Publish(_) => 3,
        Effect::Event(_) => 4,
        Effect::Verdict(..) => 5,
        Effect::Reply(..) => 6,
        Effect::Broadcast(_) => 7,
        Effect::RequestBlock(_) => 8,
        Effect::BatchDone(..) => 9,
        Effect::Notice(_) => 10,
        Effect::WakeAt(_) => 11,
        Effect::Stopped => 12,
    }
}
