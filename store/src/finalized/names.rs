//! The names of the files of finalized history.

use consensus::{BeaconState, Root, Spec};

/// The folder of finalized history.
pub(super) const FOLDER: &str = "finalized";
const SEALED: &str = ".era";
const SIDECAR: &str = ".idx";
const SUSPECT: &str = ".suspect";
const TEMPORARY: &str = ".tmp";

/// What a file is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A complete segment.
    Era(u64),
    /// The sidecar of the complete segment with this name.
    EraSidecar(String),
    /// Tells that reading the segment with this name has failed under its map.
    Suspect(String),
    /// The segment that grows.
    Growing(u64),
    /// Its sidecar.
    GrowingSidecar(u64),
    /// Something that was being written.
    Temporary,
    /// Not ours.
    Other,
}

/// What a name stands for.
pub(super) fn kind(name: &str) -> Kind {
    let number = |text: &str| text.parse::<u64>().ok();
    if name.strip_suffix(TEMPORARY).is_some() {
        return Kind::Temporary;
    }
    if let Some(rest) = name.strip_prefix("growing-") {
        let growing = rest.strip_suffix(".e2s").and_then(number);
        let sidecar = rest.strip_suffix(SIDECAR).and_then(number);
        return match (growing, sidecar) {
            (Some(era), _) => Kind::Growing(era),
            (_, Some(era)) => Kind::GrowingSidecar(era),
            _ => Kind::Other,
        };
    }
    for (ending, of) in [
        (SIDECAR, Kind::EraSidecar as fn(String) -> Kind),
        (SUSPECT, Kind::Suspect),
    ] {
        if let Some(segment) = name.strip_suffix(ending)
            && segment.ends_with(SEALED)
        {
            return of(segment.to_owned());
        }
    }
    match era_of(name) {
        Some(era) => Kind::Era(era),
        None => Kind::Other,
    }
}

/// The era that a file is of by its name, `<config>-<number>-<root>.era`.
pub(super) fn era_of(name: &str) -> Option<u64> {
    let mut parts = name.strip_suffix(SEALED)?.rsplitn(3, '-');
    let (root, number, _config) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    let hex = root.len() == 8 && root.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digits && hex).then(|| number.parse().ok()).flatten()
}

/// Whether an era and the next one end at a slot.
pub(super) fn is_possible(era: u64, spec: &Spec) -> bool {
    let next = era.checked_add(1);
    next.is_some_and(|next| next.checked_mul(spec.SLOTS_PER_HISTORICAL_ROOT).is_some())
}

/// The name of the complete segment of an era, whose root is that of [`era_root`].
pub(super) fn era_name(spec: &Spec, era: u64, root: Root) -> String {
    // A configuration's name is free text, a file's is not.
    let config: String = spec.CONFIG_NAME.chars().map(plain).collect();
    let [a, b, c, d, ..] = root.0;
    format!("{config}-{era:05}-{a:02x}{b:02x}{c:02x}{d:02x}{SEALED}")
}

fn plain(character: char) -> char {
    match character.is_ascii_alphanumeric() || character == '_' {
        true => character,
        false => '_',
    }
}

/// The root that an era is named by: the historical root that its last slot adds, or for era 0 the
/// genesis validators root. `None` if the state is too early.
pub(super) fn era_root(state: &BeaconState, era: u64) -> Option<Root> {
    match era.checked_sub(1) {
        None => Some(state.genesis_validators_root()),
        Some(index) => state.historical_roots().get(usize::try_from(index).ok()?),
    }
}

pub(super) fn sidecar_name(segment: &str) -> String {
    format!("{segment}{SIDECAR}")
}

pub(super) fn suspect_name(segment: &str) -> String {
    format!("{segment}{SUSPECT}")
}

pub(super) fn growing_name(era: u64) -> String {
    format!("growing-{era:05}.e2s")
}

pub(super) fn growing_sidecar_name(era: u64) -> String {
    format!("growing-{era:05}{SIDECAR}")
}

pub(super) fn temporary_name(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

/// The path of a file in the folder.
pub(super) fn path(name: &str) -> String {
    format!("{FOLDER}/{name}")
}
