//! Runners `fork_choice` and `fork_choice_compliance`: steps that a store goes through, and what
//! it must say in between.

use super::transition::BlsSetting;
use crate::case::Case;
use crate::driver::Driver;
use crate::value::Value;
use anyhow::{Context, Result, anyhow, bail, ensure};
use consensus::{
    Attestation, AttesterSlashing, BeaconBlock, Checkpoint, HashTreeRoot, SignedBeaconBlock,
};
use fork_choice::Error;

pub(crate) fn steps(case: &Case) -> Result<()> {
    let verifier = BlsSetting::of(case)?.verifier(case);
    let anchor: BeaconBlock = case.decode("anchor_block")?;
    let mut driver = Driver::new(case.state("anchor_state")?, &anchor, verifier)
        .map_err(|error| anyhow!("the anchor is refused: {error}"))?;
    let steps = case.yaml("steps.yaml")?;
    for (index, step) in steps.items()?.iter().enumerate() {
        run_step(case, &mut driver, step).with_context(|| format!("step {index}"))?;
    }
    open_dropped(case)
}

/// The compliance pack drops messages from the steps of a case, says so in `meta.yaml`, and leaves
/// their files behind. As many of these may go unmentioned, if they are what their names say.
fn open_dropped(case: &Case) -> Result<()> {
    let meta = case.meta()?;
    let mutations = match meta.get("mutations") {
        Some(mutations) => mutations.items()?,
        None => return Ok(()),
    };
    let dropped = |mutation: &&Value| {
        let kind = mutation.items().ok().and_then(|parts| parts.first());
        kind == Some(&Value::scalar("drop"))
    };
    let drops = mutations.iter().filter(dropped).count();
    for file in case.unopened().iter().take(drops) {
        let name = file.trim_end_matches(".ssz_snappy");
        match name.split('_').next() {
            Some("block") => message::<SignedBeaconBlock>(case, name).map(|_| ())?,
            Some("attestation") => message::<Attestation>(case, name).map(|_| ())?,
            _ => {}
        }
    }
    Ok(())
}

/// The message in a file that is named after its root.
fn message<T: ssz::Decode + HashTreeRoot>(case: &Case, name: &str) -> Result<T> {
    let message: T = case.decode(name)?;
    let root = message.hash_tree_root();
    ensure!(
        name.ends_with(&format!("_{root}")),
        "the root of {name} is {root}"
    );
    Ok(message)
}

/// Runs one step, a mapping whose first key says what it is.
fn run_step(case: &Case, driver: &mut Driver, step: &Value) -> Result<()> {
    let valid = match step.get("valid") {
        Some(flag) => flag.truth()?,
        None => true,
    };
    let (kind, value) = step
        .fields()?
        .iter()
        .find(|(key, _)| key != "valid")
        .ok_or_else(|| anyhow!("an empty step"))?;
    if let Some((other, _)) = step
        .fields()?
        .iter()
        .find(|(key, _)| key != kind && key != "valid")
    {
        bail!("unknown field `{other}` of a `{kind}` step");
    }
    let result = match kind.as_str() {
        "tick" => driver.on_tick(value.number()?),
        "block" => {
            let block: SignedBeaconBlock = message(case, value.text()?)?;
            let result = driver.on_block(&block).map(|_| ());
            if result.is_ok() {
                driver.on_body(&block);
            }
            result
        }
        "attestation" => {
            let attestation: Attestation = message(case, value.text()?)?;
            driver.on_attestation(&attestation, false)
        }
        "attester_slashing" => {
            let slashing: AttesterSlashing = message(case, value.text()?)?;
            driver.on_attester_slashing(&slashing)
        }
        "checks" => return check_store(case, driver, value),
        other => bail!("unknown step `{other}`"),
    };
    case.check_accepted(kind, valid, result.as_ref().err().map(Error::name));
    Ok(())
}

fn check_store(case: &Case, driver: &mut Driver, checks: &Value) -> Result<()> {
    for (name, told) in checks.fields()? {
        let (actual, told) = match name.as_str() {
            "viable_for_head_roots_and_weights" => (viable_heads(driver)?, sorted_by_root(told)?),
            _ => (answer(driver, name)?, told.clone()),
        };
        case.check_value(name, &actual, &case.expected(&told));
    }
    Ok(())
}

/// What the store says to a check.
fn answer(driver: &mut Driver, name: &str) -> Result<Value> {
    let store = driver.store();
    let refused = |error: Error| anyhow!("{name}: {error}");
    Ok(match name {
        "time" => Value::scalar(store.time()),
        "genesis_time" => Value::scalar(store.genesis_time()),
        "head" => {
            let root = store.get_head().map_err(refused)?;
            let slot = store.node(root).map(|node| node.facts().slot);
            let slot = slot.ok_or_else(|| anyhow!("the head {root} is not in the store"))?;
            Value::map([("slot", Value::scalar(slot)), ("root", Value::scalar(root))])
        }
        "justified_checkpoint" => checkpoint(store.justified_checkpoint()),
        "finalized_checkpoint" => checkpoint(store.finalized_checkpoint()),
        "proposer_boost_root" => Value::scalar(store.proposer_boost_root()),
        "get_proposer_head" => {
            let head = store.get_head().map_err(refused)?;
            let slot = store.get_current_slot();
            Value::scalar(store.get_proposer_head(head, slot).map_err(refused)?)
        }
        _ => bail!("unknown check `{name}`"),
    })
}

fn viable_heads(driver: &mut Driver) -> Result<Value> {
    let heads = driver.store().viable_heads();
    let heads = heads.map_err(|error| anyhow!("viable_heads: {error}"))?;
    let heads = heads.into_iter().map(|(root, weight)| {
        Value::map([
            ("root", Value::scalar(root)),
            ("weight", Value::scalar(weight)),
        ])
    });
    sorted_by_root(&Value::List(heads.collect()))
}

/// The list with its entries in the order of their roots.
fn sorted_by_root(list: &Value) -> Result<Value> {
    let mut keyed = Vec::new();
    for item in list.items()? {
        keyed.push((item.field("root")?.text()?, item));
    }
    keyed.sort_by_key(|(root, _)| *root);
    Ok(Value::List(
        keyed.into_iter().map(|(_, item)| item.clone()).collect(),
    ))
}

fn checkpoint(checkpoint: Checkpoint) -> Value {
    Value::map([
        ("epoch", Value::scalar(checkpoint.epoch)),
        ("root", Value::scalar(checkpoint.root)),
    ])
}
