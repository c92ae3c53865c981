//! A row's own JSON text as `jsonb`, without a detour over a parsed tree.

use std::ffi::CString;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::prelude::*;
use pgrx::{PgTryBuilder, direct_function_call_as_datum, pg_sys};

/// JSON text as the provider sent it.
pub struct RawJson(pub Box<str>);

impl IntoDatum for RawJson {
    /// NULL where the text is JSON but no jsonb, such as an escaped NUL: one odd row must not cost the whole list.
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let text = CString::new(self.0.into_string()).ok()?;
        PgTryBuilder::new(|| {
            // SAFETY: jsonb_in takes one NUL-terminated string.
            unsafe { direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(text.as_ptr().into())]) }
        })
        .catch_others(|caught| match &caught {
            CaughtError::PostgresError(error) if is_about_the_text(error.sql_error_code()) => None,
            _ => caught.rethrow(),
        })
        .execute()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
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
