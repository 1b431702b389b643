//! [`enum@Error`]: why a handler or a question was refused.

use consensus::{Checkpoint, Epoch, Root, Slot, ValidatorIndex};
use strum::IntoStaticStr;
use thiserror::Error;

/// Why something was refused. Each assertion of `fork-choice.md` has a variant of its own. A
/// handler that returns an error has not changed the store.
#[derive(Clone, Debug, PartialEq, Error, IntoStaticStr)]
pub enum Error {
    /// A function of the consensus specification failed.
    #[error(transparent)]
    Consensus(#[from] consensus::Error),
    /// A number of the configuration or of the balances is beyond 64 bits.
    #[error("a 64-bit number overflowed")]
    Overflow,
    /// `get_forkchoice_store`: a slot lasts no time.
    #[error("SLOT_DURATION_MS is 0")]
    SlotDurationZero,
    /// `get_forkchoice_store`: the state is not the block's post-state.
    #[error("the anchor block's state root is {block}, the anchor state's {state}")]
    AnchorStateRootMismatch {
        /// Root in the block.
        block: Root,
        /// Root of the state.
        state: Root,
    },
    /// `get_forkchoice_store`: the anchor could not be the block of its epoch's checkpoint, and so
    /// no block could ever be shown to descend from it.
    #[error("the anchor block of slot {0} is not at the first slot of an epoch")]
    AnchorNotAtEpochStart(Slot),
    /// `on_tick`: time does not run backwards.
    #[error("time {time} is before the store's time {store}")]
    TimeBackwards {
        /// Time of the store, Unix seconds.
        store: u64,
        /// Time of the tick, Unix seconds.
        time: u64,
    },

    /// `on_block`: the parent has not been seen, or was pruned.
    #[error("the parent block {0} is not known")]
    UnknownParent(Root),
    /// `on_block`: consider it again when its slot has come.
    #[error("the block is of slot {slot}, it is slot {current}")]
    FutureBlock {
        /// Slot of the block.
        slot: Slot,
        /// Current slot.
        current: Slot,
    },
    /// `on_block`: no newer than the finalized checkpoint.
    #[error("the block of slot {slot} is not after the finalized slot {finalized}")]
    BlockNotAfterFinalized {
        /// Slot of the block.
        slot: Slot,
        /// First slot of the finalized epoch.
        finalized: Slot,
    },
    /// `on_block`: another block is finalized on this branch's height.
    #[error("the branch of parent {0} does not hold the finalized checkpoint")]
    BlockConflictsWithFinalized(Root),
    /// `process_slots` would refuse the block: checked here because the tree relies on it.
    #[error("the block of slot {slot} is not after its parent of slot {parent}")]
    SlotNotAfterParent {
        /// Slot of the block.
        slot: Slot,
        /// Slot of the parent.
        parent: Slot,
    },
    /// The state handed in is not one that this block left behind.
    #[error("the state is not the post-state of the block of slot {0}")]
    PostStateMismatch(Slot),
    /// No more nodes can be numbered.
    #[error("the block tree is full")]
    TreeFull,

    /// `validate_target_epoch_against_current_time`: consider it again when the epoch has come.
    #[error("the target epoch {target} is after the current epoch {current}")]
    TargetEpochInFuture {
        /// Target epoch.
        target: Epoch,
        /// Current epoch.
        current: Epoch,
    },
    /// `validate_target_epoch_against_current_time`
    #[error("the target epoch {target} is before the epoch previous to {current}")]
    TargetEpochInPast {
        /// Target epoch.
        target: Epoch,
        /// Current epoch.
        current: Epoch,
    },
    /// `validate_on_attestation`
    #[error("the target epoch {target} is not the epoch of slot {slot}")]
    TargetEpochSlotMismatch {
        /// Target epoch.
        target: Epoch,
        /// Slot attested at.
        slot: Slot,
    },
    /// `validate_on_attestation`: consider it again when the block has come.
    #[error("the target block {0} is not known")]
    UnknownTarget(Root),
    /// `validate_on_attestation`: consider it again when the block has come.
    #[error("the attested block {0} is not known")]
    UnknownAttestedBlock(Root),
    /// `validate_on_attestation`
    #[error("an attestation of slot {attestation} is for a later block, of slot {block}")]
    AttestedBlockTooNew {
        /// Slot of the block.
        block: Slot,
        /// Slot attested at.
        attestation: Slot,
    },
    /// `validate_on_attestation`: the two votes contradict each other.
    #[error("the target block is {target}, the attested block's checkpoint block {checkpoint}")]
    TargetNotOnAttestedChain {
        /// Root of the target.
        target: Root,
        /// Checkpoint block of the attested block at the target's epoch.
        checkpoint: Root,
    },
    /// `validate_on_attestation`: consider it again in the next slot or later.
    #[error("an attestation of slot {slot} counts from the next slot on, it is slot {current}")]
    AttestationTooEarly {
        /// Slot attested at.
        slot: Slot,
        /// Current slot.
        current: Slot,
    },
    /// No known block's post-state has this validator.
    #[error("validator {0} is in no registry of the known blocks")]
    UnknownValidator(ValidatorIndex),
    /// `on_attester_slashing`
    #[error("the two attestations do not contradict each other")]
    AttestationsNotSlashable,

    /// No such block, or pruned.
    #[error("the block {0} is not known")]
    UnknownBlock(Root),
    /// `get_ancestor`: the chain of known blocks ends above the slot.
    #[error("the ancestor of {root} at slot {slot} is not known")]
    UnknownAncestor {
        /// Block whose ancestor was asked for.
        root: Root,
        /// Slot asked for.
        slot: Slot,
    },
    /// The balances at the justified checkpoint have not been handed in.
    #[error("the balances at the justified checkpoint {0:?} are missing")]
    JustifiedBalancesMissing(Checkpoint),
    /// Balances of a checkpoint that is not the justified one.
    #[error("balances at {given:?} were given, the justified checkpoint is {justified:?}")]
    NotTheJustifiedCheckpoint {
        /// Checkpoint of the balances.
        given: Checkpoint,
        /// Justified checkpoint of the store.
        justified: Checkpoint,
    },
    /// More Gwei is listed than is active in total.
    #[error("the effective balances sum to {sum}, more than the total {total}")]
    BalancesExceedTotal {
        /// Sum of the balances, Gwei.
        sum: u64,
        /// Total active balance, Gwei.
        total: u64,
    },
    /// `get_proposer_head`: the boost of the head has not worn off.
    #[error("the head {0} still holds the proposer boost")]
    HeadHoldsProposerBoost(Root),
    /// `is_finalization_ok`: a slot before the finalized epoch.
    #[error("slot {slot} is before the finalized epoch {finalized}")]
    SlotBeforeFinalized {
        /// Slot asked about.
        slot: Slot,
        /// Finalized epoch.
        finalized: Epoch,
    },
}

impl Error {
    /// The name of the violated rule: the variant, of the inner error for one of `consensus`.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Consensus(error) => error.name(),
            other => other.into(),
        }
    }
}
