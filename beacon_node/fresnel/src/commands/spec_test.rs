//! `fresnel spec-test`

use crate::cli::SpecTest;

pub(crate) fn run(args: &SpecTest) -> anyhow::Result<()> {
    let options = spec_tests::Options {
        filter: args.filter.clone(),
        sabotage: args.sabotage,
        ..spec_tests::Options::new(&args.vectors)
    };
    let summary = spec_tests::run(&options, &mut std::io::stdout().lock());
    match summary.success() {
        true => Ok(()),
        // The last line of the report says how many.
        false => std::process::exit(1),
    }
}
