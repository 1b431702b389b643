//! A whole chain with everything that happens on a network, in one go.

use crate::dice::Dice;
use crate::offences::{may_be_slashed, may_exit};
use crate::{BlockOptions, ChainMaker, Error, Made};
use consensus::{BeaconState, Root, Slot, ValidatorIndex};
use std::collections::{BTreeMap, BTreeSet};

/// Slots after a side branch in which the chain must still go on, so that it is the head.
const SLOTS_AFTER_FORK: u64 = 4;
/// Longest side branch, in slots.
const LONGEST_FORK: u64 = 3;

/// What happens on a made chain.
#[derive(Clone, Debug)]
pub struct ChainOptions {
    /// Number of slots after genesis.
    pub slots: u64,
    /// Blocks come only in slots that this divides; 0 counts as 1.
    pub every: u64,
    /// Slots that have no block of the chain.
    pub empty_slots: BTreeSet<Slot>,
    /// Percent of the other slots without a block.
    pub skip_percent: u8,
    /// Deposits after genesis.
    pub deposits: u64,
    /// Voluntary exits.
    pub exits: u64,
    /// Slashings, of proposers and attesters in turn.
    pub slashings: u64,
    /// Side branches, one to three blocks long.
    pub forks: u64,
}

impl Default for ChainOptions {
    /// One epoch of mainnet with a block in every slot and nothing but attestations in them.
    fn default() -> ChainOptions {
        ChainOptions {
            slots: 32,
            every: 1,
            empty_slots: BTreeSet::new(),
            skip_percent: 0,
            deposits: 0,
            exits: 0,
            slashings: 0,
            forks: 0,
        }
    }
}

/// What a made chain holds. All but `side_blocks` count the chain itself, not its side branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Blocks of the chain.
    pub blocks: u64,
    /// Slots without a block of the chain.
    pub empty_slots: u64,
    /// Blocks of side branches.
    pub side_blocks: u64,
    /// Attestations.
    pub attestations: u64,
    /// Deposits.
    pub deposits: u64,
    /// Voluntary exits.
    pub exits: u64,
    /// Proposer slashings.
    pub proposer_slashings: u64,
    /// Attester slashings.
    pub attester_slashings: u64,
}

/// When what happens.
struct Schedule {
    /// Number of operations wanted from a slot on.
    exits: BTreeMap<Slot, u64>,
    slashings: BTreeMap<Slot, u64>,
    /// Slots of side branches.
    forks: BTreeMap<Slot, Fork>,
}

#[derive(Clone, Copy)]
enum Fork {
    /// A side branch starts from the head.
    Starts,
    /// The side branch goes on.
    GoesOn,
}

/// Makes a chain from genesis and hands each block to `take` as it is made, with whether it is on
/// the chain or on a side branch. Parents come before children.
///
/// # Errors
/// If the options ask for more than the slots can hold, or `take` fails.
pub fn make_chain<E: From<Error>>(
    maker: &mut ChainMaker,
    options: &ChainOptions,
    mut take: impl FnMut(&Made, bool) -> Result<(), E>,
) -> Result<Totals, E> {
    let mut run = Run {
        schedule: schedule(maker, options)?,
        dice: Dice::new(maker.seed()),
        every: options.every.max(1),
        empty_slots: options.empty_slots.clone(),
        skip_percent: options.skip_percent.min(99).into(),
        totals: Totals::default(),
        side: None,
        slashings: 0,
    };
    for slot in 1..=options.slots {
        if let Some(fork) = run.schedule.forks.get(&slot).copied() {
            run.totals.empty_slots += 1;
            if let Some(made) = run.side_block(maker, slot, fork)? {
                take(&made, false)?;
            }
        } else if let Some(made) = run.chain_block(maker, slot)? {
            take(&made, true)?;
        } else {
            run.totals.empty_slots += 1;
        }
        let history = 2 * maker.spec().SLOTS_PER_EPOCH;
        maker.forget_before(slot.saturating_sub(history));
    }
    Ok(run.totals)
}

/// The state of [`make_chain`].
struct Run {
    schedule: Schedule,
    dice: Dice,
    every: u64,
    empty_slots: BTreeSet<Slot>,
    skip_percent: u64,
    totals: Totals,
    /// Head of the side branch.
    side: Option<Root>,
    /// Slashings made.
    slashings: u64,
}

