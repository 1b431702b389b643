//! Reading, writing and checking a [`Spec`]: the specification's YAML, as all clients share it.

use super::Spec;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use thiserror::Error;

/// Longest accepted text, bytes; the longest known configuration has 8 KiB.
const MAX_TEXT: usize = 1 << 20;

/// Keys that are no values of their own: names, and the seconds that milliseconds replaced.
const EXTRA_KEYS: [&str; 3] = ["PRESET_BASE", "CONFIG_NAME", "SECONDS_PER_SLOT"];

/// Constants of the specification that older configurations repeat. They may not differ.
const CONSTANTS: [(&str, u64); 7] = [
    ("BASE_REWARDS_PER_EPOCH", 4),
    ("DEPOSIT_CONTRACT_TREE_DEPTH", 32),
    ("FAR_FUTURE_EPOCH", u64::MAX),
    ("GENESIS_SLOT", 0),
    ("JUSTIFICATION_BITS_LENGTH", 4),
    ("SAFETY_DECAY", 10),
    ("TARGET_AGGREGATORS_PER_COMMITTEE", 16),
];

/// Every key that is read; all others are skipped unseen, whatever their type.
static KNOWN_KEYS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let spec = Spec::mainnet();
    let values = spec.preset_values().into_iter().chain(spec.config_values());
    let constants = CONSTANTS.iter().map(|(name, _)| *name);
    values
        .map(|(name, _)| name)
        .chain(EXTRA_KEYS)
        .chain(constants)
        .collect()
});

/// A [`Spec`] and what its texts did and did not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedSpec {
    /// The checked values.
    pub spec: Spec,
    /// Keys that phase 0 does not know, sorted: those of later forks.
    pub unknown: Vec<String>,
    /// Phase-0 keys that were missing and have the default of `PRESET_BASE`, preset first.
    pub defaulted: Vec<&'static str>,
}

/// Why a configuration was refused. Each message names the key, its value and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecError {
    /// Larger than any configuration.
    #[error("the text has {0} bytes, a configuration at most {MAX_TEXT}; is it the right file?")]
    TooLong(usize),
    /// A file that is empty, or has nothing but comments.
    #[error("there is no 'KEY: value' line in the text; is the file complete?")]
    Empty,
    /// Not a YAML mapping, or a key given twice, or a list where a value belongs.
    #[error("this is not a list of 'KEY: value' lines in YAML: {0}")]
    Yaml(String),
    /// A value of the wrong type.
    #[error("{key}: {reason}; correct this line")]
    Value {
        /// The key.
        key: String,
        /// What was expected and found.
        reason: String,
    },
    /// Two of the texts disagree.
    #[error("{key} is given as both '{first}' and '{second}'; remove one of them")]
    Conflict {
        /// The key.
        key: &'static str,
        /// Its value in an earlier text.
        first: String,
        /// Its value in a later text.
        second: String,
    },
    /// A preset that is not built in, and not given in full either.
    #[error(
        "PRESET_BASE '{base}' is not built in (mainnet and minimal are), so the preset must be \
         given in full; missing: {missing}"
    )]
    UnknownPreset {
        /// The value of `PRESET_BASE`.
        base: String,
        /// The preset keys that are missing.
        missing: String,
    },
    /// The two forms of the slot's length disagree.
    #[error(
        "SECONDS_PER_SLOT is {seconds}, but SLOT_DURATION_MS is {milliseconds}; make them agree \
         or remove one of them"
    )]
    SlotDurations {
        /// `SECONDS_PER_SLOT`.
        seconds: String,
        /// `SLOT_DURATION_MS`.
        milliseconds: u64,
    },
    /// A value that changes the shape of messages, or a constant.
    #[error("{key} is {value}, but only {fixed} is supported; this network cannot be followed")]
    Fixed {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The only possible one.
        fixed: u64,
    },
    /// A number that the state transition cannot work with.
    #[error("{key} is {value}, but must be {range}; correct the configuration")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Its value.
        value: u64,
        /// The possible values.
        range: String,
    },
    /// A name that cannot be part of a file's name.
    #[error(
        "{key} is '{value}', but must be 1 to 64 letters, digits, '-', '_' or '.'; choose another"
    )]
    Name {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
}

