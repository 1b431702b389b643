//! The one way to use more than one core: a pool of threads handed in by the caller.

use std::fmt;
use std::sync::Arc;

use rayon::ThreadPool;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSlice;

/// A fixed number of threads for data-parallel work. Cheap to clone; the threads end with the last
/// clone. Results never depend on the number of threads.
#[derive(Clone, Default)]
pub struct Pool {
    /// Absent when everything runs on the calling thread.
    threads: Option<Arc<ThreadPool>>,
}

impl Pool {
    /// A pool of that many threads. With 0 or 1, or when the system refuses to start the threads,
    /// all work runs on the calling thread.
    pub fn new(threads: usize) -> Pool {
        if threads < 2 {
            return Pool::default();
        }
        let built = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("pool-{index}"))
            .build();
        Pool {
            threads: built.ok().map(Arc::new),
        }
    }

    /// How many threads work at once, at least 1.
    pub fn threads(&self) -> usize {
        self.threads
            .as_ref()
            .map_or(1, |threads| threads.current_num_threads())
    }

    /// `f` of every item, in the order of the items.
    pub fn map<T: Sync, R: Send>(&self, items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
        match &self.threads {
            Some(threads) if items.len() > 1 => {
                threads.install(|| items.par_iter().map(&f).collect())
            }
            _ => items.iter().map(f).collect(),
        }
    }

    /// `f` of every run of `len` items (the last one may be shorter), in order.
    ///
    /// # Panics
    /// If `len` is 0.
    pub fn map_chunks<T: Sync, R: Send>(
        &self,
        items: &[T],
        len: usize,
        f: impl Fn(&[T]) -> R + Sync,
    ) -> Vec<R> {
        match &self.threads {
            Some(threads) if items.len() > len => {
                threads.install(|| items.par_chunks(len).map(&f).collect())
            }
            _ => items.chunks(len).map(f).collect(),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let items = (0..1000_u64).collect::<Vec<_>>();
        for threads in [0, 1, 2, 5] {
            let pool = Pool::new(threads);
            assert_eq!(pool.threads(), threads.max(1));
            let squares = pool.map(&items, |item| item * item);
            assert!(squares.iter().zip(&items).all(|(a, b)| *a == b * b));
            let sums = pool.map_chunks(&items, 300, |chunk| chunk.iter().sum::<u64>());
            assert_eq!(sums, [44_850, 134_850, 224_850, 94_950]);
            assert!(pool.map(&[] as &[u8], |_| ()).is_empty());
            assert!(pool.map_chunks(&[] as &[u8], 3, |_| ()).is_empty());
        }
    }

    #[test]
    fn calls_nest() {
        let pool = Pool::new(2);
        let inner = pool.clone();
        let rows = pool.map(&[10_u64, 20, 30], |row| {
            inner
                .map(&[1_u64, 2, 3], |column| row + column)
                .iter()
                .sum::<u64>()
        });
        assert_eq!(rows, [36, 66, 96]);
    }
}