impl Run {
    fn side_block(
        &mut self,
        maker: &mut ChainMaker,
        slot: Slot,
        fork: Fork,
    ) -> Result<Option<Made>, Error> {
        let parent = match fork {
            Fork::Starts => maker.head(),
            // Its first proposer may have been slashed: then there is no branch to go on with.
            Fork::GoesOn => match self.side {
                Some(side) => side,
                None => return Ok(None),
            },
        };
        self.side = None;
        let options = BlockOptions {
            graffiti: graffiti("side branch"),
            ..BlockOptions::default()
        };
        let Some(made) = unless_slashed(maker.block_on(parent, slot, &options))? else {
            return Ok(None);
        };
        maker.split_slot(slot, made.root);
        self.side = Some(made.root);
        self.totals.side_blocks += 1;
        Ok(Some(made))
    }

    fn chain_block(&mut self, maker: &mut ChainMaker, slot: Slot) -> Result<Option<Made>, Error> {
        let has_block = slot.is_multiple_of(self.every) && !self.empty_slots.contains(&slot);
        if !has_block || self.dice.percent(self.skip_percent) {
            return Ok(None);
        }
        let state = maker.state_at(maker.head(), slot)?;
        let mut options = BlockOptions {
            graffiti: graffiti("chain"),
            ..BlockOptions::default()
        };
        let slashings = self.add_slashing(maker, &state, &mut options)?;
        let exits = self.add_exits(maker, &state, &mut options)?;
        let Some(made) = unless_slashed(maker.block_at(slot, &options))? else {
            return Ok(None);
        };
        self.slashings += slashings;
        take_from(&mut self.schedule.slashings, slashings);
        take_from(&mut self.schedule.exits, exits);
        self.count(&made);
        Ok(Some(made))
    }

    /// Adds a slashing if one is due; returns how many were added.
    fn add_slashing(
        &mut self,
        maker: &ChainMaker,
        state: &BeaconState,
        options: &mut BlockOptions,
    ) -> Result<u64, Error> {
        if due(&self.schedule.slashings, state.slot()) == 0 {
            return Ok(0);
        }
        let proposer = consensus::helpers::get_beacon_proposer_index(state)?;
        let Some(index) = self.pick(state, |index| {
            index != proposer && may_be_slashed(state, index)
        }) else {
            return Ok(0);
        };
        if self.slashings.is_multiple_of(2) {
            let slashing = maker.proposer_slashing(state, index)?;
            options.proposer_slashings.push(slashing);
        } else {
            let slashing = maker.attester_slashing(state, &[index])?;
            options.attester_slashings.push(slashing);
        }
        Ok(1)
    }

    /// Adds the exits that are due, at most the block's limit; returns how many were added.
    fn add_exits(
        &mut self,
        maker: &ChainMaker,
        state: &BeaconState,
        options: &mut BlockOptions,
    ) -> Result<u64, Error> {
        let wanted = due(&self.schedule.exits, state.slot());
        let mut leaving: Vec<ValidatorIndex> = slashed_by(options);
        let before = leaving.len();
        for _ in 0..wanted.min(state.spec().MAX_VOLUNTARY_EXITS) {
            let pick = self.pick(state, |index| {
                may_exit(state, index) && !leaving.contains(&index)
            });
            let Some(index) = pick else {
                break;
            };
            leaving.push(index);
            options
                .voluntary_exits
                .push(maker.voluntary_exit(state, index)?);
        }
        Ok((leaving.len() - before) as u64)
    }

    /// Some validator for which `fits` holds.
    fn pick(
        &mut self,
        state: &BeaconState,
        fits: impl Fn(ValidatorIndex) -> bool,
    ) -> Option<ValidatorIndex> {
        let count = state.validators().len() as u64;
        let first = self.dice.below(count);
        (0..count)
            .map(|step| (first + step) % count)
            .find(|&index| fits(index))
    }

    fn count(&mut self, made: &Made) {
        let body = &made.block.message.body;
        let totals = &mut self.totals;
        totals.blocks += 1;
        totals.attestations += body.attestations.len() as u64;
        totals.deposits += body.deposits.len() as u64;
        totals.exits += body.voluntary_exits.len() as u64;
        totals.proposer_slashings += body.proposer_slashings.len() as u64;
        totals.attester_slashings += body.attester_slashings.len() as u64;
    }
}

