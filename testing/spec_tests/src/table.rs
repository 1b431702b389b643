//! Which function runs which runner and handler.

use crate::case::Case;
use crate::handlers::ssz_static::container;
use crate::handlers::{
    bls, chains, epoch_processing, fork_choice, genesis, gossip, operations, rewards, sanity,
    shuffling, ssz_generic, ssz_static,
};
use crate::tree::Located;
use consensus::*;

/// Runs one case.
pub(crate) type Handler = fn(&Case) -> anyhow::Result<()>;

/// What becomes of a case.
pub(crate) enum Entry {
    /// It is run.
    Run(Handler),
    /// It tests a type that phase 0 does not have.
    LaterFork,
}

/// Handlers of `ssz_generic` for kinds of types that came after phase 0; the full release of the
/// vectors has them among the others.
const LATER_TYPES: [&str; 4] = [
    "basic_progressive_list",
    "compatible_unions",
    "progressive_bitlist",
    "progressive_containers",
];
/// As [`LATER_TYPES`], among the cases of the handler `containers`.
const LATER_CONTAINERS: &str = "/Progressive";

/// What to do with a case; nothing if its runner or handler is unknown.
pub(crate) fn lookup(located: &Located) -> Option<Entry> {
    let (runner, handler) = (&*located.group.runner, &*located.group.handler);
    match (runner, handler) {
        ("ssz_generic", later) if LATER_TYPES.contains(&later) => return Some(Entry::LaterFork),
        ("ssz_generic", "containers") if located.name.contains(LATER_CONTAINERS) => {
            return Some(Entry::LaterFork);
        }
        _ => {}
    }
    let row = TABLE
        .iter()
        .find(|row| row.0 == runner && row.1 == handler)?;
    Some(Entry::Run(row.2))
}

