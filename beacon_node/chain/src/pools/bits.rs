//! Sets of committee members as bytes of bits.

/// How many bits are set in `bits` and not in `covered`, which may be shorter.
pub(super) fn count_new(bits: &[u8], covered: &[u8]) -> u64 {
    let known = bits.len().min(covered.len());
    let (low, high) = bits.split_at(known);
    let overlapping = low
        .iter()
        .zip(covered)
        .map(|(bits, covered)| bits & !covered);
    overlapping
        .chain(high.iter().copied())
        .map(|byte| u64::from(byte.count_ones()))
        .sum()
}

/// Whether no bit is in both.
pub(super) fn are_disjoint(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(one, other)| one & other == 0)
}

/// Whether `one` has all bits of `other`, of the same length.
pub(super) fn covers(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| one & other == *other)
}

/// Adds the bits of `other` to `bits`, which grows as needed.
pub(super) fn add(bits: &mut Vec<u8>, other: &[u8]) {
    if bits.len() < other.len() {
        bits.resize(other.len(), 0);
    }
    for (bits, other) in bits.iter_mut().zip(other) {
        *bits |= other;
    }
}

/// Whether the bit is set.
pub(super) fn get(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8)
        .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// Sets the bit, which must be within the length.
pub(super) fn set(bits: &mut [u8], at: usize) {
    if let Some(byte) = bits.get_mut(at / 8) {
        *byte |= 1 << (at % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_compared_bit_by_bit() {
        let mut one = vec![0b1010_0000, 0b1];
        assert_eq!(count_new(&one, &[]), 3);
        assert_eq!(count_new(&one, &[0b1000_0000]), 2);
        assert!(are_disjoint(&one, &[0b0101_0000, 0b10]));
        assert!(!are_disjoint(&one, &[0, 0b1]));
        assert!(covers(&one, &[0b1000_0000, 0]) && !covers(&one, &[0b1, 0]));
        assert!(!covers(&one, &[0b1000_0000]));
        set(&mut one, 9);
        assert!(get(&one, 9) && get(&one, 8) && !get(&one, 10) && !get(&one, 99));
        let mut sum = vec![0b1];
        add(&mut sum, &one);
        assert_eq!(sum, [0b1010_0001, 0b11]);
    }
}
