//! Eras of whole chains: `fresnel` imports the chain and exports the eras, two independent readers
//! read them block by block and state by state, and a fresh data folder made from them holds the same.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

use chain_maker::ChainOptions;
use consensus::{BeaconState, SignedBeaconBlock, Spec};
use interop::{Chain, Era, EraReader, Fresnel, ReadError, missing};
use ssz::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Cargo's target folder.
fn target() -> &'static Path {
    let below = Path::new(env!("CARGO_TARGET_TMPDIR"));
    below.parent().unwrap()
}

/// Writes the chain into files below the folder.
fn write_chain(chain: &Chain, folder: &Path) {
    fs::create_dir_all(folder.join("chain/blocks")).unwrap();
    fs::write(folder.join("chain/config.yaml"), chain.spec.to_yaml()).unwrap();
    let genesis = folder.join("chain/genesis.ssz");
    fs::write(genesis, chain.genesis.as_ssz_bytes()).unwrap();
    for (slot, block) in &chain.blocks {
        let file = folder.join(format!("chain/blocks/block_{slot:06}.ssz"));
        fs::write(file, block.as_ssz_bytes()).unwrap();
    }
}

/// Imports the chain's blocks into a data folder, which may have some of them.
fn import_blocks(fresnel: &Fresnel, folder: &Path, data: &str) {
    let path = |name: &str| folder.join(name).into_os_string();
    let args: [OsString; 12] = [
        "node".into(),
        "--no-http".into(),
        "--no-metrics".into(),
        "--network-dir".into(),
        path("chain"),
        "--genesis-state".into(),
        path("chain/genesis.ssz"),
        "--datadir".into(),
        path(data),
        "--import".into(),
        path("chain/blocks"),
        "--exit-after-import".into(),
    ];
    fresnel.run(args);
}

/// Exports the eras of a data folder to a new folder.
fn export(fresnel: &Fresnel, folder: &Path, data: &str, out: &str) -> PathBuf {
    let out = folder.join(out);
    let data = folder.join(data);
    fresnel.run([
        "era".as_ref(),
        "export".as_ref(),
        "--datadir".as_ref(),
        data.as_os_str(),
        "--out".as_ref(),
        out.as_os_str(),
    ]);
    out
}

/// The files of a folder by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap();
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(|entry| file(entry.unwrap())).collect()
}

/// Lets every reader read the eras.
fn read_by_others(eras: &[Era], folder: &Path, slots: u64) {
    let paths: Vec<PathBuf> = eras.iter().map(|era| folder.join(&era.name)).collect();
    let expected: Vec<String> = eras.iter().flat_map(Era::lines).collect();
    for reader in EraReader::ALL {
        match reader.read(target(), slots, &paths) {
            Ok(lines) => assert!(
                lines == expected,
                "{reader:?} reads\n{}\ninstead of\n{}",
                lines.join("\n"),
                expected.join("\n")
            ),
            Err(ReadError::Unavailable(why)) => missing(&format!("{reader:?} on eras"), &why),
            Err(ReadError::Failed(why)) => panic!("{reader:?}: {why}"),
        }
    }
}

/// One byte of the era's state changes: no reader may give the same answer.
fn damage_is_noticed(era: &Era, folder: &Path, slots: u64) {
    let mut bytes = fs::read(folder.join(&era.name)).unwrap();
    let indices = (slots as usize + 3 + 4) * 8;
    let at = bytes.len() - indices - 1_000;
    bytes[at] ^= 0x10;
    let damaged = tempfile::tempdir().unwrap();
    let path = damaged.path().join(&era.name);
    fs::write(&path, bytes).unwrap();
    for reader in EraReader::ALL {
        match reader.read(target(), slots, std::slice::from_ref(&path)) {
            Ok(lines) => assert!(lines != era.lines(), "{reader:?} notices nothing"),
            Err(ReadError::Unavailable(why)) => missing(&format!("{reader:?} on damage"), &why),
            Err(ReadError::Failed(_)) => {}
        }
    }
}

