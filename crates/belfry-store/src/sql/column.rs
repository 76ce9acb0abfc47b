//! Values on their way into a statement and out of a row. What SQLite's driver knows of types stands for both engines:
//! a value is null, a 64-bit integer, a text or bytes.

use super::{Error, Sql};
use bytes::BytesMut;
use rusqlite::ToSql;
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql as ToPostgres, Type, to_sql_checked};

/// A parameter for a server, kept until it is sent.
#[derive(Debug)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// An integer, or a truth.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Texts, for `= ANY(…)`.
    Texts(Vec<String>),
    /// Integers, for `= ANY(…)`.
    Integers(Vec<i64>),
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

impl From<Vec<i64>> for Value {
    fn from(integers: Vec<i64>) -> Self {
        Self::Integers(integers)
    }
}

impl Value {
    /// A copy of what a caller gave.
    pub(crate) fn of(value: &dyn ToSql) -> Sql<Self> {
        let output = value.to_sql()?;
        let seen = match &output {
            ToSqlOutput::Borrowed(seen) => *seen,
            ToSqlOutput::Owned(value) => ValueRef::from(value),
            other => return Err(Error::Unreadable(format!("a parameter of an unknown form: {other:?}"))),
        };
        Ok(match seen {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_vec()),
            ValueRef::Real(_) => return Err(Error::Unreadable("the store has no fractions".to_owned())),
        })
    }
}

type Fault = Box<dyn std::error::Error + Sync + Send>;

impl ToPostgres for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Integer(number), &Type::INT8) => ToPostgres::to_sql(number, kind, out),
            (Self::Integer(number), &Type::INT4) => ToPostgres::to_sql(&i32::try_from(*number)?, kind, out),
            (Self::Integer(number), &Type::BOOL) => ToPostgres::to_sql(&(*number != 0), kind, out),
            (Self::Text(text), &Type::TEXT | &Type::VARCHAR | &Type::NAME) => {
                ToPostgres::to_sql(text, kind, out)
            }
            (Self::Bytes(bytes), &Type::BYTEA) => ToPostgres::to_sql(bytes, kind, out),
            (Self::Texts(texts), &Type::TEXT_ARRAY) => ToPostgres::to_sql(texts, kind, out),
            (Self::Integers(integers), &Type::INT8_ARRAY) => ToPostgres::to_sql(integers, kind, out),
            _ => Err(format!("a parameter is to be {kind} and is {self:?}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A row of either engine.
pub(crate) enum Row<'r> {
    /// Of the file.
    Sqlite(&'r rusqlite::Row<'r>),
    /// Of the server.
    Postgres(&'r tokio_postgres::Row),
}

/// How a column is named: by its number, from 0.
pub(crate) trait Column {
    /// The number.
    fn number(self) -> usize;
}

impl Column for usize {
    fn number(self) -> usize {
        self
    }
}

impl Row<'_> {
    /// A column's value.
    pub(crate) fn get<C: Column, T: FromSql>(&self, column: C) -> Sql<T> {
        let number = column.number();
        match self {
            Self::Sqlite(row) => Ok(row.get(number)?),
            Self::Postgres(_) => T::column_result(self.get_ref(number)?)
                .map_err(|error| Error::Unreadable(format!("column {number}: {error}"))),
        }
    }

    /// A column's value as it lies there.
    pub(crate) fn get_ref(&self, number: usize) -> Sql<ValueRef<'_>> {
        let row = match self {
            Self::Sqlite(row) => return Ok(row.get_ref(number)?),
            Self::Postgres(row) => row,
        };
        let kind = row.columns()[number].type_();
        let integer = |value: Option<i64>| value.map_or(ValueRef::Null, ValueRef::Integer);
        Ok(match *kind {
            Type::INT8 => integer(row.try_get(number)?),
            Type::INT4 => integer(row.try_get::<_, Option<i32>>(number)?.map(i64::from)),
            Type::BOOL => integer(row.try_get::<_, Option<bool>>(number)?.map(i64::from)),
            Type::TEXT | Type::VARCHAR | Type::NAME => row
                .try_get::<_, Option<&str>>(number)?
                .map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            Type::BYTEA => row.try_get::<_, Option<&[u8]>>(number)?.map_or(ValueRef::Null, ValueRef::Blob),
            ref other => return Err(Error::Unreadable(format!("column {number} is of the type {other}"))),
        })
    }
}

/// Rows that are all here.
pub(crate) struct PostgresRows {
    rows: Vec<tokio_postgres::Row>,
    next: usize,
}

impl PostgresRows {
    /// From the first on.
    pub(crate) fn new(rows: Vec<tokio_postgres::Row>) -> Self {
        Self { rows, next: 0 }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Option<&tokio_postgres::Row> {
        self.next += 1;
        self.rows.get(self.next - 1)
    }
}
