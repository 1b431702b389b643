//! Disks and power: writing, crashes, orderly stops, starts, and bits that turn over.

use crate::node::{Node, StartFailure, restored_votes};
use crate::queue::{Event, NodeId};
use crate::simulation::Simulation;
use chain::Input;
use chain_maker::Dice;
use consensus::Root;
use rows::Batch;
use store::Reader;

/// Most changes of the disk until the power is cut during a start.
const CHANGES_OF_A_START: u64 = 120;
/// Most changes of the disk until a planned cut comes.
const CHANGES_UNTIL_A_CUT: u64 = 60;

impl Simulation {
    /// Plans the faults that come by themselves.
    pub(crate) fn plan_faults(&mut self) {
        let faults = self.faults.clone();
        let healed = self.healed_epoch();
        let epoch_ms = self.spec.SLOT_DURATION_MS * self.spec.SLOTS_PER_EPOCH;
        for node in 0..self.nodes.len() {
            for epoch in 0..healed {
                let start = self.start_of_epoch(epoch);
                let slot_ms = self.spec.SLOT_DURATION_MS;
                let mut sometime = || start + self.dice.below(epoch_ms - 2 * slot_ms);
                let times = [sometime(), sometime(), sometime()];
                if self.dice.below(100) * faults.epochs_between_cuts.min(100) < 100
                    && faults.epochs_between_cuts > 0
                {
                    self.plan_cut(times[0], node);
                }
                let one_in = faults.epochs_between_stops;
                if one_in > 0 && self.dice.below(one_in) == 0 {
                    self.plan(times[1], node, Event::Stop);
                }
                if faults.bit_rot && self.dice.percent(30) {
                    self.plan(times[2], node, Event::Rot);
                }
            }
        }
        if faults.partition_epochs > 0 && healed > 0 {
            let lasts = faults.partition_epochs.min(healed);
            let from = self.dice.below(healed - lasts + 1);
            // At least one node on either side.
            let all = (1 << self.nodes.len()) - 1;
            let sides = 1 + self.dice.below(all - 1);
            let start = self.start_of_epoch(from) + self.dice.below(epoch_ms);
            self.plan(start, 0, Event::Partition(sides));
            let end = self.start_of_epoch(healed).min(start + lasts * epoch_ms);
            self.plan(end, 0, Event::Heal);
        }
    }

    fn plan_cut(&mut self, at: u64, node: NodeId) {
        if self.dice.percent(30) {
            self.plan(at, node, Event::PowerCut);
        } else {
            let changes = self.dice.below(CHANGES_UNTIL_A_CUT);
            self.plan(at, node, Event::CutSoon(changes));
        }
    }

    /// The power will be cut after so many changes, or within a slot.
    pub(crate) fn cut_soon(&mut self, node: NodeId, changes: u64) {
        self.nodes[node].disk.cut_power_after(changes);
        let latest = self.now + self.spec.SLOT_DURATION_MS;
        self.plan_in_life(latest, node, Event::PowerCut);
    }

    /// Lets the writer take the next batch after a while, if it is idle.
    pub(crate) fn plan_write(&mut self, node: NodeId) {
        let Some(live) = &mut self.nodes[node].live else {
            return;
        };
        if live.batches.is_empty() || std::mem::replace(&mut live.planned.writing, true) {
            return;
        }
        let takes = self.faults_now().commit_time;
        let at = self.now + self.within(&takes);
        self.plan_in_life(at, node, Event::Write);
    }

    /// The writer takes a batch.
    pub(crate) fn write(&mut self, node: NodeId) -> Result<(), String> {
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        live.planned.writing = false;
        let Some(batch) = live.batches.pop_front() else {
            return Ok(());
        };
        if !self.commit(node, &batch)? {
            return Ok(());
        }
        self.plan_write(node);
        self.plan_step(node);
        self.input(node, Input::Committed(batch.seq))
    }

    /// Whether it was committed: else the power was cut.
    fn commit(&mut self, node: NodeId, batch: &Batch) -> Result<bool, String> {
        let it = &mut self.nodes[node];
        let Some(live) = &mut it.live else {
            return Ok(false);
        };
        it.ledger.begin(batch);
        let committed = live.writer.commit(batch);
        if it.disk.is_dead() {
            self.cut_power(node);
            return Ok(false);
        }
        committed.map_err(|error| format!("batch {}: {error}", batch.seq))?;
        if batch.durable {
            it.ledger.durable(batch.seq);
        }
        Ok(true)
    }

    fn plan_step(&mut self, node: NodeId) {
        let Some(live) = &mut self.nodes[node].live else {
            return;
        };
        if !std::mem::replace(&mut live.planned.stepping, true) {
            let takes = self.faults_now().commit_time;
            let at = self.now + self.within(&takes);
            self.plan_in_life(at, node, Event::WriterStep);
        }
    }

    /// The writer does a piece of deferred work.
    pub(crate) fn writer_step(&mut self, node: NodeId) -> Result<(), String> {
        let it = &mut self.nodes[node];
        let Some(live) = &mut it.live else {
            return Ok(());
        };
        live.planned.stepping = false;
        let more = live.writer.step();
        if it.disk.is_dead() {
            self.cut_power(node);
            return Ok(());
        }
        if more.map_err(|error| format!("deferred work of the store: {error}"))? {
            self.plan_step(node);
        }
        Ok(())
    }

