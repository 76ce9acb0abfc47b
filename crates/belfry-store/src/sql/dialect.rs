//! One text for both engines: written as SQLite takes it, turned into what PostgreSQL takes.

/// A statement as PostgreSQL takes it: parameters are `$1` instead of `?1` or `?`; the index that SQLite is told to use
/// and the order of a join that it is told to keep are for the planner to find.
pub(crate) fn for_postgres(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let mut unnumbered = 0;
    let mut rest = sql;
    while let Some(at) = rest.find(['?', '\'', 'I', 'C']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\'') {
            let end = after.find('\'').map_or(rest.len(), |end| end + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if let Some(after) = rest.strip_prefix('?') {
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            out.push('$');
            if digits == 0 {
                unnumbered += 1;
                out.push_str(&unnumbered.to_string());
            }
            out.push_str(&after[..digits]);
            rest = &after[digits..];
        } else if let Some(after) = rest.strip_prefix("INDEXED BY ") {
            rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        } else if let Some(after) = rest.strip_prefix("CROSS JOIN ") {
            out.push_str("JOIN ");
            rest = after;
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::for_postgres;

    #[test]
    fn parameters_are_numbered() {
        assert_eq!(
            for_postgres("SELECT a FROM b WHERE c = ?1 AND d = ?12"),
            "SELECT a FROM b WHERE c = $1 AND d = $12"
        );
        assert_eq!(for_postgres("VALUES (?, ?, ?)"), "VALUES ($1, $2, $3)");
    }

    #[test]
    fn what_is_quoted_stays() {
        assert_eq!(for_postgres("SET a = 'why?' WHERE b = ?1"), "SET a = 'why?' WHERE b = $1");
        assert_eq!(for_postgres("SET a = ''"), "SET a = ''");
    }

    #[test]
    fn hints_for_the_other_planner_are_left_out() {
        assert_eq!(
            for_postgres("SELECT 1 FROM n INDEXED BY n_changed WHERE a = ?1"),
            "SELECT 1 FROM n  WHERE a = $1"
        );
        assert_eq!(for_postgres("FROM n CROSS JOIN a ON a.k = n.k"), "FROM n JOIN a ON a.k = n.k");
        assert_eq!(for_postgres("INSERT INTO Cs (I) VALUES (1)"), "INSERT INTO Cs (I) VALUES (1)");
    }
}