const TABLE: &[(&str, &str, Handler)] = &[
    ("bls", "aggregate", bls::aggregate),
    ("bls", "aggregate_verify", bls::aggregate_verify),
    ("bls", "fast_aggregate_verify", bls::fast_aggregate_verify),
    ("bls", "sign", bls::sign),
    ("bls", "verify", bls::verify),
    ("bls12-381-tests", "aggregate", bls::aggregate),
    ("bls12-381-tests", "aggregate_verify", bls::aggregate_verify),
    ("bls12-381-tests", "batch_verify", bls::batch_verify),
    (
        "bls12-381-tests",
        "deserialization_G1",
        bls::deserialization_g1,
    ),
    (
        "bls12-381-tests",
        "deserialization_G2",
        bls::deserialization_g2,
    ),
    (
        "bls12-381-tests",
        "fast_aggregate_verify",
        bls::fast_aggregate_verify,
    ),
    ("bls12-381-tests", "hash_to_G2", bls::hash_to_g2),
    ("bls12-381-tests", "sign", bls::sign),
    ("bls12-381-tests", "verify", bls::verify),
    ("chains", "replay", chains::replay),
    (
        "epoch_processing",
        "effective_balance_updates",
        epoch_processing::part,
    ),
    (
        "epoch_processing",
        "eth1_data_reset",
        epoch_processing::part,
    ),
    (
        "epoch_processing",
        "historical_roots_update",
        epoch_processing::part,
    ),
    (
        "epoch_processing",
        "justification_and_finalization",
        epoch_processing::part,
    ),
    (
        "epoch_processing",
        "participation_record_updates",
        epoch_processing::part,
    ),
    (
        "epoch_processing",
        "randao_mixes_reset",
        epoch_processing::part,
    ),
    (
        "epoch_processing",
        "registry_updates",
        epoch_processing::part,
    ),
    (
        "epoch_processing",
        "rewards_and_penalties",
        epoch_processing::part,
    ),
    ("epoch_processing", "slashings", epoch_processing::part),
    (
        "epoch_processing",
        "slashings_reset",
        epoch_processing::part,
    ),
    ("finality", "finality", sanity::blocks),
    ("fork_choice", "ex_ante", fork_choice::steps),
    ("fork_choice", "get_head", fork_choice::steps),
    ("fork_choice", "get_proposer_head", fork_choice::steps),
    ("fork_choice", "on_block", fork_choice::steps),
    ("fork_choice", "reorg", fork_choice::steps),
    ("fork_choice", "withholding", fork_choice::steps),
    (
        "fork_choice_compliance",
        "attester_slashing_test",
        fork_choice::steps,
    ),
    (
        "fork_choice_compliance",
        "block_cover_test",
        fork_choice::steps,
    ),
    (
        "fork_choice_compliance",
        "block_tree_test",
        fork_choice::steps,
    ),
    (
        "fork_choice_compliance",
        "block_weight_test",
        fork_choice::steps,
    ),
    (
        "fork_choice_compliance",
        "invalid_message_test",
        fork_choice::steps,
    ),
    ("genesis", "initialization", genesis::initialization),
    ("genesis", "validity", genesis::validity),
    ("networking", "gossip_attester_slashing", gossip::messages),
    (
        "networking",
        "gossip_beacon_aggregate_and_proof",
        gossip::messages,
    ),
    ("networking", "gossip_beacon_attestation", gossip::messages),
    ("networking", "gossip_beacon_block", gossip::messages),
    ("networking", "gossip_proposer_slashing", gossip::messages),
    ("networking", "gossip_voluntary_exit", gossip::messages),
    ("operations", "attestation", operations::attestation),
    (
        "operations",
        "attester_slashing",
        operations::attester_slashing,
    ),
    ("operations", "block_header", operations::block_header),
    ("operations", "deposit", operations::deposit),
    (
        "operations",
        "proposer_slashing",
        operations::proposer_slashing,
    ),
    ("operations", "voluntary_exit", operations::voluntary_exit),
    ("random", "random", sanity::blocks),
    ("rewards", "basic", rewards::all),
    ("rewards", "leak", rewards::all),
    ("rewards", "random", rewards::all),
    ("sanity", "blocks", sanity::blocks),
    ("sanity", "slots", sanity::slots),
    ("shuffling", "core", shuffling::core),
    ("ssz_generic", "basic_vector", ssz_generic::basic_vector),
    ("ssz_generic", "bitlist", ssz_generic::bitlist),
    ("ssz_generic", "bitvector", ssz_generic::bitvector),
    ("ssz_generic", "boolean", ssz_generic::boolean),
    ("ssz_generic", "containers", ssz_generic::containers),
    ("ssz_generic", "uints", ssz_generic::uints),
    (
        "ssz_static",
        "AggregateAndProof",
        container::<AggregateAndProof>,
    ),
    ("ssz_static", "Attestation", container::<Attestation>),
    (
        "ssz_static",
        "AttestationData",
        container::<AttestationData>,
    ),
    (
        "ssz_static",
        "AttesterSlashing",
        container::<AttesterSlashing>,
    ),
    ("ssz_static", "BeaconBlock", container::<BeaconBlock>),
    (
        "ssz_static",
        "BeaconBlockBody",
        container::<BeaconBlockBody>,
    ),
    (
        "ssz_static",
        "BeaconBlockHeader",
        container::<BeaconBlockHeader>,
    ),
    ("ssz_static", "BeaconState", ssz_static::beacon_state),
    ("ssz_static", "Checkpoint", container::<Checkpoint>),
    ("ssz_static", "Deposit", container::<Deposit>),
    ("ssz_static", "DepositData", container::<DepositData>),
    ("ssz_static", "DepositMessage", container::<DepositMessage>),
    ("ssz_static", "Eth1Block", container::<Eth1Block>),
    ("ssz_static", "Eth1Data", container::<Eth1Data>),
    ("ssz_static", "Fork", container::<Fork>),
    ("ssz_static", "ForkData", container::<ForkData>),
    (
        "ssz_static",
        "HistoricalBatch",
        ssz_static::historical_batch,
    ),
    (
        "ssz_static",
        "IndexedAttestation",
        container::<IndexedAttestation>,
    ),
    (
        "ssz_static",
        "PendingAttestation",
        container::<PendingAttestation>,
    ),
    (
        "ssz_static",
        "ProposerSlashing",
        container::<ProposerSlashing>,
    ),
    (
        "ssz_static",
        "SignedAggregateAndProof",
        container::<SignedAggregateAndProof>,
    ),
    (
        "ssz_static",
        "SignedBeaconBlock",
        container::<SignedBeaconBlock>,
    ),
    (
        "ssz_static",
        "SignedBeaconBlockHeader",
        container::<SignedBeaconBlockHeader>,
    ),
    (
        "ssz_static",
        "SignedVoluntaryExit",
        container::<SignedVoluntaryExit>,
    ),
    ("ssz_static", "SigningData", container::<SigningData>),
    ("ssz_static", "Validator", container::<Validator>),
    ("ssz_static", "VoluntaryExit", container::<VoluntaryExit>),
];
