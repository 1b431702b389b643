//! Runner `shuffling`: one index at a time, and the whole list at once.

use crate::case::Case;
use crate::value::Value;
use anyhow::{Result, anyhow};
use consensus::Root;
use consensus::helpers::compute_shuffled_index;

pub(crate) fn core(case: &Case) -> Result<()> {
    let spec = case.spec()?;
    let data = case.yaml("mapping.yaml")?;
    let seed: Root = data.field("seed")?.fixed()?;
    let count = data.field("count")?.number()?;
    let mapping = case.expected(data.field("mapping")?);
    let length = case.expected(data.field("count")?);
    case.check_value(
        "count",
        &Value::Scalar(mapping.items()?.len().to_string()),
        &length,
    );

    let mut one_by_one = Vec::new();
    for index in 0..count {
        let shuffled = compute_shuffled_index(index, count, &seed, spec)
            .map_err(|error| anyhow!("index {index} of {count}: {error}"))?;
        one_by_one.push(Value::Scalar(shuffled.to_string()));
    }
    case.check_value("compute_shuffled_index", &Value::List(one_by_one), &mapping);

    // Entry `i` of the shuffled list is what was at `compute_shuffled_index(i)` before.
    let mut list: Vec<u32> = (0..u32::try_from(count)?).collect();
    kernels::shuffle_list(&mut list, &seed.0, u8::try_from(spec.SHUFFLE_ROUND_COUNT)?);
    let at_once = list.iter().map(|index| Value::Scalar(index.to_string()));
    case.check_value("the whole list", &Value::List(at_once.collect()), &mapping);
    Ok(())
}
