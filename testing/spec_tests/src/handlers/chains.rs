//! The generated chains: replayed with signatures, every value of `chain.yaml` compared.

use super::transition::check_cold_root;
use crate::case::Case;
use crate::value::Value;
use anyhow::{Context, Result, anyhow, bail, ensure};
use consensus::transition::{SignatureMode, Signatures, state_transition};
use consensus::{BeaconState, HashTreeRoot, Root, SignedBeaconBlock};
use ssz::Decode;

/// What `chain.yaml` tells about how the chain was made, and nothing to compare.
const NOTES: [&str; 6] = [
    "spec_version",
    "fork",
    "mode",
    "seed",
    "keys",
    "replayed_with_full_state_transition",
];
/// As [`NOTES`], of the genesis.
const GENESIS_NOTE: &str = "checked_with_initialize_beacon_state_from_eth1";

pub(crate) fn replay(case: &Case) -> Result<()> {
    let told = case.yaml("chain.yaml")?;
    let mut state = BeaconState::from_ssz_bytes(&case.read("genesis.ssz")?, case.spec()?)
        .map_err(|error| anyhow!("genesis.ssz does not decode: {error}"))?;
    let genesis_block = genesis_block_root(&state);
    let mut facts = vec![
        ("preset", Value::scalar(case.located.group.config.name())),
        ("validators", Value::scalar(state.validators().len())),
        (
            "genesis",
            Value::map([
                ("genesis_time", Value::scalar(state.genesis_time())),
                ("state_root", Value::scalar(state.hash_tree_root())),
                ("block_root", Value::scalar(genesis_block)),
                (
                    "genesis_validators_root",
                    Value::scalar(state.genesis_validators_root()),
                ),
            ]),
        ),
    ];

    let (mut blocks, mut head, mut skipped) = (Vec::new(), genesis_block, Vec::new());
    for file in case
        .files()
        .iter()
        .filter(|file| file.starts_with("blocks/"))
    {
        let block = SignedBeaconBlock::from_ssz_bytes(&case.read(file)?)
            .map_err(|error| anyhow!("{file} does not decode: {error:?}"))?;
        ensure!(
            file.ends_with(&format!("{:06}.ssz", block.message.slot)),
            "{file} is of another slot"
        );
        skipped.extend((state.slot() + 1..block.message.slot).map(Value::scalar));
        let mut signatures = Signatures::new(SignatureMode::Bulk, &case.setup.bls);
        head = state_transition(&mut state, &block, &mut signatures, true)
            .with_context(|| file.clone())?;
        check_cold_root(&state).with_context(|| file.clone())?;
        blocks.push(block_facts(&state, &block, head));
    }
    facts.push(("blocks", Value::List(blocks)));
    facts.push(("skipped_slots", Value::List(skipped)));
    facts.push(("final", final_facts(&state, head)));

    case.check_value(
        "chain.yaml",
        &Value::map(facts),
        &case.expected(&without_notes(&told)?),
    );
    let post = case.expected_bytes(case.read("final_state.ssz")?);
    case.check_bytes("final_state.ssz", &state.as_ssz_bytes(), &post);
    Ok(())
}

/// The root of the block that a genesis state stands for.
fn genesis_block_root(state: &BeaconState) -> Root {
    let mut header = *state.latest_block_header();
    header.state_root = state.hash_tree_root();
    header.hash_tree_root()
}

fn block_facts(state: &BeaconState, block: &SignedBeaconBlock, block_root: Root) -> Value {
    let (message, body) = (&block.message, &block.message.body);
    let (justified, finalized) = (
        state.current_justified_checkpoint(),
        state.finalized_checkpoint(),
    );
    Value::map([
        ("slot", Value::scalar(message.slot)),
        ("proposer", Value::scalar(message.proposer_index)),
        ("block_root", Value::scalar(block_root)),
        ("parent_root", Value::scalar(message.parent_root)),
        ("state_root", Value::scalar(state.hash_tree_root())),
        ("attestations", Value::scalar(body.attestations.len())),
        (
            "attester_slashings",
            Value::scalar(body.attester_slashings.len()),
        ),
        (
            "proposer_slashings",
            Value::scalar(body.proposer_slashings.len()),
        ),
        ("deposits", Value::scalar(body.deposits.len())),
        ("current_justified_epoch", Value::scalar(justified.epoch)),
        ("current_justified_root", Value::scalar(justified.root)),
        ("finalized_epoch", Value::scalar(finalized.epoch)),
        ("finalized_root", Value::scalar(finalized.root)),
    ])
}

fn final_facts(state: &BeaconState, head: Root) -> Value {
    let validators = state.validators().iter().enumerate();
    let slashed = validators.filter(|(_, validator)| validator.slashed);
    Value::map([
        ("slot", Value::scalar(state.slot())),
        ("state_root", Value::scalar(state.hash_tree_root())),
        ("head_block_root", Value::scalar(head)),
        ("validators", Value::scalar(state.validators().len())),
        (
            "slashed",
            Value::List(slashed.map(|(index, _)| Value::scalar(index)).collect()),
        ),
        (
            "justified_epoch",
            Value::scalar(state.current_justified_checkpoint().epoch),
        ),
        (
            "finalized_epoch",
            Value::scalar(state.finalized_checkpoint().epoch),
        ),
    ])
}

/// `chain.yaml` without what there is nothing to compare with.
fn without_notes(told: &Value) -> Result<Value> {
    let mut kept = Vec::new();
    for (key, value) in told.fields()? {
        if NOTES.contains(&key.as_str()) {
            continue;
        }
        let value = match (key.as_str(), value) {
            ("genesis", Value::Map(fields)) => {
                let facts = fields.iter().filter(|(key, _)| key != GENESIS_NOTE);
                Value::Map(facts.cloned().collect())
            }
            ("genesis", _) => bail!("chain.yaml: genesis is no mapping"),
            _ => value.clone(),
        };
        kept.push((key.clone(), value));
    }
    Ok(Value::Map(kept))
}
