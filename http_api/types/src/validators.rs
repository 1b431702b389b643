//! Validators with their balance and status.

use crate::{InvalidId, ValidatorId};
use consensus::*;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_utils::quoted_u64;
use std::fmt;

/// A validator in a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorData {
    /// Its place in the registry.
    #[serde(with = "quoted_u64")]
    pub index: ValidatorIndex,
    /// Its balance, Gwei.
    #[serde(with = "quoted_u64")]
    pub balance: Gwei,
    /// Where it is in its life.
    pub status: ValidatorStatus,
    /// What the registry holds.
    pub validator: Validator,
}

/// A validator's balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceData {
    /// Its place in the registry.
    #[serde(with = "quoted_u64")]
    pub index: ValidatorIndex,
    /// Its balance, Gwei.
    #[serde(with = "quoted_u64")]
    pub balance: Gwei,
}

/// Most ids of one request.
pub const MAX_IDS: usize = 1 << 17;

/// What a POST for validators asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorsQuery {
    /// Indices or keys; all if empty or absent.
    #[serde(default)]
    pub ids: Option<ValidatorIds>,
    /// Statuses or groups of them; all if empty or absent.
    #[serde(default)]
    pub statuses: Option<ValidatorStatuses>,
}

/// Names of validators, at most [`MAX_IDS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ValidatorIds(pub Vec<ValidatorId>);

/// Statuses, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ValidatorStatuses(pub Vec<ValidatorStatus>);

impl ValidatorStatuses {
    /// Adds the statuses of that name: one, or a group such as `active`.
    pub fn add(&mut self, name: &str) -> Result<(), InvalidId> {
        let named = ValidatorStatus::named(name).ok_or_else(|| InvalidId::status(name))?;
        for status in named {
            if !self.0.contains(status) {
                self.0.push(*status);
            }
        }
        Ok(())
    }
}

/// Reads a list of names one by one, so that what is kept is bounded.
struct Names<F>(F);

impl<'de, F: FnMut(&str) -> Result<(), String>> Visitor<'de> for Names<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut names: A) -> Result<(), A::Error> {
        while let Some(name) = names.next_element::<String>()? {
            (self.0)(&name).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for ValidatorIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut ids = Vec::new();
        deserializer.deserialize_seq(Names(|name: &str| {
            if ids.len() == MAX_IDS {
                return Err(format!("more than {MAX_IDS} ids"));
            }
            ids.push(name.parse().map_err(|error: InvalidId| error.to_string())?);
            Ok(())
        }))?;
        Ok(ValidatorIds(ids))
    }
}

impl<'de> Deserialize<'de> for ValidatorStatuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut statuses = ValidatorStatuses::default();
        let add = |name: &str| statuses.add(name).map_err(|error| error.to_string());
        deserializer.deserialize_seq(Names(add))?;
        Ok(statuses)
    }
}

/// Where a validator is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidatorStatus {
    /// Deposited, but not yet eligible.
    PendingInitialized,
    /// In the queue for activation.
    PendingQueued,
    /// Attests.
    ActiveOngoing,
    /// Attests, and has asked to leave.
    ActiveExiting,
    /// Attests still, but was slashed.
    ActiveSlashed,
    /// Has left.
    ExitedUnslashed,
    /// Was thrown out.
    ExitedSlashed,
    /// Could withdraw.
    WithdrawalPossible,
    /// Has nothing any more.
    WithdrawalDone,
}

use ValidatorStatus::{
    ActiveExiting, ActiveOngoing, ActiveSlashed, ExitedSlashed, ExitedUnslashed,
    PendingInitialized, PendingQueued, WithdrawalDone, WithdrawalPossible,
};

const STATUSES: [(&str, &[ValidatorStatus]); 13] = [
    ("pending_initialized", &[PendingInitialized]),
    ("pending_queued", &[PendingQueued]),
    ("active_ongoing", &[ActiveOngoing]),
    ("active_exiting", &[ActiveExiting]),
    ("active_slashed", &[ActiveSlashed]),
    ("exited_unslashed", &[ExitedUnslashed]),
    ("exited_slashed", &[ExitedSlashed]),
    ("withdrawal_possible", &[WithdrawalPossible]),
    ("withdrawal_done", &[WithdrawalDone]),
    ("pending", &[PendingInitialized, PendingQueued]),
    ("active", &[ActiveOngoing, ActiveExiting, ActiveSlashed]),
    ("exited", &[ExitedUnslashed, ExitedSlashed]),
    ("withdrawal", &[WithdrawalPossible, WithdrawalDone]),
];

