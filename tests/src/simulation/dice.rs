//! Draws pseudo-random numbers from a seed (SplitMix64): the same seed gives the same numbers on every machine.

/// A source of numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of this seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from `from` up to and without `to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = u64::try_from(to - from).unwrap_or(0).max(1);
        from + i64::try_from(self.next() % width).unwrap_or(0)
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// How often something happens that is expected this often: the whole part, and one more with the rest as probability.
    pub fn times(&mut self, expected: f64) -> usize {
        let whole = expected.floor();
        whole as usize + usize::from(self.chance(expected - whole))
    }

    /// A length with a heavy tail (Pareto, exponent 0.8): half are below 2.4 times `least`, and one in a hundred is above 300
    /// times it.
    pub fn heavy_tail(&mut self, least: i64, most: i64) -> i64 {
        let length = least as f64 / (1.0 - self.share()).powf(1.25);
        (length as i64).clamp(least, most)
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let place = self.between(0, i64::try_from(all.len()).unwrap_or(0));
        all.get(usize::try_from(place).unwrap_or(0))
    }

    /// A number from 0 up to and without 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}
