/// Unmasks a part of a payload in place and turns the mask so that it fits the next part.
pub(crate) fn unmask(part: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = part.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c, d]) {
        *byte ^= key;
    }
    mask.rotate_left(part.len() % 4);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unmasking_in_parts_equals_the_standards_formula(
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            mask: [u8; 4],
            cuts in proptest::collection::vec(1_usize..40, 0..20),
        ) {
            let expected: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
            let mut actual = payload;
            let (mut rest, mut turning) = (&mut actual[..], mask);
            for cut in cuts {
                let (part, after) = rest.split_at_mut(cut.min(rest.len()));
                unmask(part, &mut turning);
                rest = after;
            }
            unmask(rest, &mut turning);
            prop_assert_eq!(actual, expected);
        }
    }
}
