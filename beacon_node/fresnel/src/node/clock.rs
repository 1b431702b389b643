//! The clock: ticks for the core, and the time for everyone else.

use super::shell::Shell;
use chain::{Input, Milliseconds};
use consensus::{GENESIS_SLOT, Slot, Spec};
use fork_choice::{get_aggregate_due_ms, get_attestation_due_ms};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest sleep: a machine that was suspended, or whose clock was set, is noticed after it.
const LONGEST_SLEEP: Milliseconds = 1_000;

/// Milliseconds since the Unix epoch.
pub(crate) fn now() -> Milliseconds {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis() as Milliseconds)
}

/// Nanoseconds since the program started, for measuring.
pub(crate) fn stopwatch() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}

/// When something is due in every slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timetable {
    genesis: Milliseconds,
    slot: Milliseconds,
    attestation_due: Milliseconds,
    aggregate_due: Milliseconds,
}

/// A moment of a slot at which the core hears of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The slot begins.
    Start(Slot),
    /// Attestations are due.
    AttestationDue(Slot),
    /// Aggregates are due.
    AggregateDue(Slot),
}

impl Timetable {
    /// The timetable of a chain that began at this Unix time in seconds.
    pub(crate) fn new(genesis_time: u64, spec: &Spec) -> Timetable {
        let slot = spec.SLOT_DURATION_MS.max(1);
        Timetable {
            genesis: genesis_time.saturating_mul(1000),
            slot,
            attestation_due: get_attestation_due_ms(0, spec).unwrap_or(slot / 3),
            aggregate_due: get_aggregate_due_ms(0, spec).unwrap_or(slot / 3 * 2),
        }
    }

    /// The first moment after a time, and when it is: the fork choice counts whole seconds, so that
    /// it notices a moment with the next one that begins.
    pub(crate) fn next(&self, after: Milliseconds) -> (Milliseconds, Moment) {
        let Some(since) = after.checked_sub(self.genesis) else {
            return (self.genesis, Moment::Start(GENESIS_SLOT));
        };
        let (slot, start) = (since / self.slot, after - since % self.slot);
        let moments = [
            (0, Moment::Start(slot)),
            (self.attestation_due, Moment::AttestationDue(slot)),
            (self.aggregate_due, Moment::AggregateDue(slot)),
        ];
        let last = (
            whole_second(start.saturating_add(self.slot)),
            Moment::Start(slot + 1),
        );
        let moments =
            moments.map(|(into, moment)| (whole_second(start.saturating_add(into)), moment));
        let mut moments = moments.into_iter();
        moments.find(|(at, _)| *at > after).unwrap_or(last)
    }
}

/// The first whole second that is not before a time.
fn whole_second(time: Milliseconds) -> Milliseconds {
    time.div_ceil(1_000).saturating_mul(1_000)
}

/// What the core asked the clock for.
#[derive(Default)]
pub(crate) struct Alarm {
    state: Mutex<AlarmState>,
    changed: Condvar,
}

#[derive(Default)]
struct AlarmState {
    wake_at: BTreeSet<Milliseconds>,
    stopped: bool,
}

impl Alarm {
    /// Asks for a tick.
    pub(crate) fn set(&self, at: Milliseconds) {
        let mut state = self.state.lock();
        let is_next = state.wake_at.first().is_none_or(|earlier| at < *earlier);
        state.wake_at.insert(at);
        if is_next {
            self.changed.notify_one();
        }
    }

    /// Ends the clock.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_one();
    }

    /// Sleeps until a time, the alarm, or a change; at most [`LONGEST_SLEEP`]. Whether the clock is
    /// still wanted, and whether the alarm rings.
    fn sleep(&self, until: Milliseconds) -> (bool, bool) {
        let mut state = self.state.lock();
        if state.stopped {
            return (false, false);
        }
        let start = now();
        let until = state.wake_at.first().map_or(until, |at| until.min(*at));
        let sleep = until.saturating_sub(start).min(LONGEST_SLEEP);
        if sleep > 0 {
            self.changed
                .wait_for(&mut state, Duration::from_millis(sleep));
        }
        let time = now();
        let rings = state.wake_at.first().is_some_and(|at| *at <= time);
        state.wake_at.retain(|at| *at > time);
        (!state.stopped, rings)
    }
}

/// Ticks until the alarm is stopped. The time that the core hears never goes back.
pub(crate) fn run(shell: &Shell, timetable: Timetable) {
    let mut told = now();
    let mut due = timetable.next(told);
    loop {
        let (wanted, rings) = shell.alarm.sleep(due.0);
        if !wanted {
            return;
        }
        let time = now().max(told);
        let moment = (time >= due.0).then_some(due.1);
        if rings || moment.is_some() {
            told = time;
            shell.send(Input::Tick(time));
        }
        if let Some(moment) = moment {
            shell.on_moment(moment);
        }
        due = timetable.next(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timetable() -> Timetable {
        Timetable::new(1_000, &Spec::mainnet())
    }

    #[test]
    fn every_slot_has_three_moments() {
        let table = timetable();
        let mut time = 0;
        let mut moments = Vec::new();
        for _ in 0..5 {
            let (at, moment) = table.next(time);
            assert!(at > time);
            moments.push((at, moment));
            time = at;
        }
        let expected = [
            (1_000_000, Moment::Start(0)),
            (1_004_000, Moment::AttestationDue(0)),
            (1_008_000, Moment::AggregateDue(0)),
            (1_012_000, Moment::Start(1)),
            (1_016_000, Moment::AttestationDue(1)),
        ];
        assert_eq!(moments, expected);
    }

    #[test]
    fn after_a_jump_the_next_moment_is_that_of_the_new_time() {
        let table = timetable();
        let late = 1_000_000 + 12_000 * 1_000 + 5_000;
        assert_eq!(
            table.next(late),
            (late + 3_000, Moment::AggregateDue(1_000))
        );
        assert_eq!(table.next(u64::MAX).0, u64::MAX);
    }

    #[test]
    fn slots_of_parts_of_seconds_are_noticed_with_the_next_second() {
        let spec = Spec {
            SLOT_DURATION_MS: 2_500,
            ..Spec::mainnet()
        };
        let table = Timetable::new(1_000, &spec);
        let mut time = 1_000_000;
        let mut moments = Vec::new();
        for _ in 0..5 {
            let (at, moment) = table.next(time);
            assert!(at > time && at.is_multiple_of(1_000));
            moments.push((at, moment));
            time = at;
        }
        let expected = [
            (1_001_000, Moment::AttestationDue(0)),
            (1_002_000, Moment::AggregateDue(0)),
            (1_003_000, Moment::Start(1)),
            (1_004_000, Moment::AttestationDue(1)),
            (1_005_000, Moment::AggregateDue(1)),
        ];
        assert_eq!(moments, expected);
    }

    #[test]
    fn every_alarm_counts() {
        let alarm = Alarm::default();
        let later = now() + 3_600_000;
        for at in [50, later, 60] {
            alarm.set(at);
        }
        assert_eq!(alarm.sleep(u64::MAX), (true, true));
        assert_eq!(alarm.state.lock().wake_at, BTreeSet::from([later]));
        alarm.stop();
        assert_eq!(alarm.sleep(u64::MAX), (false, false));
    }
}