    /// Everything but the disk is gone, and of that what was not synced may be.
    pub(crate) fn cut_power(&mut self, node: NodeId) {
        let it = &mut self.nodes[node];
        let image = Dice::of(self.options.seed, &[13, node as u64, it.life]).roll();
        it.disk = it.disk.after_power_cut(image);
        if let Some(live) = it.live.take() {
            it.last_votes = Some((live.votes, None));
        }
        self.totals.crashes += 1;
        let fingerprint = it.disk.fingerprint();
        self.totals.images.insert(fingerprint);
        self.trace.root(Root::from(fingerprint));
        self.trace
            .say(self.seconds(), node, || "loses its power".to_owned());
        self.end_life(node);
    }

    /// The core has stopped: the writer ends in order.
    pub(crate) fn stopped(&mut self, node: NodeId) -> Result<(), String> {
        while let Some(live) = &mut self.nodes[node].live
            && let Some(batch) = live.batches.pop_front()
        {
            if !self.commit(node, &batch)? {
                return Ok(());
            }
        }
        let it = &mut self.nodes[node];
        let Some(live) = &mut it.live else {
            return Ok(());
        };
        let flushed = live.writer.flush();
        if it.disk.is_dead() {
            self.cut_power(node);
            return Ok(());
        }
        flushed.map_err(|error| format!("the last flush: {error}"))?;
        it.ledger.all_durable();
        if let Some(live) = it.live.take() {
            it.last_votes = Some((live.votes, live.kept_votes));
        }
        it.disk.keep_power();
        self.totals.stops += 1;
        self.trace.say(self.seconds(), node, || "stops".to_owned());
        self.end_life(node);
        Ok(())
    }

    fn end_life(&mut self, node: NodeId) {
        self.nodes[node].life += 1;
        let longest = match self.dice.below(4) {
            0 => 2 * self.spec.SLOTS_PER_EPOCH,
            _ => 4,
        };
        let down = 1 + self.dice.below(longest * self.spec.SLOT_DURATION_MS);
        let healed = self.start_of_epoch(self.healed_epoch()).max(self.now + 1);
        self.plan((self.now + down).min(healed), node, Event::Start);
    }

    /// A node starts on what its disk holds.
    pub(crate) fn start_node(&mut self, node: NodeId) -> Result<(), String> {
        let faults = self.faults_now();
        if self.dice.percent(faults.cut_at_start) {
            let changes = self.dice.below(CHANGES_OF_A_START);
            self.nodes[node].disk.cut_power_after(changes);
        }
        let opened = match self.nodes[node].open(&self.genesis) {
            Ok(opened) => opened,
            Err(StartFailure::PowerCut) => {
                self.cut_power(node);
                return Ok(());
            }
            Err(StartFailure::Wrong(error)) => return Err(error),
        };
        self.nodes[node].disk.keep_power();
        let canonical = self.nodes[node].ledger.check(&opened.recovered)?;
        if let Some(damage) = opened.reader.verify(|_| ()).first() {
            return Err(format!("after a start: {damage}"));
        }
        self.check_history(&opened.reader, &canonical)?;
        let votes = restored_votes(&opened, |attestation| self.world.attesters(attestation))?;
        let (live, effects) = match Node::start(opened, self.scheme, votes, self.now) {
            Ok(started) => started,
            Err(StartFailure::PowerCut) => {
                self.cut_power(node);
                return Ok(());
            }
            Err(StartFailure::Wrong(error)) => return Err(error),
        };
        self.nodes[node].ledger.check_start(&live.snapshot)?;
        self.nodes[node].live = Some(live);
        self.trace.say(self.seconds(), node, || "starts".to_owned());
        self.carry_out(node, effects)?;
        self.check_restored_votes(node)?;
        self.plan_step(node);
        self.plan_in_life(self.now, node, Event::Tick);
        Ok(())
    }

    /// Every finalized block reads as it was signed, by root and by slot.
    pub(crate) fn check_history(&self, reader: &Reader, canonical: &[Root]) -> Result<(), String> {
        for &root in canonical {
            let known = self.world.block(root)?;
            let by_root = reader.block(root).map_err(|error| error.to_string())?;
            let by_root = by_root.ok_or_else(|| format!("finalized block {root} is lost"))?;
            let signed = known
                .block
                .as_ref()
                .map(|block| ssz::Encode::as_ssz_bytes(&**block));
            if signed.is_some_and(|signed| signed != by_root.ssz) {
                return Err(format!("finalized block {root} is not what was signed"));
            }
            let by_slot = reader.finalized_block(known.slot);
            // Until it is moved, a finalized block may be found by its root only.
            if let Some(by_slot) = by_slot.map_err(|error| error.to_string())?
                && by_slot.root != root
            {
                return Err(format!(
                    "slot {} has {} instead of {root}",
                    known.slot, by_slot.root
                ));
            }
        }
        Ok(())
    }
}
