//! SHA-256 of many messages at once, one message per 32-bit lane, written once for every vector width.

/// Defines `compress` and `compress_padding` over the vector operations in scope: `splat`, `add`, `xor3`, `choose`,
/// `majority`, `rotate::<N>` (right) and `shift::<N>` (right). `S` streams are interleaved to hide latency.
macro_rules! multi_buffer {
    ($features:literal, $vector:ty) => {
        /// One lane per message: the eight words of `S` interleaved groups of messages.
        type State<const S: usize> = [[$vector; S]; 8];
        /// Sixteen words of message of the same groups.
        type Block<const S: usize> = [[$vector; S]; 16];

        /// Round `R` modulo 16: instead of moving the eight words, each round names them one place further.
        #[inline]
        #[target_feature(enable = $features)]
        fn round<const S: usize, const R: usize>(state: &mut State<S>, added: [$vector; S]) {
            for i in 0..S {
                let word = |name: usize| state[(16 + name - R) % 8][i];
                let (a, b, c, d) = (word(0), word(1), word(2), word(3));
                let (e, f, g, h) = (word(4), word(5), word(6), word(7));
                let sum1 = xor3(rotate::<6>(e), rotate::<11>(e), rotate::<25>(e));
                let sum0 = xor3(rotate::<2>(a), rotate::<13>(a), rotate::<22>(a));
                let mixed = add(add(add(h, added[i]), choose(e, f, g)), sum1);
                state[(16 + 3 - R) % 8][i] = add(d, mixed);
                state[(16 + 7 - R) % 8][i] = add(mixed, add(sum0, majority(a, b, c)));
            }
        }

        /// Round `t + R` over the block's own words (`t` is 0).
        #[inline]
        #[target_feature(enable = $features)]
        fn first_round<const S: usize, const R: usize>(state: &mut State<S>, block: &Block<S>) {
            let mut added = block[R];
            for word in &mut added {
                *word = add(*word, splat(K[R]));
            }
            round::<S, R>(state, added);
        }

        /// Round `t + R` for `t` of 16, 32 or 48: replaces the block's word `R` by that of the message schedule.
        #[inline]
        #[target_feature(enable = $features)]
        fn later_round<const S: usize, const R: usize>(
            state: &mut State<S>,
            block: &mut Block<S>,
            t: usize,
        ) {
            let mut added = block[R];
            for i in 0..S {
                let (x, y) = (block[(R + 1) % 16][i], block[(R + 14) % 16][i]);
                let sigma0 = xor3(rotate::<7>(x), rotate::<18>(x), shift::<3>(x));
                let sigma1 = xor3(rotate::<17>(y), rotate::<19>(y), shift::<10>(y));
                let word = add(
                    add(block[R][i], sigma0),
                    add(block[(R + 9) % 16][i], sigma1),
                );
                block[R][i] = word;
                added[i] = add(word, splat(K[t + R]));
            }
            round::<S, R>(state, added);
        }

        /// One block of message into `state`.
        #[inline]
        #[target_feature(enable = $features)]
        fn compress<const S: usize>(state: &mut State<S>, block: &mut Block<S>) {
            let before = *state;
            each_of_16!(first_round, S, (state, block));
            for t in [16, 32, 48] {
                each_of_16!(later_round, S, (state, block, t));
            }
            add_state(state, &before);
        }

        /// The block that ends a 64-byte message into `state`.
        #[inline]
        #[target_feature(enable = $features)]
        fn compress_padding<const S: usize>(state: &mut State<S>) {
            let before = *state;
            for added in PADDING.as_chunks::<16>().0 {
                each_of_16!(padding_round, S, (state, added));
            }
            add_state(state, &before);
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn padding_round<const S: usize, const R: usize>(state: &mut State<S>, added: &[u32; 16]) {
            round::<S, R>(state, [splat(added[R]); S]);
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn add_state<const S: usize>(state: &mut State<S>, before: &State<S>) {
            for (word, before) in state.iter_mut().flatten().zip(before.iter().flatten()) {
                *word = add(*word, *before);
            }
        }

        /// The state every message starts from.
        #[inline]
        #[target_feature(enable = $features)]
        fn initial_state<const S: usize>() -> State<S> {
            let mut state = [[splat(0); S]; 8];
            for (word, value) in state.iter_mut().zip(INITIAL) {
                *word = [splat(value); S];
            }
            state
        }
    };
}

/// Calls the function `$f::<$s, R>` for R from 0 to 15.
macro_rules! each_of_16 {
    ($f:ident, $s:ident, $arguments:tt) => {
        each_of_16!(@ $f, $s, $arguments, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $f:ident, $s:ident, $arguments:tt, $($r:literal)*) => {
        $(each_of_16!(@call $f, $s, $r, $arguments);)*
    };
    (@call $f:ident, $s:ident, $r:literal, ($($argument:expr),*)) => {
        $f::<$s, $r>($($argument),*)
    };
}

pub(crate) use {each_of_16, multi_buffer};
