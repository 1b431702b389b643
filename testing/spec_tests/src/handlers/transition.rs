//! What all cases have in common that go from a pre-state to a post-state.

use crate::case::Case;
use crate::driver::AcceptAll;
use anyhow::{Result, anyhow, bail, ensure};
use consensus::transition::{SignatureMode, Signatures};
use consensus::{BeaconState, Error, Verifier};

/// What `meta.yaml` says about signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlsSetting {
    /// The outcome does not depend on whether they are verified.
    Either,
    /// They must be verified.
    On,
    /// They are not valid and must not be verified.
    Off,
}

impl BlsSetting {
    /// Reads `meta.yaml`, if the case has it.
    pub(crate) fn of(case: &Case) -> Result<BlsSetting> {
        let meta = case.meta()?;
        match meta
            .get("bls_setting")
            .map(super::super::value::Value::number)
            .transpose()?
        {
            None | Some(0) => Ok(BlsSetting::Either),
            Some(1) => Ok(BlsSetting::On),
            Some(2) => Ok(BlsSetting::Off),
            Some(other) => bail!("unknown bls_setting {other}"),
        }
    }

    /// What verifies the signatures of such a case.
    pub(crate) fn verifier<'a>(self, case: &Case<'a>) -> &'a dyn Verifier {
        match self {
            BlsSetting::Off => &AcceptAll,
            _ => &case.setup.bls,
        }
    }
}

/// The post-state's bytes to compare with; none if the input is invalid.
fn expected_post(case: &Case, file: &str) -> Result<Option<Vec<u8>>> {
    if case.has(&format!("{file}.ssz_snappy")) {
        case.expected_ssz(file).map(Some)
    } else {
        Ok(None)
    }
}

/// A root that is computed from nothing but the state's bytes must be the one that the state kept
/// up to date while it changed.
pub(crate) fn check_cold_root(state: &BeaconState) -> Result<Vec<u8>> {
    let bytes = state.as_ssz_bytes();
    let cold = BeaconState::from_ssz_bytes(&bytes, state.spec())
        .map_err(|error| anyhow!("our own encoding does not decode: {error}"))?;
    let (kept, cold) = (state.hash_tree_root(), cold.hash_tree_root());
    ensure!(
        kept == cold,
        "the state says its root is {kept}, it is {cold}"
    );
    Ok(bytes)
}

/// Applies `step` to the state in `pre` and compares with the one in `post`.
pub(crate) fn run_unsigned(
    case: &Case,
    pre: &str,
    post: &str,
    step: impl Fn(&mut BeaconState) -> Result<(), Error>,
) -> Result<()> {
    let before = case.state(pre)?;
    let expected = expected_post(case, post)?;
    let result = attempt(&before, &step)?;
    let refusal = result.as_ref().err().map(Error::name);
    case.check_accepted(post, expected.is_some(), refusal);
    compare(case, post, result, expected)
}

/// Applies `step` to the state in `pre` in every way of verifying signatures that the case allows,
/// and compares with the one in `post`.
pub(crate) fn run_signed(
    case: &Case,
    step: impl Fn(&mut BeaconState, &mut Signatures) -> Result<(), Error>,
) -> Result<()> {
    let setting = BlsSetting::of(case)?;
    let verifier = setting.verifier(case);
    let before = case.state("pre")?;
    let expected = expected_post(case, "post")?;
    let run = |mode| {
        attempt(&before, |state| {
            let mut signatures = Signatures::new(mode, verifier);
            step(state, &mut signatures)?;
            signatures.finish()
        })
    };

    let one_by_one = run(SignatureMode::OneByOne)?;
    let bulk = run(SignatureMode::Bulk)?;
    let names = [&one_by_one, &bulk].map(|result| result.as_ref().err().map(Error::name));
    // In bulk, a block with two faults is refused for the one that is no signature.
    let agree = names[0] == names[1] || (is_signature(names[0]) && names[1].is_some());
    ensure!(
        agree,
        "one by one the signatures give {:?}, in bulk {:?}",
        names[0],
        names[1]
    );
    case.check_accepted("the input", expected.is_some(), names[0]);
    compare(case, "post", one_by_one, expected.clone())?;
    compare(case, "post in bulk", bulk, expected.clone())?;

    if expected.is_some() || setting != BlsSetting::On {
        let skipped = run(SignatureMode::Skip)?;
        let accepted = case.expected_truth(expected.is_some());
        case.check(skipped.is_ok() == accepted, || {
            format!("without signatures: {:?}", skipped.as_ref().err())
        });
        compare(case, "post without signatures", skipped, expected)?;
    }
    Ok(())
}

/// Whether an error of this name says that a signature does not verify.
fn is_signature(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.ends_with("SignatureInvalid") || name == "RandaoRevealInvalid")
}

/// Runs `step` on a copy of `before`, which must not feel it.
pub(crate) fn attempt(
    before: &BeaconState,
    step: impl FnOnce(&mut BeaconState) -> Result<(), Error>,
) -> Result<Result<BeaconState, Error>> {
    let (root, bytes) = (before.hash_tree_root(), before.as_ssz_bytes());
    let mut state = before.clone();
    let result = step(&mut state);
    ensure!(
        before.hash_tree_root() == root && before.as_ssz_bytes() == bytes,
        "a copy of the state changed with it"
    );
    Ok(result.map(|()| state))
}

fn compare(
    case: &Case,
    what: &str,
    result: Result<BeaconState, Error>,
    expected: Option<Vec<u8>>,
) -> Result<()> {
    if let (Ok(state), Some(expected)) = (result, expected) {
        case.check_bytes(what, &check_cold_root(&state)?, &expected);
    }
    Ok(())
}