/// One text's entries: values of known keys, and the names of the others.
#[derive(Default)]
struct Document {
    known: BTreeMap<&'static str, String>,
    unknown: BTreeSet<String>,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut document = Document::default();
        while let Some(key) = map.next_key::<String>()? {
            // A value's text is taken as it stands: no YAML number holds an address.
            match KNOWN_KEYS.get(key.as_str()) {
                Some(known) => drop(document.known.insert(known, map.next_value()?)),
                None => {
                    map.next_value::<IgnoredAny>()?;
                    document.unknown.insert(key);
                }
            }
        }
        Ok(document)
    }
}

impl Document {
    fn read(text: &str) -> Result<Document, SpecError> {
        if text.len() > MAX_TEXT {
            return Err(SpecError::TooLong(text.len()));
        }
        // No configuration has anchors: without them nothing can grow beyond the text.
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_anchors: 0, max_aliases: 0, max_depth: 16 },
            duplicate_keys: DuplicateKeyPolicy::Error,
            merge_keys: MergeKeyPolicy::Error,
            non_finite_float_policy: NonFiniteFloatPolicy::AsString,
            emit_comments: false,
        };
        let document: Document = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| SpecError::Yaml(error.without_snippet().to_string()))?;
        match document.known.is_empty() && document.unknown.is_empty() {
            true => Err(SpecError::Empty),
            false => Ok(document),
        }
    }

    fn merge(&mut self, other: Document) -> Result<(), SpecError> {
        self.unknown.extend(other.unknown);
        for (key, second) in other.known {
            match self.known.get(key) {
                Some(first) if *first != second => {
                    return Err(SpecError::Conflict {
                        key,
                        first: first.clone(),
                        second,
                    });
                }
                _ => drop(self.known.insert(key, second)),
            }
        }
        Ok(())
    }

    /// The values to start from: the built-in ones of `PRESET_BASE`.
    fn base(&self) -> Result<Spec, SpecError> {
        let base = self.known.get("PRESET_BASE").map_or("mainnet", |b| b);
        if let Some(spec) = Spec::built_in(base) {
            return Ok(spec);
        }
        let mut spec = Spec::mainnet();
        let keys = spec.preset_values().into_iter().map(|(key, _)| key);
        let missing: Vec<_> = keys.filter(|key| !self.known.contains_key(key)).collect();
        if !missing.is_empty() {
            return Err(SpecError::UnknownPreset {
                base: base.into(),
                missing: missing.join(", "),
            });
        }
        spec.PRESET_BASE = base.into();
        spec.CONFIG_NAME = base.into();
        Ok(spec)
    }

    fn into_spec(self) -> Result<LoadedSpec, SpecError> {
        let mut spec = self.base()?;
        if let Some(name) = self.known.get("CONFIG_NAME") {
            spec.CONFIG_NAME.clone_from(name);
        }
        for (&key, text) in &self.known {
            let constant = CONSTANTS.iter().find(|(name, _)| *name == key);
            match constant {
                Some(&(_, fixed)) if text.parse() != Ok(fixed) => {
                    return Err(SpecError::Fixed {
                        key,
                        value: text.clone(),
                        fixed,
                    });
                }
                _ => drop(spec.set(key, text).map_err(|reason| SpecError::Value {
                    key: key.into(),
                    reason,
                })?),
            }
        }
        self.set_slot_duration(&mut spec)?;
        spec.check()?;
        Ok(LoadedSpec {
            defaulted: self.defaulted(&spec),
            unknown: self.unknown.into_iter().collect(),
            spec,
        })
    }

    /// `SECONDS_PER_SLOT` stands in for `SLOT_DURATION_MS`, or agrees with it.
    fn set_slot_duration(&self, spec: &mut Spec) -> Result<(), SpecError> {
        let Some(seconds) = self.known.get("SECONDS_PER_SLOT") else {
            return Ok(());
        };
        let milliseconds = seconds.parse().ok().and_then(|s: u64| s.checked_mul(1000));
        let milliseconds = milliseconds.ok_or_else(|| SpecError::Value {
            key: "SECONDS_PER_SLOT".into(),
            reason: format!("expected a number of seconds, found '{seconds}'"),
        })?;
        if !self.known.contains_key("SLOT_DURATION_MS") {
            spec.SLOT_DURATION_MS = milliseconds;
        } else if spec.SLOT_DURATION_MS != milliseconds {
            return Err(SpecError::SlotDurations {
                seconds: seconds.clone(),
                milliseconds: spec.SLOT_DURATION_MS,
            });
        }
        Ok(())
    }

    fn defaulted(&self, spec: &Spec) -> Vec<&'static str> {
        let values = spec.preset_values().into_iter().chain(spec.config_values());
        ["PRESET_BASE", "CONFIG_NAME"]
            .into_iter()
            .chain(values.map(|(key, _)| key))
            .filter(|key| !self.known.contains_key(key))
            .filter(|key| {
                *key != "SLOT_DURATION_MS" || !self.known.contains_key("SECONDS_PER_SLOT")
            })
            .collect()
    }
}

