-- Tests which columns can identify a tenant: one id has one text, whatever the settings of a session.
CREATE EXTENSION pg_wabridges;
CREATE EXTENSION citext;
CREATE TYPE plan AS ENUM ('small', 'large');
CREATE DOMAIN code AS text CHECK (VALUE <> '');
CREATE DOMAIN number AS numeric(12,0);
CREATE DOMAIN loose_number AS numeric;
CREATE DOMAIN day AS date;
CREATE FUNCTION binds(type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE format('CREATE TABLE t (id %s, bridge_id bigint, bridge_status text)', type);
    PERFORM * FROM wab_bind_tenants('t');
    DROP TABLE t CASCADE;
    RETURN 'yes';
EXCEPTION WHEN datatype_mismatch THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLERRM || ': ' || detail;
END
$$;
SET client_min_messages = warning;
SELECT type, binds(type) FROM unnest('{smallint,integer,bigint,oid,uuid,text,varchar(40),char(8),name,citext,plan,code,"numeric(20,0)","numeric(8,2)",number}'::text[]) type;
SELECT type, binds(type) FROM unnest('{numeric,loose_number,real,double precision,money,date,day,time,timestamp,timestamptz,interval,bytea,boolean,inet,jsonb,"int[]",regclass,tsrange,plan[]}'::text[]) type;
CREATE TABLE tenants (id timestamptz, bridge_id bigint, bridge_status text);
SELECT * FROM wab_bind_tenants('tenants');
