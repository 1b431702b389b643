//! `fresnel debug config`

use super::tell_unknown_keys;
use crate::cli::NetworkArgs;
use crate::input::Network;

/// Prints the values in effect as YAML, and which of them the configuration did not give.
pub(crate) fn run(args: &NetworkArgs) -> anyhow::Result<()> {
    let network = Network::of(args)?;
    tell_unknown_keys(&network);
    print!("{}", network.spec.to_yaml());
    if !network.defaulted_keys.is_empty() {
        println!(
            "# Not in {}, with the default of {}: {}",
            network.name,
            network.spec.PRESET_BASE,
            network.defaulted_keys.join(", ")
        );
    }
    Ok(())
}