impl Spec {
    /// The built-in values of a network or preset: `mainnet` or `minimal`.
    pub fn built_in(name: &str) -> Option<Spec> {
        match name {
            "mainnet" => Some(Spec::mainnet()),
            "minimal" => Some(Spec::minimal()),
            _ => None,
        }
    }

    /// Reads a `config.yaml`, which may hold preset keys as well.
    ///
    /// # Errors
    /// See [`SpecError`].
    pub fn from_yaml(text: &str) -> Result<LoadedSpec, SpecError> {
        Spec::from_yaml_parts(&[text])
    }

    /// Reads configuration and preset from several texts in any order. Texts may repeat a key if
    /// they agree. Missing keys get the default of `PRESET_BASE`, which is mainnet if missing.
    ///
    /// # Errors
    /// See [`SpecError`].
    pub fn from_yaml_parts(texts: &[&str]) -> Result<LoadedSpec, SpecError> {
        let mut document = Document::default();
        for text in texts {
            document.merge(Document::read(text)?)?;
        }
        document.into_spec()
    }

    /// The YAML of preset and configuration, which [`Spec::from_yaml`] and other clients read.
    pub fn to_yaml(&self) -> String {
        let mut text = format!(
            "PRESET_BASE: '{}'\nCONFIG_NAME: '{}'\n",
            self.PRESET_BASE, self.CONFIG_NAME
        );
        for (key, value) in self.config_values().into_iter().chain(self.preset_values()) {
            if key == "SLOT_DURATION_MS" {
                let seconds = self.SLOT_DURATION_MS / 1000;
                text += &format!("SECONDS_PER_SLOT: {seconds}\n");
            }
            text += &format!("{key}: {value}\n");
        }
        text
    }

    /// Refuses values that make the state transition divide by zero, overflow, or deadlock, that
    /// make states too large, or that change the shape of messages.
    ///
    /// # Errors
    /// [`SpecError::Name`], [`SpecError::Fixed`] or [`SpecError::OutOfRange`].
    pub fn check(&self) -> Result<(), SpecError> {
        check_name("PRESET_BASE", &self.PRESET_BASE)?;
        check_name("CONFIG_NAME", &self.CONFIG_NAME)?;
        self.check_wire_limits()?;
        self.check_ranges()?;
        self.check_relations()
    }

    /// The message types are compiled with these limits.
    fn check_wire_limits(&self) -> Result<(), SpecError> {
        let limits = [
            (
                "MAX_VALIDATORS_PER_COMMITTEE",
                self.MAX_VALIDATORS_PER_COMMITTEE,
                2048,
            ),
            ("MAX_PROPOSER_SLASHINGS", self.MAX_PROPOSER_SLASHINGS, 16),
            ("MAX_ATTESTER_SLASHINGS", self.MAX_ATTESTER_SLASHINGS, 2),
            ("MAX_ATTESTATIONS", self.MAX_ATTESTATIONS, 128),
            ("MAX_DEPOSITS", self.MAX_DEPOSITS, 16),
            ("MAX_VOLUNTARY_EXITS", self.MAX_VOLUNTARY_EXITS, 16),
            (
                "ATTESTATION_SUBNET_COUNT",
                self.ATTESTATION_SUBNET_COUNT,
                64,
            ),
        ];
        match limits.into_iter().find(|(_, value, fixed)| value != fixed) {
            None => Ok(()),
            Some((key, value, fixed)) => Err(SpecError::Fixed {
                key,
                value: value.to_string(),
                fixed,
            }),
        }
    }