impl ValidatorStatus {
    /// The status in an epoch.
    pub fn of(validator: &Validator, epoch: Epoch) -> ValidatorStatus {
        if epoch < validator.activation_epoch {
            return match validator.activation_eligibility_epoch {
                FAR_FUTURE_EPOCH => PendingInitialized,
                _ => PendingQueued,
            };
        }
        if epoch < validator.exit_epoch {
            return match (validator.exit_epoch, validator.slashed) {
                (FAR_FUTURE_EPOCH, _) => ActiveOngoing,
                (_, true) => ActiveSlashed,
                (_, false) => ActiveExiting,
            };
        }
        if epoch < validator.withdrawable_epoch {
            return match validator.slashed {
                true => ExitedSlashed,
                false => ExitedUnslashed,
            };
        }
        match validator.effective_balance {
            0 => WithdrawalDone,
            _ => WithdrawalPossible,
        }
    }

    /// The statuses of that name: one, or a group such as `active`.
    pub fn named(name: &str) -> Option<&'static [ValidatorStatus]> {
        let found = STATUSES.iter().find(|(known, _)| *known == name);
        found.map(|(_, statuses)| *statuses)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        let found = STATUSES.iter().find(|(_, group)| *group == [self]);
        found.map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_follow_a_life() {
        let mut validator = Validator {
            pubkey: BLSPubkey::ZERO,
            withdrawal_credentials: Root::ZERO,
            effective_balance: 32,
            slashed: false,
            activation_eligibility_epoch: FAR_FUTURE_EPOCH,
            activation_epoch: FAR_FUTURE_EPOCH,
            exit_epoch: FAR_FUTURE_EPOCH,
            withdrawable_epoch: FAR_FUTURE_EPOCH,
        };
        let status = |validator: &Validator, epoch| ValidatorStatus::of(validator, epoch);
        assert_eq!(status(&validator, 5), PendingInitialized);
        validator.activation_eligibility_epoch = 4;
        validator.activation_epoch = 10;
        assert_eq!(status(&validator, 9), PendingQueued);
        assert_eq!(status(&validator, 10), ActiveOngoing);
        validator.exit_epoch = 20;
        validator.withdrawable_epoch = 30;
        assert_eq!(status(&validator, 19), ActiveExiting);
        assert_eq!(status(&validator, 20), ExitedUnslashed);
        validator.slashed = true;
        assert_eq!(status(&validator, 19), ActiveSlashed);
        assert_eq!(status(&validator, 29), ExitedSlashed);
        assert_eq!(status(&validator, 30), WithdrawalPossible);
        validator.effective_balance = 0;
        assert_eq!(status(&validator, 30), WithdrawalDone);
    }

    #[test]
    fn lists_of_names_are_bounded() {
        let text = r#"{"ids":["1","1"],"statuses":["active","active_ongoing"]}"#;
        let query: ValidatorsQuery = serde_json::from_str(text).expect("a query");
        assert_eq!(
            query.ids,
            Some(ValidatorIds(vec![ValidatorId::Index(1); 2]))
        );
        let active = vec![ActiveOngoing, ActiveExiting, ActiveSlashed];
        assert_eq!(query.statuses, Some(ValidatorStatuses(active)));
        let again = serde_json::to_string(&query).expect("JSON");
        assert_eq!(
            serde_json::from_str::<ValidatorsQuery>(&again).ok(),
            Some(query)
        );
        let many = serde_json::to_string(&vec!["1"; MAX_IDS + 1]).expect("JSON");
        assert!(serde_json::from_str::<ValidatorIds>(&many).is_err());
        assert!(serde_json::from_str::<ValidatorIds>(r#"["x"]"#).is_err());
        assert!(serde_json::from_str::<ValidatorStatuses>(r#"["asleep"]"#).is_err());
    }

    #[test]
    fn names_are_those_of_the_json_form() {
        for (name, group) in &STATUSES[..9] {
            let json = serde_json::to_string(&group[0]).ok();
            assert_eq!(json, Some(format!("\"{name}\"")));
            assert_eq!(group[0].as_str(), *name);
        }
        let grouped: usize = STATUSES[9..].iter().map(|(_, group)| group.len()).sum();
        assert_eq!(grouped, 9);
        assert_eq!(ValidatorStatus::named("sleeping"), None);
    }
}
