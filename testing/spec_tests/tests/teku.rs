//! Fork-choice scenarios of the Teku client: block trees with the head after every step. They
//! describe a client, which keeps what comes too early and tries again with time.
#![forbid(unsafe_code)]

use consensus::genesis::genesis_block;
use consensus::{Attestation, BeaconState, Bls, Pool, Root, SignedBeaconBlock, Spec, Verifier};
use fork_choice::Error;
use serde::Deserialize;
use spec_tests::driver::{AcceptAll, Driver};
use ssz::Decode;
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    meta: Meta,
    genesis: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    bls_setting: u8,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Step {
    slot: Option<u64>,
    block: Option<String>,
    attestation: Option<String>,
    checks: Option<Checks>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checks {
    head: Option<Root>,
    block_in_store: Option<Root>,
    block_not_in_store: Option<Root>,
    justified_checkpoint_epoch: Option<u64>,
}

/// A client that keeps early messages until a later slot, and attestations to unknown blocks until
/// these come.
struct Client<'a> {
    driver: Driver<'a>,
    early_blocks: Vec<SignedBeaconBlock>,
    early_attestations: Vec<Attestation>,
}

impl Client<'_> {
    fn on_slot(&mut self, slot: u64) {
        let store = self.driver.store();
        let seconds_per_slot = store.spec().SLOT_DURATION_MS / 1000;
        let start = store.genesis_time() + slot * seconds_per_slot;
        self.driver.on_tick(start).expect("time goes forward");
        self.retry_attestations();
        for block in std::mem::take(&mut self.early_blocks) {
            self.on_block(block);
        }
    }

    fn on_block(&mut self, block: SignedBeaconBlock) {
        match self.driver.on_block(&block) {
            Ok(_) => {
                self.driver.on_body(&block);
                self.retry_attestations();
            }
            Err(Error::FutureBlock { .. }) => self.early_blocks.push(block),
            Err(_) => {}
        }
    }

    fn retry_attestations(&mut self) {
        for attestation in std::mem::take(&mut self.early_attestations) {
            self.on_attestation(attestation);
        }
    }

    fn on_attestation(&mut self, attestation: Attestation) {
        let result = self.driver.on_attestation(&attestation, false);
        if let Err(
            Error::AttestationTooEarly { .. }
            | Error::TargetEpochInFuture { .. }
            | Error::UnknownAttestedBlock(_),
        ) = result
        {
            self.early_attestations.push(attestation);
        }
    }

    /// What is not as the scenario says.
    fn differences(&mut self, checks: &Checks) -> Vec<String> {
        let mut found = Vec::new();
        let store = self.driver.store();
        let head = store.get_head().expect("there is a head");
        if checks.head.is_some_and(|expected| expected != head) {
            found.push(format!("head {head}, expected {:?}", checks.head));
        }
        if let Some(root) = checks
            .block_in_store
            .filter(|root| !store.contains_block(*root))
        {
            found.push(format!("block {root} is not in the store"));
        }
        if let Some(root) = checks
            .block_not_in_store
            .filter(|root| store.contains_block(*root))
        {
            found.push(format!("block {root} is in the store"));
        }
        let justified = store.justified_checkpoint().epoch;
        if checks
            .justified_checkpoint_epoch
            .is_some_and(|expected| expected != justified)
        {
            found.push(format!("justified epoch {justified}"));
        }
        found
    }
}

fn decode<T: Decode>(cache: &Path, name: &str) -> T {
    let bytes = std::fs::read(cache.join(name)).expect("readable");
    T::from_ssz_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

/// Runs a scenario and says what differs.
fn run(folder: &Path, file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("readable");
    let scenario: Scenario = serde_saphyr::from_str(&text).expect("a scenario");
    let cache = folder.join("cache");
    let genesis = std::fs::read(cache.join(&scenario.genesis)).expect("readable");
    let spec = Arc::new(Spec::minimal());
    let genesis = BeaconState::from_ssz_bytes(&genesis, &spec).expect("a state");
    let bls = Bls::new(Pool::new(1), [7; 32]);
    let verifier: &dyn Verifier = match scenario.meta.bls_setting {
        2 => &AcceptAll,
        _ => &bls,
    };
    let anchor = genesis_block(&genesis);
    let mut client = Client {
        driver: Driver::new(genesis, &anchor, verifier).expect("block and state agree"),
        early_blocks: Vec::new(),
        early_attestations: Vec::new(),
    };
    let mut differences = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        if let Some(slot) = step.slot {
            client.on_slot(slot);
        }
        if let Some(block) = &step.block {
            client.on_block(decode(&cache, block));
        }
        if let Some(attestation) = &step.attestation {
            client.on_attestation(decode(&cache, attestation));
        }
        if let Some(checks) = &step.checks {
            let found = client.differences(checks);
            differences.extend(found.iter().map(|what| format!("step {index}: {what}")));
        }
    }
    differences
}

#[test]
fn heads_are_those_of_teku() {
    let Some(folder) =
        shared_inputs::path("chaindata/teku/fork-choice-minimal", "Teku's scenarios")
    else {
        return;
    };
    let mut count = 0;
    for kind in [
        "invalid_attestation",
        "invalid_block",
        "valid_attestation",
        "valid_block",
    ] {
        for entry in std::fs::read_dir(folder.join(kind)).expect("readable") {
            let file = entry.expect("readable").path();
            assert_eq!(
                run(&folder, &file),
                Vec::<String>::new(),
                "{}",
                file.display()
            );
            count += 1;
        }
    }
    assert_eq!(count, 24);
}
