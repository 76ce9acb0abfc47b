//! Where a message goes: one of the partitions that users are hashed into, or everybody.

/// How many partitions there are. A part of the wire between nodes: it never changes.
pub const PARTITIONS: u16 = 1024;

/// The code of [`Subject::All`] in an envelope; partitions are their own number.
const ALL: u16 = u16::MAX;

/// What a message is about. Every node hears every subject; nothing a person chose is ever a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// Users whose id hashes to this number, below [`PARTITIONS`]: see [`partition_of`].
    Partition(u16),
    /// What concerns every node.
    All,
}

impl Subject {
    /// The subject of what concerns one user.
    pub fn of_user(user: &str) -> Self {
        Self::Partition(partition_of(user))
    }

    /// Whether it is one of those that nodes listen to.
    pub(crate) fn exists(self) -> bool {
        match self {
            Self::Partition(number) => number < PARTITIONS,
            Self::All => true,
        }
    }

    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Partition(number) => number,
            Self::All => ALL,
        }
    }

    pub(crate) fn from_code(code: u16) -> Option<Self> {
        match code {
            ALL => Some(Self::All),
            number => Some(Self::Partition(number)).filter(|subject| subject.exists()),
        }
    }

    /// The name on a broker: `belfry.p.17`, `belfry.all`.
    pub(crate) fn name(self, prefix: &str) -> String {
        match self {
            Self::Partition(number) => format!("{prefix}.p.{number}"),
            Self::All => format!("{prefix}.all"),
        }
    }
}

/// The partition of a user: the same on every node and in every version.
///
/// FNV-1a with 64 bits over the bytes of the id, its halves folded together, modulo [`PARTITIONS`]. It spreads ids
/// evenly and is no secret: somebody who chooses ids can pile them into one partition, which costs nothing but
/// that balance, as every node hears all of them.
pub fn partition_of(user: &str) -> u16 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = user.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let folded = hash ^ (hash >> 32);
    u16::try_from(folded % u64::from(PARTITIONS)).expect("a remainder below 1024 fits into 16 bits")
}

/// Whether a prefix is safe on every engine: a letter or digit first, no dot, space, `*`, `>` or quote, and short
/// enough for a PostgreSQL channel.
pub(crate) fn is_prefix(prefix: &str) -> bool {
    (1..=32).contains(&prefix.len())
        && prefix.starts_with(|first: char| first.is_ascii_alphanumeric())
        && prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_partition_never_changes() {
        // Computed by a second implementation, in another language.
        for (user, partition) in VECTORS {
            assert_eq!(partition_of(user), partition, "{user:?}");
        }
    }

    const VECTORS: [(&str, u16); 8] = [
        ("", 961),
        ("ann", 417),
        ("bob", 589),
        (">", 429),
        ("*", 305),
        ("a.b", 821),
        ("belfry.p.*", 140),
        ("Zoë 🛎", 561),
    ];

    #[test]
    fn users_spread_over_all_partitions() {
        let mut users = vec![0_u32; usize::from(PARTITIONS)];
        for number in 0..102_400 {
            users[usize::from(partition_of(&format!("user-{number}")))] += 1;
        }
        let (least, most) = (users.iter().min(), users.iter().max());
        assert!(least > Some(&50) && most < Some(&160), "100 expected in each: {least:?} to {most:?}");
    }

    #[test]
    fn a_subject_has_no_text_of_a_user() {
        for user in [">", "*", "a.b", "belfry.>", "p.* x\r\n"] {
            let name = Subject::of_user(user).name("belfry");
            let number = name.strip_prefix("belfry.p.").expect("a partition");
            assert!(number.parse::<u16>().is_ok_and(|number| number < PARTITIONS), "{name}");
        }
    }

    #[test]
    fn a_code_leads_back_to_its_subject() {
        for subject in [Subject::Partition(0), Subject::Partition(PARTITIONS - 1), Subject::All] {
            assert_eq!(Subject::from_code(subject.code()), Some(subject));
        }
        assert_eq!(Subject::from_code(PARTITIONS), None);
        assert!(!Subject::Partition(PARTITIONS).exists());
    }

    #[test]
    fn a_prefix_is_plain_and_short() {
        for good in ["belfry", "belfry-staging_2", "b", "0"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in ["", "belfry.p", "*", "a b", "\"", "-x", "é", &"x".repeat(33)] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_user_has_a_partition(user in ".*") {
            prop_assert!(partition_of(&user) < PARTITIONS);
        }
    }
}
