//! Which numbers of a stream were confirmed: a short list of disjoint ranges, each after < seq <= up_to.

/// Most ranges kept beside a user; what lies lower is written to the items.
pub(crate) const RANGES_MAX: usize = 32;

/// Disjoint, ascending, never touching ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds `after < seq <= up_to`; answers whether that said anything new.
    pub(crate) fn insert(&mut self, after: u64, up_to: u64) -> bool {
        if up_to <= after {
            return false;
        }
        // Everything that touches (after, up_to] melts into one.
        let first = self.0.partition_point(|range| range.1 < after);
        let last = self.0.partition_point(|range| range.0 <= up_to);
        if first < last {
            let melted = (self.0[first].0.min(after), self.0[last - 1].1.max(up_to));
            if last - first == 1 && self.0[first] == melted {
                return false;
            }
            self.0.splice(first..last, [melted]);
        } else {
            self.0.insert(first, (after, up_to));
        }
        true
    }

    /// Adds everything of another list.
    pub(crate) fn merge(&mut self, other: &Ranges) {
        for (after, up_to) in &other.0 {
            self.insert(*after, *up_to);
        }
    }

    /// What is in these and not in others.
    pub(crate) fn without(&self, others: &Ranges) -> Vec<(u64, u64)> {
        let mut left = Vec::new();
        for (after, up_to) in &self.0 {
            let mut from = *after;
            let first = others.0.partition_point(|other| other.1 <= from);
            for (other_after, other_up_to) in others.0[first..].iter().take_while(|other| other.0 < *up_to) {
                if from < *other_after {
                    left.push((from, *other_after));
                }
                from = from.max(*other_up_to);
            }
            if from < *up_to {
                left.push((from, *up_to));
            }
        }
        left
    }

    /// Whether this number was confirmed.
    pub(crate) fn contains(&self, seq: u64) -> bool {
        let at = self.0.partition_point(|range| range.1 < seq);
        self.0.get(at).is_some_and(|range| range.0 < seq)
    }

    /// The highest confirmed number, 0 for none.
    pub(crate) fn highest(&self) -> u64 {
        self.0.last().map_or(0, |range| range.1)
    }

    /// How many ranges.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The lowest ranges beyond [`RANGES_MAX`].
    pub(crate) fn overflow(&self) -> &[(u64, u64)] {
        &self.0[..self.0.len().saturating_sub(RANGES_MAX)]
    }

    /// Forgets the ranges that end at or below this number.
    pub(crate) fn forget_up_to(&mut self, up_to: u64) {
        self.0.retain(|range| range.1 > up_to);
    }

    /// As stored; `None` for none.
    pub(crate) fn to_blob(&self) -> Option<Vec<u8>> {
        (!self.0.is_empty())
            .then(|| self.0.iter().flat_map(|range| [range.0, range.1]).flat_map(u64::to_le_bytes).collect())
    }

    /// From what is stored.
    pub(crate) fn from_blob(blob: Option<&[u8]>) -> Self {
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
        let ranges = blob.unwrap_or_default().chunks_exact(16);
        Self(ranges.map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_hold_exactly_what_was_confirmed(
            given in prop::collection::vec((0u64..40, 0u64..40), 0..20),
            others in prop::collection::vec(1u64..40, 0..20),
        ) {
            let mut ranges = Ranges::default();
            let mut model = BTreeSet::new();
            for (after, up_to) in given {
                let before = model.len();
                model.extend(after + 1..=up_to.max(after));
                prop_assert_eq!(ranges.insert(after, up_to), model.len() > before);
            }
            for seq in 0..50 {
                prop_assert_eq!(ranges.contains(seq), model.contains(&seq), "{} in {:?}", seq, ranges);
            }
            prop_assert_eq!(ranges.highest(), model.last().copied().unwrap_or(0));
            prop_assert!(ranges.0.windows(2).all(|two| two[0].1 < two[1].0));
            let ranges_of = |model: &BTreeSet<u64>| {
                let mut ranges = Ranges::default();
                model.iter().for_each(|seq| _ = ranges.insert(seq - 1, *seq));
                ranges
            };
            let others: BTreeSet<u64> = others.into_iter().collect();
            let left: Vec<u64> =
                ranges.without(&ranges_of(&others)).into_iter().flat_map(|(after, up_to)| after + 1..=up_to).collect();
            prop_assert_eq!(left, model.difference(&others).copied().collect::<Vec<_>>());
            prop_assert_eq!(Ranges::from_blob(ranges.to_blob().as_deref()), ranges);
        }
    }
}