    /// Each value alone. What divides is at least 1; what is added to an epoch, a slot or a time
    /// is far below 2^64; what is kept in a state keeps it in memory.
    fn check_ranges(&self) -> Result<(), SpecError> {
        const COUNT: RangeInclusive<u64> = 1..=1 << 32;
        const SPAN: RangeInclusive<u64> = 0..=1 << 32;
        const VECTOR: RangeInclusive<u64> = 2..=1 << 20;
        const LIMIT: RangeInclusive<u64> = 1..=1 << 40;
        const GWEI: RangeInclusive<u64> = 0..=1 << 48;
        const BASIS_POINTS: RangeInclusive<u64> = 0..=10_000;
        const PERCENT: RangeInclusive<u64> = 0..=10_000;
        macro_rules! within {
            ($($name:ident $range:expr;)*) => {$(
                let range: RangeInclusive<u64> = $range;
                if !range.contains(&self.$name) {
                    let range = format!("from {} to {}", range.start(), range.end());
                    return out_of_range(stringify!($name), self.$name, range);
                }
            )*};
        }
        within! {
            MAX_COMMITTEES_PER_SLOT 1..=1 << 10; TARGET_COMMITTEE_SIZE COUNT;
            // The rounds are numbered by a byte.
            SHUFFLE_ROUND_COUNT 0..=255;
            HYSTERESIS_QUOTIENT COUNT;
            HYSTERESIS_DOWNWARD_MULTIPLIER 0..=255; HYSTERESIS_UPWARD_MULTIPLIER 0..=255;
            MIN_DEPOSIT_AMOUNT GWEI; MAX_EFFECTIVE_BALANCE GWEI; EJECTION_BALANCE GWEI;
            EFFECTIVE_BALANCE_INCREMENT 1..=1 << 48;
            // With one slot per epoch an epoch would end before its target has a block root.
            SLOTS_PER_EPOCH 2..=1 << 14;
            // The next epoch's committees must not depend on the current epoch's mix.
            MIN_SEED_LOOKAHEAD COUNT; MAX_SEED_LOOKAHEAD COUNT;
            MIN_EPOCHS_TO_INACTIVITY_PENALTY SPAN; EPOCHS_PER_ETH1_VOTING_PERIOD COUNT;
            SLOTS_PER_HISTORICAL_ROOT VECTOR; EPOCHS_PER_HISTORICAL_VECTOR VECTOR;
            EPOCHS_PER_SLASHINGS_VECTOR VECTOR;
            HISTORICAL_ROOTS_LIMIT LIMIT; VALIDATOR_REGISTRY_LIMIT LIMIT;
            BASE_REWARD_FACTOR SPAN; WHISTLEBLOWER_REWARD_QUOTIENT LIMIT;
            PROPOSER_REWARD_QUOTIENT LIMIT; INACTIVITY_PENALTY_QUOTIENT LIMIT;
            MIN_SLASHING_PENALTY_QUOTIENT LIMIT; PROPORTIONAL_SLASHING_MULTIPLIER 0..=1 << 16;
            MIN_GENESIS_ACTIVE_VALIDATOR_COUNT LIMIT;
            MIN_GENESIS_TIME 0..=1 << 48; GENESIS_DELAY 0..=1 << 48;
            SLOT_DURATION_MS 1_000..=86_400_000;
            SECONDS_PER_ETH1_BLOCK 0..=1 << 20; ETH1_FOLLOW_DISTANCE SPAN;
            MIN_VALIDATOR_WITHDRAWABILITY_DELAY SPAN; SHARD_COMMITTEE_PERIOD SPAN;
            PROPOSER_REORG_CUTOFF_BPS BASIS_POINTS; ATTESTATION_DUE_BPS BASIS_POINTS;
            AGGREGATE_DUE_BPS BASIS_POINTS;
            MIN_PER_EPOCH_CHURN_LIMIT COUNT; CHURN_LIMIT_QUOTIENT LIMIT;
            PROPOSER_SCORE_BOOST PERCENT; REORG_HEAD_WEIGHT_THRESHOLD PERCENT;
            REORG_PARENT_WEIGHT_THRESHOLD PERCENT; REORG_MAX_EPOCHS_SINCE_FINALIZATION SPAN;
            MAX_PAYLOAD_SIZE 1..=1 << 30; MAX_REQUEST_BLOCKS 1..=1 << 20;
            EPOCHS_PER_SUBNET_SUBSCRIPTION COUNT; MIN_EPOCHS_FOR_BLOCK_REQUESTS SPAN;
            ATTESTATION_PROPAGATION_SLOT_RANGE SPAN; MAXIMUM_GOSSIP_CLOCK_DISPARITY SPAN;
            ATTESTATION_SUBNET_EXTRA_BITS 0..=32; ATTESTATION_SUBNET_PREFIX_BITS 0..=32;
        }
        Ok(())
    }

