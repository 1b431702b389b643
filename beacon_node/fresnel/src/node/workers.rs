//! The workers: threads that run the core's jobs.

use super::shell::Shell;
use chain::{Class, Input, Job, Toolbox};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::Instant;

/// Jobs that wait, and how many run.
pub(crate) struct Queues<T = Job> {
    threads: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    import: VecDeque<T>,
    background: VecDeque<T>,
    background_running: usize,
    stopped: bool,
}

/// How many jobs are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depths {
    /// Import jobs that wait.
    pub(crate) import: usize,
    /// Background jobs that wait.
    pub(crate) background: usize,
}

impl<T> Queues<T> {
    /// Queues for so many threads, at least two: a background job never holds the last one.
    pub(crate) fn new(threads: usize) -> Queues<T> {
        Queues {
            threads: threads.max(2),
            state: Mutex::new(State {
                import: VecDeque::new(),
                background: VecDeque::new(),
                background_running: 0,
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// How many threads are to take jobs.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Adds a job. The core bounds how many it has out.
    pub(crate) fn push(&self, class: Class, job: T) {
        let mut state = self.state.lock();
        match class {
            Class::Import => state.import.push_back(job),
            Class::Background => state.background.push_back(job),
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The next job for a thread, waiting for one; `None` when all is to end. Whoever took a job
    /// says when it is done.
    pub(crate) fn take(&self) -> Option<(Class, T)> {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(job) = state.import.pop_front() {
                return Some((Class::Import, job));
            }
            if state.background_running + 1 < self.threads
                && let Some(job) = state.background.pop_front()
            {
                state.background_running += 1;
                return Some((Class::Background, job));
            }
            self.changed.wait(&mut state);
        }
    }

    /// A job that was taken is done.
    pub(crate) fn done(&self, class: Class) {
        if class == Class::Background {
            self.state.lock().background_running -= 1;
            self.changed.notify_one();
        }
    }

    /// Ends all threads after the jobs that they run; those that wait are forgotten.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    /// How many jobs wait.
    pub(crate) fn depths(&self) -> Depths {
        let state = self.state.lock();
        Depths {
            import: state.import.len(),
            background: state.background.len(),
        }
    }
}

/// Runs jobs until the queues are stopped.
pub(crate) fn run(shell: &Shell, tools: &Toolbox) {
    while let Some((class, job)) = shell.queues.take() {
        let started = Instant::now();
        let outcome = job.run(tools);
        shell.meters.job(&outcome, started.elapsed());
        shell.send(Input::Done(outcome));
        shell.queues.done(class);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_goes_first_and_background_never_holds_the_last_thread() {
        let queues: Queues<u32> = Queues::new(2);
        queues.push(Class::Background, 1);
        queues.push(Class::Background, 2);
        queues.push(Class::Import, 3);
        assert_eq!(queues.take(), Some((Class::Import, 3)));
        assert_eq!(queues.take(), Some((Class::Background, 1)));
        // The second background job would hold the last thread: only import jobs are given out.
        queues.push(Class::Import, 4);
        assert_eq!(queues.take(), Some((Class::Import, 4)));
        assert_eq!(queues.depths().background, 1);
        queues.done(Class::Background);
        assert_eq!(queues.take(), Some((Class::Background, 2)));
        assert_eq!(queues.depths(), Depths::default());
    }

    #[test]
    fn a_waiting_thread_gets_the_background_job_when_another_is_done() {
        let queues: Queues<u32> = Queues::new(1);
        assert_eq!(queues.threads(), 2);
        queues.push(Class::Background, 1);
        queues.push(Class::Background, 2);
        assert_eq!(queues.take(), Some((Class::Background, 1)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queues.take());
            queues.done(Class::Background);
            assert_eq!(waiting.join().unwrap(), Some((Class::Background, 2)));
        });
    }

    #[test]
    fn stopping_ends_the_threads_and_forgets_what_waits() {
        let queues: Queues<u32> = Queues::new(2);
        queues.push(Class::Import, 1);
        queues.stop();
        assert_eq!(queues.take(), None);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| queues.take());
            assert_eq!(other.join().unwrap(), None);
        });
    }
}
