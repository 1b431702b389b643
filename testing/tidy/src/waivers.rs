//! Who is exempt from which rule, and why. An exemption that is no longer needed is a finding.

/// Files that may be longer than the limit, with the reason.
pub const LONG_FILES: &[(&str, &str)] = &[];

/// Functions that may be longer than the limit: file, name, reason.
pub const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

const COMMITTEES: &str =
    "fused: state/shuffling.rs shuffles the whole list once for all committees of an epoch";
const FILTER: &str = "fused: the pass that marks viable blocks leaves nothing to collect";
const REWARDS: &str =
    "fused: transition/epoch computes all components of the rewards in one pass over the registry";
const STATES: &str = "the caller's: the fork choice keeps no states";
const WIRE: &str = "a limit of the wire: it comes with the network";

/// Functions of the specification that do not exist exactly once under their name, with the
/// reason.
pub const SPEC_WAIVERS: &[(&str, &str)] = &[
    ("compute_committee", COMMITTEES),
    ("get_attestation_component_deltas", REWARDS),
    ("get_attestation_deltas", REWARDS),
    ("get_attesting_balance", REWARDS),
    ("get_base_reward", REWARDS),
    ("get_eligible_validator_indices", REWARDS),
    ("get_filtered_block_tree", FILTER),
    ("get_head_deltas", REWARDS),
    ("get_inactivity_penalty_deltas", REWARDS),
    ("get_inclusion_delay_deltas", REWARDS),
    ("get_matching_head_attestations", REWARDS),
    ("get_matching_source_attestations", REWARDS),
    ("get_matching_target_attestations", REWARDS),
    ("get_proposer_reward", REWARDS),
    ("get_source_deltas", REWARDS),
    ("get_target_deltas", REWARDS),
    ("get_unslashed_attesting_indices", REWARDS),
    ("max_compressed_len", WIRE),
    ("max_message_size", WIRE),
    ("saturating_sub", "every integer type has it"),
    ("store_target_checkpoint_state", STATES),
];
