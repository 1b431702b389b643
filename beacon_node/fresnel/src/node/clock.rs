//! The clock: ticks for the core, and the time for everyone else.

use super::shell::Shell;
use chain::{Input, Milliseconds};
use consensus::{GENESIS_SLOT, Slot, Spec};
use fork_choice::{get_aggregate_due_ms, get_attestation_due_ms};
use parking_lot::{Condvar, Mutex};
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

    /// The first moment after a time, and when it is.
    pub(crate) fn next(&self, after: Milliseconds) -> (Milliseconds, Moment) {
        let Some(since) = after.checked_sub(self.genesis) else {
            return (self.genesis, Moment::Start(GENESIS_SLOT));
        };
        let (slot, into) = (since / self.slot, since % self.slot);
        let start = after - into;
        if into < self.attestation_due {
            (
                start.saturating_add(self.attestation_due),
                Moment::AttestationDue(slot),
            )
        } else if into < self.aggregate_due {
            (
                start.saturating_add(self.aggregate_due),
                Moment::AggregateDue(slot),
            )
        } else {
            (start.saturating_add(self.slot), Moment::Start(slot + 1))
        }
    }
}

/// What the core asked the clock for.
#[derive(Default)]
pub(crate) struct Alarm {
    state: Mutex<AlarmState>,
    changed: Condvar,
}

#[derive(Default)]
struct AlarmState {
    wake_at: Option<Milliseconds>,
    stopped: bool,
}

impl Alarm {
    /// Asks for a tick; of several the earliest counts, the core asks again for what is later.
    pub(crate) fn set(&self, at: Milliseconds) {
        let mut state = self.state.lock();
        if state.wake_at.is_none_or(|earlier| at < earlier) {
            state.wake_at = Some(at);
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
        let until = state.wake_at.map_or(until, |at| at.min(until));
        let sleep = until.saturating_sub(start).min(LONGEST_SLEEP);
        if sleep > 0 {
            self.changed
                .wait_for(&mut state, Duration::from_millis(sleep));
        }
        let rings = state.wake_at.is_some_and(|at| at <= now());
        if rings {
            state.wake_at = None;
        }
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
            (1_003_999, Moment::AttestationDue(0)),
            (1_008_000, Moment::AggregateDue(0)),
            (1_012_000, Moment::Start(1)),
            (1_015_999, Moment::AttestationDue(1)),
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
    fn the_earliest_alarm_counts() {
        let alarm = Alarm::default();
        alarm.set(50);
        alarm.set(70);
        alarm.set(60);
        assert_eq!(alarm.state.lock().wake_at, Some(50));
        assert_eq!(alarm.sleep(u64::MAX), (true, true));
        assert_eq!(alarm.state.lock().wake_at, None);
        alarm.stop();
        assert_eq!(alarm.sleep(u64::MAX), (false, false));
    }
}
