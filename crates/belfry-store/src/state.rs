//! What becomes of an item when a person changes it: pure.

use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{ItemState, Level, StateChange};

/// It was on screen.
pub(crate) const SEEN: u8 = 1;
/// Opened or marked; not counted.
pub(crate) const READ: u8 = 2;
/// Out of the list by its person. Implies [`READ`].
pub(crate) const ARCHIVED: u8 = 4;
/// Its action was used.
pub(crate) const ACTED: u8 = 8;

/// The flags after a change. The same flags: it changes nothing.
pub(crate) fn changed(flags: u8, change: StateChange) -> u8 {
    match change {
        StateChange::Seen => flags | SEEN,
        StateChange::Read => flags | SEEN | READ,
        // Archived counts as read, so what is out of the list stays so.
        StateChange::Unread if flags & ARCHIVED != 0 => flags,
        StateChange::Unread => flags & !READ,
        StateChange::Archived => flags | SEEN | READ | ARCHIVED,
        StateChange::Unarchived => flags & !ARCHIVED,
        StateChange::Acted => flags | SEEN | READ | ACTED,
    }
}

/// [`changed`] in SQL: which rows it changes, and to which flags.
pub(crate) fn changed_sql(change: StateChange) -> (&'static str, &'static str) {
    match change {
        StateChange::Seen => ("flags & 1 = 0", "flags | 1"),
        StateChange::Read => ("flags & 2 = 0", "flags | 3"),
        StateChange::Unread => ("flags & 6 = 2", "flags & 13"),
        StateChange::Archived => ("flags & 4 = 0", "flags | 7"),
        StateChange::Unarchived => ("flags & 4 <> 0", "flags & 11"),
        StateChange::Acted => ("flags & 11 <> 11", "flags | 11"),
    }
}

/// Whether an item with these flags counts as unread.
pub(crate) fn counts(flags: u8) -> bool {
    flags & READ == 0
}

/// How far an alert got by this change, and the column of its first time.
pub(crate) fn level_of(change: StateChange) -> Option<Level> {
    match change {
        StateChange::Seen => Some(Level::Seen),
        StateChange::Read | StateChange::Archived => Some(Level::Read),
        StateChange::Acted => Some(Level::Acted),
        StateChange::Unread | StateChange::Unarchived => None,
    }
}

/// The column of a level's first time.
pub(crate) fn level_column(level: Level) -> &'static str {
    match level {
        Level::Received => "received_at",
        Level::Displayed => "displayed_at",
        Level::Seen => "seen_at",
        Level::Read => "read_at",
        Level::Acted => "acted_at",
    }
}

/// A level as a number, 0 being none.
pub(crate) fn level_code(level: Level) -> u8 {
    match level {
        Level::Received => 1,
        Level::Displayed => 2,
        Level::Seen => 3,
        Level::Read => 4,
        Level::Acted => 5,
    }
}

/// The level of a number.
pub(crate) fn level_from(code: u8) -> Option<Level> {
    match code {
        1 => Some(Level::Received),
        2 => Some(Level::Displayed),
        3 => Some(Level::Seen),
        4 => Some(Level::Read),
        5 => Some(Level::Acted),
        _ => None,
    }
}

/// The flags as the protocol names them.
pub(crate) fn item_state(flags: u8) -> ItemState {
    ItemState {
        seen: flags & SEEN != 0,
        read: flags & READ != 0,
        archived: flags & ARCHIVED != 0,
        acted: flags & ACTED != 0,
    }
}

/// Why an item is out of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Expired,
    Recalled,
    Replaced,
    Removed,
}

impl Gone {
    /// As it is stored; 0 is in the list.
    pub(crate) fn code(self) -> u8 {
        match self {
            Gone::Expired => 1,
            Gone::Recalled => 2,
            Gone::Replaced => 3,
            Gone::Removed => 4,
        }
    }

    /// From what is stored.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Gone::Expired),
            2 => Some(Gone::Recalled),
            3 => Some(Gone::Replaced),
            4 => Some(Gone::Removed),
            _ => None,
        }
    }

    /// As the protocol names it.
    pub(crate) fn to(self) -> ChangedTo {
        match self {
            Gone::Expired => ChangedTo::Expired,
            Gone::Recalled => ChangedTo::Recalled,
            Gone::Replaced => ChangedTo::Replaced,
            Gone::Removed => ChangedTo::Removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [StateChange; 6] = [
        StateChange::Seen,
        StateChange::Read,
        StateChange::Unread,
        StateChange::Archived,
        StateChange::Unarchived,
        StateChange::Acted,
    ];

    fn reachable() -> Vec<u8> {
        let mut found = vec![0u8];
        let mut next = 0;
        while next < found.len() {
            for change in ALL {
                let flags = changed(found[next], change);
                if !found.contains(&flags) {
                    found.push(flags);
                }
            }
            next += 1;
        }
        found
    }

    #[test]
    fn read_implies_seen_and_archived_implies_read() {
        for flags in reachable() {
            assert!(flags & READ == 0 || flags & SEEN != 0, "{flags}");
            assert!(flags & ARCHIVED == 0 || flags & READ != 0, "{flags}");
            assert!(flags & ACTED == 0 || flags & SEEN != 0, "{flags}");
        }
    }

    #[test]
    fn the_sql_changes_what_the_code_changes() {
        let sqlite = rusqlite::Connection::open_in_memory().unwrap();
        for flags in reachable() {
            for change in ALL {
                let (applies, becomes) = changed_sql(change);
                let sql = format!("SELECT {applies}, {becomes} FROM (SELECT ?1 AS flags)");
                let (applies, becomes): (bool, u8) =
                    sqlite.query_row(&sql, [flags], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                let expected = changed(flags, change);
                assert_eq!(applies, expected != flags, "{flags} {change:?}");
                assert!(!applies || becomes == expected, "{flags} {change:?}");
            }
        }
    }
}
