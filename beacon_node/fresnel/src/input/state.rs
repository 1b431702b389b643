//! States.

use super::container::{Content, Format, MAX_WHOLE_FILE, open, read_content, sniff};
use super::e2store::record_error;
use super::json;
use anyhow::{Context, anyhow, bail};
use consensus::state::StateJson;
use consensus::{BeaconState, Spec};
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use store::finalized::e2store::{Records, STATE};

/// Reads a state: SSZ or JSON, plain, gzipped or zipped, or the one in an era file.
pub(crate) fn read_state(path: &Path, spec: &Arc<Spec>) -> anyhow::Result<BeaconState> {
    let (format, reader) = sniff(BufReader::new(open(path)?))
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    if format == Format::E2store {
        let bytes = state_of_era(path, Records::new(reader))?;
        return decode_state(path, &bytes, spec);
    }
    match read_content(path)? {
        Content::Ssz(bytes) => decode_state(path, &bytes, spec),
        Content::Json(text) => {
            let state: StateJson = json::parse(path, &text)?;
            let other = other_preset(spec);
            let fits_other = |state: StateJson| state.into_state(&other).is_ok();
            state
                .clone()
                .into_state(spec)
                .map_err(|error| refusal(path, spec, &error, fits_other(state).then_some(&other)))
        }
    }
}

/// Decodes the SSZ of a state, and says so if it is one of the other preset.
pub(crate) fn decode_state(
    path: &Path,
    bytes: &[u8],
    spec: &Arc<Spec>,
) -> anyhow::Result<BeaconState> {
    BeaconState::from_ssz_bytes(bytes, spec).map_err(|error| {
        let other = other_preset(spec);
        let fits_other = BeaconState::from_ssz_bytes(bytes, &other).is_ok();
        refusal(path, spec, &error, fits_other.then_some(&other))
    })
}

fn other_preset(spec: &Spec) -> Arc<Spec> {
    Arc::new(
        match spec.SLOTS_PER_HISTORICAL_ROOT == Spec::minimal().SLOTS_PER_HISTORICAL_ROOT {
            true => Spec::mainnet(),
            false => Spec::minimal(),
        },
    )
}

fn refusal(
    path: &Path,
    spec: &Spec,
    error: &consensus::Error,
    fits: Option<&Arc<Spec>>,
) -> anyhow::Error {
    let path = path.display();
    match fits {
        Some(other) => anyhow!(
            "{path}: this looks like a {0}-preset state; pass --network {0}, or a --network-dir of that preset",
            other.PRESET_BASE
        ),
        None => anyhow!(
            "{path}: this is no {}-preset state: {error}; the file is damaged or another kind of file, get it again",
            spec.PRESET_BASE
        ),
    }
}

fn state_of_era(path: &Path, mut records: Records<impl std::io::Read>) -> anyhow::Result<Vec<u8>> {
    while let Some(header) = records.next_header().map_err(record_error(path))? {
        match header.kind {
            STATE => {
                return records
                    .decompress(header, MAX_WHOLE_FILE)
                    .map_err(record_error(path));
            }
            _ => records.skip(header).map_err(record_error(path))?,
        }
    }
    bail!(
        "{}: this e2store file holds no state; name another file",
        path.display()
    )
}