/// Makes a fresh data folder of the exported eras. What it exports must be the same, byte for byte:
/// all eras but the newest, whose blocks do not finalize it, and that one, too, when the blocks after
/// it are there.
fn import_and_export_again(fresnel: &Fresnel, folder: &Path, eras: &Path) {
    let exported = files(eras);
    let paths = exported.keys().map(|name| eras.join(name).into_os_string());
    let mut args = vec![
        "era".into(),
        "import".into(),
        "--network-dir".into(),
        folder.join("chain").into_os_string(),
        "--datadir".into(),
        folder.join("fresh").into_os_string(),
    ];
    args.extend(paths);
    fresnel.run(args);
    let again = files(&export(fresnel, folder, "fresh", "again"));
    assert!(again.len() + 1 >= exported.len(), "{} eras", again.len());
    for (name, bytes) in &again {
        assert!(exported.get(name) == Some(bytes), "{name} differs");
    }
    import_blocks(fresnel, folder, "fresh");
    let again = files(&export(fresnel, folder, "fresh", "again"));
    assert!(again == exported, "other eras after the import of eras");
}

/// Checks the eras of a chain from end to end; there must be `count` of them after era 0.
fn check(chain: &Chain, count: u64) {
    let slots = chain.spec.SLOTS_PER_HISTORICAL_ROOT;
    let eras = chain.final_eras();
    assert_eq!(eras.last().unwrap().number, count, "final eras");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let fresnel = Fresnel::built(target());
    write_chain(chain, folder);
    import_blocks(&fresnel, folder, "data");
    let exported = export(&fresnel, folder, "data", "eras");
    let names: Vec<_> = files(&exported).into_keys().collect();
    let expected: Vec<_> = eras.iter().map(|era| era.name.clone()).collect();
    assert_eq!(names, expected);
    read_by_others(&eras, &exported, slots);
    damage_is_noticed(eras.last().unwrap(), &exported, slots);
    // Era 0 alone has no blocks to import.
    if count > 0 {
        import_and_export_again(&fresnel, folder, &exported);
    }
}

#[test]
fn minimal_eras_with_empty_and_full_boundaries() {
    let options = ChainOptions {
        slots: 5 * 64 + 32,
        empty_slots: BTreeSet::from([64, 192]),
        ..ChainOptions::default()
    };
    let chain = Chain::made(Spec::minimal(), 64, &options);
    let boundary = |era: u64| chain.blocks.contains_key(&(era * 64));
    assert_eq!(
        [1, 2, 3, 4, 5].map(boundary),
        [false, true, false, true, true]
    );
    check(&chain, 5);
}

#[test]
fn two_eras_of_mainnet_with_few_blocks() {
    let options = ChainOptions {
        slots: 2 * 8_192 + 160,
        every: 8,
        empty_slots: BTreeSet::from([8_192]),
        ..ChainOptions::default()
    };
    let spec = Spec {
        CONFIG_NAME: "made-mainnet".into(),
        ..Spec::mainnet()
    };
    check(&Chain::made(spec, 64, &options), 2);
}

#[test]
fn eras_of_a_chain_made_by_lodestar() {
    let archive = "chaindata/lodestar/minimal-eras.tar.xz";
    if let Some(chain) = Chain::recorded(archive, "minimal-eras", "Lodestar's chain as eras") {
        check(&chain, 4);
    }
}

#[test]
fn era_0_of_mainnet() {
    let genesis = "chaindata/genesis/mainnet/genesis.ssz.zip";
    let Some(ssz) = shared_inputs::unzipped(genesis, "era 0 of mainnet") else {
        return;
    };
    let block = |slot: u64| {
        let file = format!("chaindata/mainnet-blocks/slot-{slot}.signed-beacon-block.ssz");
        let bytes = shared_inputs::bytes(file, "era 0 of mainnet")?;
        Some((slot, SignedBeaconBlock::from_ssz_bytes(&bytes).unwrap()))
    };
    let Some(blocks) = (1..=3).map(block).collect() else {
        return;
    };
    let spec = Arc::new(Spec::mainnet());
    let chain = Chain {
        genesis: BeaconState::from_ssz_bytes(&ssz, &spec).unwrap(),
        spec,
        blocks,
    };
    assert_eq!(chain.final_eras()[0].name, "mainnet-00000-4b363db9.era");
    check(&chain, 0);
}
