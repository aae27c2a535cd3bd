//! The Mersenne Twister as NumPy's legacy `RandomState` uses it: Matsumoto & Nishimura 1998, seeded by `seed(int)`.
//!
//! Only what the published code draws: `random_sample` (53 bits from two words) and `choice` of an integer, which is a
//! masked word that is drawn again until it is in range. It is a sequence that is consumed, unlike everything else in
//! rfx, and is used to repeat one that was published, never to draw anything new.

const N: usize = 624;
const M: usize = 397;

pub(super) struct Mt19937 {
    state: [u32; N],
    next: usize,
}

impl Mt19937 {
    /// `numpy.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let last = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        Mt19937 { state, next: N }
    }

    pub fn word(&mut self) -> u32 {
        if self.next == N {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// `random_sample()` as the integer that NumPy divides by 2^53.
    pub fn sample53(&mut self) -> u64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        u64::from(high) << 26 | u64::from(low)
    }

    /// One element of `choice(n)` or `randint(n)`, n at least 1.
    pub fn below(&mut self, n: u32) -> u32 {
        let most = n - 1;
        if most == 0 {
            return 0; // NumPy draws no word then
        }
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let value = self.word() & mask;
            if value <= most {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by NumPy: `loader/tests/python/numpy_vectors.py`.
    #[derive(serde::Deserialize)]
    struct Vectors {
        seeds: Vec<Seeded>,
    }

    #[derive(serde::Deserialize)]
    struct Seeded {
        seed: u32,
        /// `randint(2**32, dtype=uint32)`, number 0, 1, 623, 624 and 1999.
        words: [u32; 5],
        /// `rand(3) * 2**53`.
        samples: [u64; 3],
        /// `choice(n, 12)`, each after `seed(seed)`.
        choices: Vec<(u32, [u32; 12])>,
    }

    #[test]
    fn words_samples_and_choices_are_numpys() {
        let text = include_str!("../../../tests/golden/numpy_legacy.json");
        for v in serde_json::from_str::<Vectors>(text).unwrap().seeds {
            let mut generator = Mt19937::new(v.seed);
            let words: Vec<u32> = (0..2000).map(|_| generator.word()).collect();
            assert_eq!([0, 1, 623, 624, 1999].map(|i: usize| words[i]), v.words, "seed {}", v.seed);
            let mut generator = Mt19937::new(v.seed);
            assert_eq!([0; 3].map(|_| generator.sample53()), v.samples);
            for (n, expected) in v.choices {
                let mut generator = Mt19937::new(v.seed);
                assert_eq!([0; 12].map(|_| generator.below(n)), expected, "seed {} of {n}", v.seed);
            }
        }
    }
}
