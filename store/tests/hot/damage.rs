//! Single bytes of the index, of hot blocks and of states that turn over are found when they are
//! read, or were of no importance.

use super::script::{KEEP, SCRIPT};
use crate::memory_disk::{Memory, mix};
use consensus::Root;
use std::collections::BTreeMap;
use store::{Disk, Reader, StoreError};

/// Everything that a store answers, in one list.
#[derive(Debug, PartialEq)]
struct Answers(Vec<Vec<u8>>);

fn block(reader: &Reader, root: Root) -> Result<Vec<u8>, StoreError> {
    Ok(reader.block(root)?.map(|it| it.ssz).unwrap_or_default())
}

/// Opens the store and asks for everything.
fn ask(disk: &std::sync::Arc<dyn Disk>) -> Result<Answers, StoreError> {
    let Some(opened) = store::open(disk, &SCRIPT.spec, &KEEP)? else {
        return Ok(Answers(Vec::new()));
    };
    let (it, reader) = (&opened.recovered, &opened.reader);
    let mut answers = vec![
        format!(
            "{:?}",
            (it.anchor, it.split, it.chain, &it.votes, it.last_seq)
        )
        .into_bytes(),
        it.base.state.hash_tree_root().to_vec(),
    ];
    for id in &it.finalized_blocks {
        answers.push(format!("{id:?}").into_bytes());
        answers.push(block(reader, id.root)?);
    }
    for id in &it.hot_states {
        let state = reader.state(id.root)?;
        answers.push(state.map_or(Vec::new(), |state| state.hash_tree_root().to_vec()));
    }
    for row in &it.hot_blocks {
        answers.push(format!("{row:?}").into_bytes());
        answers.push(block(reader, row.root)?);
    }
    for root in SCRIPT.ssz.keys() {
        answers.push(block(reader, *root)?);
    }
    for id in reader.finalized_ids(0..200)? {
        answers.push(id.root.to_vec());
    }
    for (_, root) in reader.info()?.states {
        let state = reader.state(root)?;
        answers.extend(state.map(|it| it.hash_tree_root().to_vec()));
    }
    let state = reader.nearest_state(u64::MAX)?;
    answers.extend(state.map(|it| it.state.hash_tree_root().to_vec()));
    Ok(Answers(answers))
}

/// A store with blocks in all its parts, closed in order.
fn image() -> BTreeMap<String, Vec<u8>> {
    let memory = Memory::default();
    store::create(&memory.disk(), &SCRIPT.genesis, &KEEP).unwrap();
    let opened = store::open(&memory.disk(), &SCRIPT.spec, &KEEP).unwrap();
    let mut opened = opened.unwrap();
    for batch in &SCRIPT.batches[..78] {
        opened.writer.commit(batch).unwrap();
        while opened.writer.step().unwrap() {}
    }
    opened.writer.flush().unwrap();
    drop(opened);
    memory.files()
}

/// Places of a file to turn over: all of its head, and some that are not zero of the rest that is
/// read.
fn places(whole: &Memory, name: &str, bytes: &[u8], count: u64) -> Vec<usize> {
    let head = match name.contains(".redb") {
        true => 320,
        false => 24,
    };
    let mut live = whole.places_read(name);
    live.retain(|at| *at >= head && bytes.get(*at).is_some_and(|byte| *byte != 0));
    let some = (0..count).map(|i| live[mix(i, bytes.len() as u64) as usize % live.len()]);
    (0..head).chain(some).collect()
}

#[test]
fn every_flip_is_found_or_harmless() {
    let files = image();
    let whole = Memory::of(files.clone());
    let right = ask(&whole.disk()).unwrap();
    assert!(right.0.len() > 200);
    let mut wrong = Vec::new();
    let (mut found, mut total) = (0, 0);
    for (name, bytes) in &files {
        // So many are to be found, of some more that are tried.
        let quota = match name.as_str() {
            "index.redb" => 700,
            name if name.starts_with("hot/") => 1500,
            name if name.starts_with("states/") => 60,
            _ => continue,
        };
        let mut found_here = 0;
        for at in places(&whole, name, bytes, 6 * quota) {
            if found_here == quota {
                break;
            }
            let bit = 1 << (mix(at as u64, 1) % 8);
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap()[at] ^= bit;
            total += 1;
            let answers = std::panic::catch_unwind(|| ask(&Memory::of(damaged).disk()));
            match answers {
                Ok(Ok(answers)) if answers == right => {}
                Ok(Ok(_)) => wrong.push(format!("{name}: byte {at}, bit {bit}: silently wrong")),
                Ok(Err(error)) => {
                    found_here += 1;
                    let text = error.to_string();
                    if !text.contains(name.as_str()) {
                        wrong.push(format!("{name}: byte {at}, bit {bit}: {text}"));
                    }
                }
                Err(_) => wrong.push(format!("{name}: byte {at}, bit {bit}: a panic")),
            }
        }
        assert_eq!(found_here, quota, "{name}");
        found += found_here;
    }
    println!("{total} flips, {found} found, the others harmless");
    assert!(wrong.is_empty(), "{} of {total}: {wrong:#?}", wrong.len());
    assert!(found >= 2500, "{found}");
}

/// Files that are cut short, empty or gone are named.
#[test]
fn lost_files_are_named() {
    let files = image();
    let right = ask(&Memory::of(files.clone()).disk()).unwrap();
    let mut found = Vec::new();
    let states = files.keys().filter(|name| name.starts_with("states/"));
    let states = states.count();
    assert!(states > 3);
    for (name, bytes) in &files {
        let is_ours = name == "index.redb" || name.starts_with("hot") || name.starts_with("states");
        if !is_ours {
            continue;
        }
        let mut images = vec![files.clone(); 3];
        images[0].remove(name);
        images[1].get_mut(name).unwrap().clear();
        images[2].get_mut(name).unwrap().truncate(bytes.len() / 2);
        for (number, image) in (0..).zip(images) {
            match ask(&Memory::of(image).disk()) {
                Ok(answers) => assert!(answers == right, "{name} {number}: silently wrong"),
                Err(error) => {
                    assert!(error.to_string().contains(name.as_str()), "{name}: {error}");
                    found.push((name.as_str(), number));
                }
            }
        }
    }
    assert_eq!(found.len(), 3 * (2 + states));
}
