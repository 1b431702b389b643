//! Repeatable choices: everything random about a made chain follows from its seed.

/// A stream of numbers that depends on the seed alone (`SplitMix64`). Not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The stream of a seed and what it is used for: different parts give unrelated streams.
    pub fn of(seed: u64, parts: &[u64]) -> Dice {
        let mut dice = Dice(seed);
        for part in parts {
            dice = Dice(dice.roll() ^ part);
        }
        dice
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if the limit is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        match limit {
            0 => 0,
            _ => self.roll() % limit,
        }
    }

    /// True in `percent` of 100 cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_parts_separate() {
        let stream = |seed, parts: &[u64]| {
            let mut dice = Dice::of(seed, parts);
            [dice.roll(), dice.roll()]
        };
        assert_eq!(stream(1, &[2, 3]), stream(1, &[2, 3]));
        assert_ne!(stream(1, &[2, 3]), stream(1, &[3, 2]));
        assert_ne!(stream(1, &[2]), stream(2, &[2]));
    }

    #[test]
    fn percentages_hold() {
        let mut dice = Dice::new(7);
        let hits = (0..10_000).filter(|_| dice.percent(30)).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
        assert!(!dice.percent(0) && dice.percent(100));
    }
}