fn schedule(maker: &mut ChainMaker, options: &ChainOptions) -> Result<Schedule, Error> {
    let spec = maker.spec().clone();
    let slots = options.slots;
    let outside = |slot: &&Slot| !(1..=slots).contains(*slot);
    if let Some(slot) = options.empty_slots.iter().find(outside) {
        return Err(Error::Impossible(format!(
            "slot {slot} cannot be empty: the chain has the slots 1 to {slots}"
        )));
    }
    schedule_deposits(maker, options)?;
    let first_exit = spec
        .SHARD_COMMITTEE_PERIOD
        .saturating_mul(spec.SLOTS_PER_EPOCH)
        .max(1);
    if options.exits > 0 && first_exit > slots {
        return Err(Error::Impossible(format!(
            "no validator can exit before slot {first_exit} (SHARD_COMMITTEE_PERIOD is {}), and the chain has {slots} slots",
            spec.SHARD_COMMITTEE_PERIOD
        )));
    }
    Ok(Schedule {
        exits: spread(options.exits, first_exit, slots),
        slashings: spread(options.slashings, spec.SLOTS_PER_EPOCH.min(slots), slots),
        forks: schedule_forks(maker.seed(), options)?,
    })
}

/// Spreads the deposits over the voting periods, all but a last one that is cut short.
fn schedule_deposits(maker: &mut ChainMaker, options: &ChainOptions) -> Result<(), Error> {
    if options.deposits == 0 {
        return Ok(());
    }
    let period_slots = maker.spec().eth1_voting_slots();
    if options.slots <= period_slots / 2 + 1 {
        return Err(Error::Impossible(format!(
            "deposits come in after half an eth1 voting period of {period_slots} slots, and the chain has {} slots",
            options.slots
        )));
    }
    let periods = (options.slots / period_slots).max(1);
    let share = |period: u64| options.deposits * period / periods;
    for period in 0..periods {
        maker.add_deposits(period, share(period + 1) - share(period))?;
    }
    Ok(())
}

/// Places the side branches at even distances, none at the end of the chain.
fn schedule_forks(seed: u64, options: &ChainOptions) -> Result<BTreeMap<Slot, Fork>, Error> {
    let needed = options
        .forks
        .saturating_mul(LONGEST_FORK + 1)
        .saturating_add(SLOTS_AFTER_FORK + 1);
    if options.forks > 0 && needed > options.slots {
        return Err(Error::Impossible(format!(
            "{} side branches need at least {needed} slots, and the chain has {}",
            options.forks, options.slots
        )));
    }
    let mut dice = Dice::of(seed, &[options.forks]);
    let mut forks = BTreeMap::new();
    for fork in 0..options.forks {
        let first = 2 + fork * (options.slots - SLOTS_AFTER_FORK - 1) / options.forks;
        forks.insert(first, Fork::Starts);
        for slot in first + 1..=first + dice.below(LONGEST_FORK) {
            forks.insert(slot, Fork::GoesOn);
        }
    }
    Ok(forks)
}

/// `count` things at even distances from `first` to before `end`.
fn spread(count: u64, first: Slot, end: Slot) -> BTreeMap<Slot, u64> {
    let mut due = BTreeMap::new();
    for number in 0..count {
        let slot = first + (end - first) * number / count;
        *due.entry(slot).or_default() += 1;
    }
    due
}

/// How many are due at `slot` or before.
fn due(schedule: &BTreeMap<Slot, u64>, slot: Slot) -> u64 {
    schedule.range(..=slot).map(|(_, count)| count).sum()
}

/// Removes the first `count`.
fn take_from(schedule: &mut BTreeMap<Slot, u64>, count: u64) {
    for _ in 0..count {
        let Some(mut first) = schedule.first_entry() else {
            return;
        };
        *first.get_mut() -= 1;
        if *first.get() == 0 {
            first.remove();
        }
    }
}

fn slashed_by(options: &BlockOptions) -> Vec<ValidatorIndex> {
    let proposers = options
        .proposer_slashings
        .iter()
        .map(|slashing| slashing.signed_header_1.message.proposer_index);
    let attesters = options
        .attester_slashings
        .iter()
        .flat_map(|slashing| slashing.attestation_1.attesting_indices.iter().copied());
    proposers.chain(attesters).collect()
}

/// A slashed validator cannot propose: its slot stays empty.
fn unless_slashed(made: Result<Made, Error>) -> Result<Option<Made>, Error> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(Error::Transition(consensus::Error::ProposerSlashed(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

fn graffiti(text: &str) -> Root {
    let mut graffiti = Root::ZERO;
    graffiti[..text.len()].copy_from_slice(text.as_bytes());
    graffiti
}
