//! Converts a row's JSON text to `jsonb`.
//!
//! For speed, the members of a flat row, as most listed rows are, are sorted and passed to PostgreSQL as values. That takes a
//! third of the time of its parser. All other rows go through the parser (`parsed`), with the same result.

use std::ffi::CString;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::prelude::*;
use pgrx::{PgTryBuilder, direct_function_call_as_datum, pg_sys};
use wabridges::flat::{self, Scalar};

/// The largest jsonb, in bytes.
const LARGEST: usize = 256 * 1024 * 1024;

/// In bytes. A longer text goes through the parser.
const LARGEST_FLAT: usize = 64 * 1024;

/// Whether a jsonb could hold so much text. PostgreSQL cannot even pass on a text of a gigabyte.
pub fn fits(text: &str) -> bool {
    text.len() < LARGEST
}

/// JSON text as the provider sent it.
pub struct RawJson(pub Box<str>);

impl IntoDatum for RawJson {
    /// NULL if jsonb cannot hold the text, for instance because of an escaped NUL: one such row must not lose the list.
    fn into_datum(self) -> Option<pg_sys::Datum> {
        if !fits(&self.0) {
            return None;
        }
        // Only the parser reports a text that is too large without losing the list.
        match flat_members(&self.0).filter(|_| self.0.len() <= LARGEST_FLAT) {
            Some(members) => Some(built(members)),
            None => parsed(self.0.into_string()),
        }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

/// The members in the order of `jsonb`: by length of the key, then by bytes. `None` unless the text is one flat object with
/// each key once.
fn flat_members(text: &str) -> Option<Vec<(&str, Scalar<'_>)>> {
    let mut members = Vec::with_capacity(8);
    let length = flat::object(text, |key, value| members.push((key, value)))?;
    members.sort_unstable_by_key(|(key, _)| (key.len(), *key));
    let once = members.is_sorted_by(|(one, _), (next, _)| one != next);
    (length == text.len() && once).then_some(members)
}

fn built(members: Vec<(&str, Scalar<'_>)>) -> pg_sys::Datum {
    let mut pairs: Vec<pg_sys::JsonbPair> = members
        .into_iter()
        .map(|(key, scalar)| pg_sys::JsonbPair { key: string(key), value: value(scalar), order: 0 })
        .collect();
    let mut object = pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvObject, ..Default::default() };
    object.val.object.nPairs = pairs.len() as i32;
    object.val.object.pairs = pairs.as_mut_ptr();
    // SAFETY: the tree is complete, sorted and without duplicates, and lives until the call has copied it.
    pg_sys::Datum::from(unsafe { pg_sys::JsonbValueToJsonb(&mut object) })
}

fn value(scalar: Scalar<'_>) -> pg_sys::JsonbValue {
    let mut value = pg_sys::JsonbValue::default();
    match scalar {
        Scalar::Null => value.type_ = pg_sys::jbvType::jbvNull,
        Scalar::Bool(is) => {
            value.type_ = pg_sys::jbvType::jbvBool;
            value.val.boolean = is;
        }
        Scalar::Integer(number) => {
            value.type_ = pg_sys::jbvType::jbvNumeric;
            // SAFETY: any i64 is a numeric.
            value.val.numeric = unsafe { pg_sys::int64_to_numeric(number) };
        }
        Scalar::Text(text) => value = string(text),
    }
    value
}

fn string(text: &str) -> pg_sys::JsonbValue {
    let mut value = pg_sys::JsonbValue { type_: pg_sys::jbvType::jbvString, ..Default::default() };
    value.val.string.len = text.len() as i32;
    value.val.string.val = text.as_ptr().cast_mut().cast();
    value
}

fn parsed(text: String) -> Option<pg_sys::Datum> {
    let text = CString::new(text).ok()?;
    PgTryBuilder::new(|| {
        // SAFETY: jsonb_in() takes one NUL-terminated string.
        unsafe { direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(text.as_ptr().into())]) }
    })
    .catch_others(|caught| match &caught {
        CaughtError::PostgresError(error) if is_about_the_text(error.sql_error_code()) => None,
        _ => caught.rethrow(),
    })
    .execute()
}

fn is_about_the_text(code: PgSqlErrorCode) -> bool {
    matches!(
        code,
        PgSqlErrorCode::ERRCODE_UNTRANSLATABLE_CHARACTER
            | PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION
            | PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE
            | PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED
            | PgSqlErrorCode::ERRCODE_STATEMENT_TOO_COMPLEX
    )
}

// SAFETY: the datum that into_datum() makes is a jsonb.
unsafe impl SqlTranslatable for RawJson {
    const TYPE_IDENT: &'static str = "RawJson";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}

// SAFETY: returns what into_datum() makes, as the type named above.
unsafe impl BoxRet for RawJson {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: the datum was just made in the current memory context.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}
