-- Tests wab_incident_policy: one row per kind, of which only what differs from the defaults is stored.
CREATE EXTENSION pg_wabridges;
SELECT kind, severity, begins_after, ends_after, alerts FROM wab_incident_policy ORDER BY 1;
UPDATE wab_incident_policy SET begins_after = '2 hours', severity = 'info' WHERE kind = 'orphaned' RETURNING kind, severity, begins_after, alerts;
UPDATE wab_incident_policy SET ends_after = '0' WHERE kind = 'orphaned';
UPDATE wab_incident_policy SET next_step = 'tell the provider' WHERE kind = 'state';
SELECT * FROM _wab_incident_policy ORDER BY 1;
-- Null sets the default again, and a DELETE all defaults of the kind.
UPDATE wab_incident_policy SET severity = NULL WHERE kind = 'orphaned';
SELECT severity, begins_after FROM wab_incident_policy WHERE kind = 'orphaned';
DELETE FROM wab_incident_policy WHERE kind = 'state';
SELECT * FROM _wab_incident_policy ORDER BY 1;
DELETE FROM wab_incident_policy;
SELECT count(*) AS stored, (SELECT count(*) FROM wab_incident_policy) AS kinds FROM _wab_incident_policy;
UPDATE wab_incident_policy SET kind = 'other' WHERE kind = 'state';
UPDATE wab_incident_policy SET severity = 'grave' WHERE kind = 'state';
UPDATE wab_incident_policy SET ends_after = '-1 minute' WHERE kind = 'state';
UPDATE wab_incident_policy SET severity = 'high';
UPDATE wab_incident_policy SET begins_after = '-1 day', severity = 'info' WHERE kind = 'state';
INSERT INTO wab_incident_policy (kind) VALUES ('other');
