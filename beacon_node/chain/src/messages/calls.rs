//! Calls of the local API that hand in messages: each is answered once all of its items are judged.

use crate::gossip::Verdict;
use crate::{ApiError, ApiReply, Effect, Token};
use std::collections::BTreeMap;

/// One call.
#[derive(Debug)]
struct Call {
    token: Token,
    /// Whether it handed in a list, so that errors name the item.
    is_list: bool,
    open: usize,
    failures: BTreeMap<usize, String>,
}

/// The calls that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: BTreeMap<u64, Call>,
    next: u64,
}

impl Calls {
    /// A call with so many items; an empty one is answered at once, and has no number.
    pub(super) fn begin(
        &mut self,
        token: Token,
        items: usize,
        is_list: bool,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        if items == 0 {
            effects.push(Effect::Reply(token, Ok(ApiReply::Accepted)));
            return number;
        }
        let call = Call {
            token,
            is_list,
            open: items,
            failures: BTreeMap::new(),
        };
        self.calls.insert(number, call);
        number
    }

    /// An item is judged. What is known already is no failure: its sender wanted it known.
    pub(super) fn finish(
        &mut self,
        number: u64,
        item: usize,
        verdict: Verdict,
        effects: &mut Vec<Effect>,
    ) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        match verdict {
            Verdict::Accept => {}
            duplicate if duplicate.is_duplicate() => {}
            Verdict::Ignore(reason) | Verdict::Reject(reason) => {
                call.failures.insert(item, reason.to_owned());
            }
        }
        call.open -= 1;
        if call.open > 0 {
            return;
        }
        if let Some(call) = self.calls.remove(&number) {
            effects.push(Effect::Reply(call.token, call.answer()));
        }
    }
}

impl Call {
    fn answer(self) -> Result<ApiReply, ApiError> {
        if self.failures.is_empty() {
            return Ok(ApiReply::Accepted);
        }
        let failures: Vec<_> = self.failures.into_iter().collect();
        Err(match (failures.as_slice(), self.is_list) {
            ([(_, reason)], false) => ApiError::Invalid(reason.clone()),
            _ => ApiError::InvalidItems(failures),
        })
    }
}
