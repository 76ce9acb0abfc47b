//! SQL on either engine. Operations are written once, against these names; what differs between SQLite and PostgreSQL
//! stands here: how parameters are marked, how values travel, and that PostgreSQL can be told many things before it is
//! asked one.

mod column;
mod dialect;
mod error;
mod postgres;

pub(crate) use column::Row;
pub(crate) use error::{Error, Sql, unreadable};
pub(crate) use postgres::Postgres;
pub(crate) use rusqlite::params;

use column::PostgresRows;
use rusqlite::ToSql;
use tokio_postgres::Statement as Prepared;

/// A connection.
pub(crate) enum Connection {
    /// To the file.
    Sqlite(rusqlite::Connection),
    /// To a server that other nodes write to as well.
    Postgres(Postgres),
}

impl Connection {
    /// Other nodes write to it as well.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// The file's connection, for what only a file has.
    pub(crate) fn sqlite(&self) -> Option<&rusqlite::Connection> {
        match self {
            Self::Sqlite(conn) => Some(conn),
            Self::Postgres(_) => None,
        }
    }

    /// A statement, prepared once per connection.
    pub(crate) fn prepare_cached(&self, sql: &str) -> Sql<Statement<'_>> {
        Ok(match self {
            Self::Sqlite(conn) => Statement::Sqlite(conn.prepare_cached(sql)?),
            Self::Postgres(conn) => {
                Statement::Postgres { conn, prepared: conn.prepare(sql)?, bound: Vec::new() }
            }
        })
    }

    /// The first row of a query, [`Error::NoRows`] where there is none.
    pub(crate) fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Sql<T>,
    ) -> Sql<T> {
        self.prepare_cached(sql)?.query_row(params, read)
    }

    /// Runs a statement; answers how many rows it touched.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Sql<usize> {
        self.prepare_cached(sql)?.execute(params)
    }

    /// The end of a query for rows that nobody else is to change; those that another transaction has are waited for.
    pub(crate) fn for_update(&self) -> &'static str {
        if self.is_shared() { " FOR UPDATE" } else { "" }
    }

    /// The same; those that another transaction has are left out.
    pub(crate) fn for_update_of_free(&self) -> &'static str {
        if self.is_shared() { " FOR UPDATE SKIP LOCKED" } else { "" }
    }

    /// Begins a transaction that writes.
    pub(crate) fn begin(&self) -> Sql<()> {
        match self {
            Self::Sqlite(conn) => drop(conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?),
            Self::Postgres(conn) => conn.send_simple("BEGIN")?,
        }
        Ok(())
    }

    /// Begins a transaction that only reads: all its statements see one moment.
    pub(crate) fn begin_read(&self) -> Sql<()> {
        match self {
            Self::Sqlite(conn) => drop(conn.prepare_cached("BEGIN")?.execute([])?),
            Self::Postgres(conn) => conn.send_simple("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?,
        }
        Ok(())
    }

    /// Ends the transaction; what was sent and not waited for has worked, too, when this returns `Ok`.
    pub(crate) fn commit(&self) -> Sql<()> {
        match self {
            Self::Sqlite(conn) => drop(conn.prepare_cached("COMMIT")?.execute([])?),
            Self::Postgres(conn) => conn.commit()?,
        }
        Ok(())
    }

    /// Takes the transaction back. `false`: the connection is of no use any more.
    pub(crate) fn rollback(&self) -> bool {
        match self {
            Self::Sqlite(conn) => conn.is_autocommit() || conn.execute_batch("ROLLBACK").is_ok(),
            Self::Postgres(conn) => conn.rollback(),
        }
    }

    /// Ends a transaction that only read.
    pub(crate) fn end_read(&self) -> Sql<()> {
        match self {
            Self::Sqlite(conn) => drop(conn.prepare_cached("ROLLBACK")?.execute([])?),
            // Waited for: what is only sent goes out with the next question, and until then the server would keep the
            // transaction, and end the session that leaves one idle.
            Self::Postgres(conn) => conn.commit()?,
        }
        Ok(())
    }
}

/// A prepared statement.
pub(crate) enum Statement<'c> {
    /// Of the file.
    Sqlite(rusqlite::CachedStatement<'c>),
    /// Of the server.
    Postgres {
        /// Where.
        conn: &'c Postgres,
        /// What.
        prepared: Prepared,
        /// Parameters given one by one.
        bound: Vec<column::Value>,
    },
}

