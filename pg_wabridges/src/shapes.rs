//! Tests inside PostgreSQL: the shapes of the functions and the errors that need no provider. Calls are tested end to end.

use pgrx::prelude::*;

#[pg_schema]
mod tests {
    use chrono::DateTime;
    use pgrx::prelude::*;

    use crate::json::RawJson;
    use crate::server;

    fn result_of(function: &str) -> Option<String> {
        Spi::get_one_with_args("SELECT pg_get_function_result($1::regprocedure)", &[function.into()])
            .ok()
            .flatten()
    }

    #[pg_test]
    fn functions_return_what_is_documented() {
        for (function, returns) in [
            (
                "wab_list_instances()",
                "TABLE(bridge_id bigint, customer_ref text, state text, status text, raw_status text, created_at timestamp with time zone, raw jsonb)",
            ),
            (
                "wab_provision(text, text)",
                "TABLE(tenant_id text, bridge_id bigint, state text, outcome text)",
            ),
            (
                "wab_provision(anynonarray, text)",
                "TABLE(tenant_id text, bridge_id bigint, state text, outcome text)",
            ),
            ("wab_delete_instance(bigint, text)", "TABLE(bridge_id bigint, customer_ref text, outcome text)"),
            (
                "wab_refresh(interval, boolean)",
                "TABLE(observed_at timestamp with time zone, bridges integer, appeared integer, changed integer, disappeared integer, skipped boolean)",
            ),
            (
                "wab_poll_status(integer)",
                "TABLE(polled integer, changed integer, failed integer, remaining bigint)",
            ),
            (
                "wab_reconcile(integer)",
                "TABLE(kind text, tenant_id text, bridge_id bigint, customer_ref text, stored text, observed text, detail text)",
            ),
        ] {
            assert_eq!(result_of(function).as_deref(), Some(returns), "{function}");
        }
    }

    #[pg_test(error = "bridge_id may not be null")]
    fn a_null_bridge_id_is_refused() {
        let _ = Spi::run("SELECT * FROM wab_get_instance(NULL)");
    }

    #[pg_test(error = "bridge_id cannot be used")]
    fn a_negative_bridge_id_is_refused() {
        let _ = Spi::run("SELECT * FROM wab_get_instance(-1)");
    }

    #[pg_test(error = "a number of calls may not be negative")]
    fn a_negative_number_of_calls_is_refused() {
        let _ = Spi::run("SELECT * FROM wab_poll_status(-1)");
    }

    #[pg_test(error = "wab_refresh(): max_age may not be null")]
    fn a_null_max_age_is_refused() {
        let _ = Spi::run("SELECT * FROM wab_refresh(NULL)");
    }

    #[pg_test(error = "no tenants table is bound yet")]
    fn reconciling_without_a_binding_is_refused() {
        let _ = Spi::run("SELECT * FROM wab_reconcile()");
    }

    #[pg_test(error = "no API key is configured")]
    fn calling_without_a_key_is_refused() {
        let _ = Spi::run("SELECT * FROM wab_refresh()");
    }

    #[pg_test]
    fn nobody_to_poll_needs_no_call() {
        let polled = Spi::get_one::<i32>("SELECT polled FROM wab_poll_status()");
        assert_eq!(polled, Ok(Some(0)));
    }

    #[pg_test]
    fn json_that_is_no_jsonb_is_null() {
        let stored = |text: &str| RawJson(text.into()).into_datum().is_some();
        assert!(stored(r#"{"id": 1, "name": "\u00fc"}"#));
        for odd in [r#"{"a": "\u0000"}"#, r#"{"a": "\ud800"}"#, r#"{"a": 1e999999999}"#] {
            assert!(!stored(odd), "{odd}");
        }
    }

    #[pg_test]
    fn a_row_is_the_same_jsonb_whether_built_or_parsed() {
        for row in [
            r#"{"id":42,"customer_ref":"cust_0042","state":"running","created_at":"2026-01-31T12:00:00Z"}"#,
            r#"{"bb":1,"a":null,"ccc":"","aa":false,"": -123456789012345678}"#,
            "{}",
            r#"{"nested":{"b":[1,2.50]},"text":"\u00fc\n"}"#,
        ] {
            let same = Spi::get_one_with_args::<bool>(
                "SELECT o = p AND o::text = p::text AND pg_column_size(o) = pg_column_size(p) AND jsonb_hash(o) = jsonb_hash(p)
                    AND NOT EXISTS (SELECT FROM jsonb_object_keys(p) k WHERE o -> k IS DISTINCT FROM p -> k)
                 FROM (SELECT $1 AS o, $2::jsonb AS p) x",
                &[RawJson(row.into()).into(), row.into()],
            );
            assert_eq!(same, Ok(Some(true)), "{row}");
        }
    }

    #[pg_test]
    fn times_are_converted_to_the_microsecond() {
        let at = DateTime::from_timestamp(951_782_400, 123_456_000);
        let expected =
            Spi::get_one::<TimestampWithTimeZone>("SELECT '2000-02-29 00:00:00.123456+00'::timestamptz");
        assert_eq!(Ok(server::timestamp(at)), expected);
    }
}