    /// Values that depend on each other.
    fn check_relations(&self) -> Result<(), SpecError> {
        let (slots, increment) = (self.SLOTS_PER_EPOCH, self.EFFECTIVE_BALANCE_INCREMENT);
        macro_rules! require {
            ($name:ident, $ok:expr, $($range:tt)*) => {
                if !$ok {
                    return out_of_range(stringify!($name), self.$name, format!($($range)*));
                }
            };
        }
        require!(
            MIN_ATTESTATION_INCLUSION_DELAY,
            (1..=slots).contains(&self.MIN_ATTESTATION_INCLUSION_DELAY),
            "from 1 to SLOTS_PER_EPOCH ({slots})"
        );
        // Attestations name block roots as old as the start of the previous epoch.
        require!(
            SLOTS_PER_HISTORICAL_ROOT,
            self.SLOTS_PER_HISTORICAL_ROOT.is_multiple_of(slots)
                && self.SLOTS_PER_HISTORICAL_ROOT >= 2 * slots,
            "a multiple of SLOTS_PER_EPOCH ({slots}), at least twice it"
        );
        // The previous epoch's committees come from a mix that must not be overwritten yet.
        let seeds = self.MIN_SEED_LOOKAHEAD + 3;
        require!(
            EPOCHS_PER_HISTORICAL_VECTOR,
            self.EPOCHS_PER_HISTORICAL_VECTOR >= seeds,
            "at least MIN_SEED_LOOKAHEAD + 3 ({seeds})"
        );
        let lookahead = self.MIN_SEED_LOOKAHEAD;
        require!(
            MAX_SEED_LOOKAHEAD,
            self.MAX_SEED_LOOKAHEAD >= lookahead,
            "at least MIN_SEED_LOOKAHEAD ({lookahead})"
        );
        require!(
            EPOCHS_PER_ETH1_VOTING_PERIOD,
            self.EPOCHS_PER_ETH1_VOTING_PERIOD * slots <= 1 << 20,
            "at most 2^20 slots of SLOTS_PER_EPOCH ({slots})"
        );
        require!(
            MAX_EFFECTIVE_BALANCE,
            self.MAX_EFFECTIVE_BALANCE.is_multiple_of(increment) && self.MAX_EFFECTIVE_BALANCE > 0,
            "a multiple of EFFECTIVE_BALANCE_INCREMENT ({increment}), not 0"
        );
        let balance = self.MAX_EFFECTIVE_BALANCE;
        require!(
            EJECTION_BALANCE,
            self.EJECTION_BALANCE < balance,
            "below MAX_EFFECTIVE_BALANCE ({balance}), or everybody is ejected"
        );
        require!(
            BASE_REWARD_FACTOR,
            self.BASE_REWARD_FACTOR.checked_mul(balance).is_some(),
            "below 2^64 when multiplied by MAX_EFFECTIVE_BALANCE ({balance})"
        );
        require!(
            SLOT_DURATION_MS,
            self.SLOT_DURATION_MS.is_multiple_of(1000),
            "a whole number of seconds: the state's time has no fractions"
        );
        let subnets = self.ATTESTATION_SUBNET_COUNT;
        require!(
            SUBNETS_PER_NODE,
            self.SUBNETS_PER_NODE <= subnets,
            "at most ATTESTATION_SUBNET_COUNT ({subnets})"
        );
        Ok(())
    }
}

fn check_name(key: &'static str, value: &str) -> Result<(), SpecError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match (1..=64).contains(&value.len()) && value.chars().all(allowed) {
        true => Ok(()),
        false => Err(SpecError::Name {
            key,
            value: value.chars().take(80).collect(),
        }),
    }
}

fn out_of_range(key: &'static str, value: u64, range: String) -> Result<(), SpecError> {
    Err(SpecError::OutOfRange { key, value, range })
}