impl Statement<'_> {
    /// Gives the parameter with this number (from 1), in their order.
    pub(crate) fn bind(&mut self, number: usize, value: impl ToSql) -> Sql<()> {
        match self {
            Self::Sqlite(statement) => statement.raw_bind_parameter(number, value)?,
            Self::Postgres { bound, .. } => {
                debug_assert_eq!(bound.len() + 1, number);
                bound.push(column::Value::of(&value)?);
            }
        }
        Ok(())
    }

    /// Runs it with the parameters that were bound; see [`Statement::send`].
    pub(crate) fn send_bound(&mut self) -> Sql<()> {
        match self {
            Self::Sqlite(statement) => drop(statement.raw_execute()?),
            Self::Postgres { conn, prepared, bound } => conn.send(prepared, std::mem::take(bound))?,
        }
        Ok(())
    }

    /// Runs it; answers how many rows it touched.
    pub(crate) fn execute(&mut self, params: impl Params) -> Sql<usize> {
        match self {
            Self::Sqlite(statement) => {
                bind_all(statement, &params)?;
                Ok(statement.raw_execute()?)
            }
            Self::Postgres { conn, prepared, .. } => conn.execute(prepared, values(&params)?),
        }
    }

    /// Runs it where nobody asks how many rows it touched: a server is told and not waited for. Its fault shows with
    /// the next question, at the latest at COMMIT, and takes the whole transaction with it.
    pub(crate) fn send(&mut self, params: impl Params) -> Sql<()> {
        match self {
            Self::Sqlite(_) => self.execute(params).map(drop),
            Self::Postgres { conn, prepared, .. } => conn.send(prepared, values(&params)?),
        }
    }

    /// The rows.
    pub(crate) fn query(&mut self, params: impl Params) -> Sql<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => {
                bind_all(statement, &params)?;
                Ok(Rows::Sqlite(statement.raw_query()))
            }
            Self::Postgres { conn, prepared, .. } => {
                Ok(Rows::Postgres(PostgresRows::new(conn.query(prepared, values(&params)?)?)))
            }
        }
    }

    /// The rows, each read by `read`.
    pub(crate) fn query_map<T, F: FnMut(&Row<'_>) -> Sql<T>>(
        &mut self,
        params: impl Params,
        read: F,
    ) -> Sql<MappedRows<'_, F>> {
        Ok(MappedRows { rows: self.query(params)?, read })
    }

    /// The first row, [`Error::NoRows`] where there is none.
    pub(crate) fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Sql<T>,
    ) -> Sql<T> {
        match self.query(params)?.next()? {
            Some(row) => read(&row),
            None => Err(Error::NoRows),
        }
    }

    /// The rows of a question about lists, each of which only a server takes as one parameter.
    pub(crate) fn query_listed<L: Into<column::Value>, const N: usize, T>(
        &mut self,
        lists: [L; N],
        read: impl FnMut(&Row<'_>) -> Sql<T>,
    ) -> Sql<Vec<T>> {
        let Self::Postgres { conn, prepared, .. } = self else {
            return Err(Error::Unreadable("a file takes no list as a parameter".to_owned()));
        };
        let rows = Rows::Postgres(PostgresRows::new(
            conn.query(prepared, lists.into_iter().map(Into::into).collect())?,
        ));
        MappedRows { rows, read }.collect()
    }

    /// Whether there is any row.
    pub(crate) fn exists(&mut self, params: impl Params) -> Sql<bool> {
        Ok(self.query(params)?.next()?.is_some())
    }
}

fn bind_all(statement: &mut rusqlite::CachedStatement<'_>, params: &impl Params) -> Sql<()> {
    let mut number = 0;
    params.each(&mut |value| {
        number += 1;
        Ok(statement.raw_bind_parameter(number, value)?)
    })
}

fn values(params: &impl Params) -> Sql<Vec<column::Value>> {
    let mut values = Vec::new();
    params.each(&mut |value| {
        values.push(column::Value::of(value)?);
        Ok(())
    })?;
    Ok(values)
}

/// What statements take as parameters, in their order.
pub(crate) trait Params {
    /// Shows each.
    fn each(&self, take: &mut dyn FnMut(&dyn ToSql) -> Sql<()>) -> Sql<()>;
}

impl Params for &[&dyn ToSql] {
    fn each(&self, take: &mut dyn FnMut(&dyn ToSql) -> Sql<()>) -> Sql<()> {
        self.iter().try_for_each(|value| take(*value))
    }
}

/// None.
impl Params for [&(dyn ToSql + Send + Sync); 0] {
    fn each(&self, _: &mut dyn FnMut(&dyn ToSql) -> Sql<()>) -> Sql<()> {
        Ok(())
    }
}

macro_rules! arrays_as_params {
    ($($length:literal)+) => {$(
        impl<T: ToSql> Params for [T; $length] {
            fn each(&self, take: &mut dyn FnMut(&dyn ToSql) -> Sql<()>) -> Sql<()> {
                self.iter().try_for_each(|value| take(value))
            }
        }
        impl<T: ToSql + ?Sized> Params for &[&T; $length] {
            fn each(&self, take: &mut dyn FnMut(&dyn ToSql) -> Sql<()>) -> Sql<()> {
                self.iter().try_for_each(|value| take(value))
            }
        }
    )+};
}
arrays_as_params!(1 2 3 4 5 6 7 8);

/// As many parameters as there are values.
pub(crate) struct Listed<T>(pub(crate) Vec<T>);

impl<T: ToSql> Params for Listed<T> {
    fn each(&self, take: &mut dyn FnMut(&dyn ToSql) -> Sql<()>) -> Sql<()> {
        self.0.iter().try_for_each(|value| take(value))
    }
}

/// Rows as they come.
pub(crate) enum Rows<'s> {
    /// From the file.
    Sqlite(rusqlite::Rows<'s>),
    /// From the server: they are all here.
    Postgres(PostgresRows),
}

impl Rows<'_> {
    /// The next one.
    pub(crate) fn next(&mut self) -> Sql<Option<Row<'_>>> {
        Ok(match self {
            Self::Sqlite(rows) => rows.next()?.map(Row::Sqlite),
            Self::Postgres(rows) => rows.next().map(Row::Postgres),
        })
    }
}

/// Rows, each read by a function.
pub(crate) struct MappedRows<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<T, F: FnMut(&Row<'_>) -> Sql<T>> Iterator for MappedRows<'_, F> {
    type Item = Sql<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.next() {
            Ok(row) => row.map(|row| (self.read)(&row)),
            Err(error) => Some(Err(error)),
        }
    }
}

/// A row that need not be there.
pub(crate) trait OptionalExtension<T> {
    /// `None`: there was no row.
    fn optional(self) -> Sql<Option<T>>;
}

impl<T> OptionalExtension<T> for Sql<T> {
    fn optional(self) -> Sql<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(Error::NoRows) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
