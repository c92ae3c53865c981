-- What the views of views.sql and their columns are for. Like that file it is the body of a function that
-- wab_bind_tenants() calls.

COMMENT ON VIEW @extschema@.wab_tenants IS
    'Your tenants table as this extension reads it. Updates of bridge_id and bridge_status go to the table.';
COMMENT ON COLUMN @extschema@.wab_tenants.tenant_id IS 'The tenant row''s id, in its own type.';
COMMENT ON COLUMN @extschema@.wab_tenants.customer_ref IS 'The tenant''s id as text: what its bridge carries.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.wanted IS 'Should this tenant have a bridge, as the binding says.';
COMMENT ON COLUMN @extschema@.wab_tenants.webhook_url IS
    'The webhook_url that its bridge should have, as the binding says.';

COMMENT ON VIEW @extschema@.wab_fleet IS
    'The whole picture: one row per tenant or bridge, with the kinds of drift it has.';
COMMENT ON COLUMN @extschema@.wab_fleet.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_fleet.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_fleet.wanted IS
    'Should there be a bridge: the tenant is wanted, or an extra is declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept IS
    'Declared to be kept though nobody owns it, and the date has not passed.';
COMMENT ON COLUMN @extschema@.wab_fleet.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_fleet.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_fleet.raw_status IS 'The same in the provider''s words.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.status_since IS
    'Since when the status has been what it is, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_fleet.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet.webhook_url IS 'The webhook_url that is wanted.';
COMMENT ON COLUMN @extschema@.wab_fleet.last_webhook_url IS 'The webhook_url that we set last; null when we never did.';
COMMENT ON COLUMN @extschema@.wab_fleet.declared_reason IS 'Why it is declared in wab_declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept_until IS 'The last day on which the keep holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.drift IS 'Kinds of drift that this row has; empty when all is well.';

COMMENT ON VIEW @extschema@.wab_drift IS 'One row per difference between the tenants table and the observed fleet.';
COMMENT ON COLUMN @extschema@.wab_drift.kind IS
    'missing, unbound, status_drift, orphaned, churned, duplicate, disconnected, awaiting_scan, state or webhook.';
COMMENT ON COLUMN @extschema@.wab_drift.severity IS
    'critical: a customer is without service. warning: money or attention is lost. info: repaired by wab apply or '
    'wab_reconcile().';
COMMENT ON COLUMN @extschema@.wab_drift.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_drift.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_drift.stored IS 'What your side says.';
COMMENT ON COLUMN @extschema@.wab_drift.observed IS 'What the provider says.';
COMMENT ON COLUMN @extschema@.wab_drift.since IS
    'Since when, as far as it was observed: the status, or for other kinds since a refresh or wab first saw this '
    'drift. Null before that.';
COMMENT ON COLUMN @extschema@.wab_drift.detail IS 'The difference in words.';
COMMENT ON COLUMN @extschema@.wab_drift.monthly_cost IS
    'US dollars per month that are paid for a bridge nobody needs; 0 for other kinds.';
COMMENT ON COLUMN @extschema@.wab_drift.webhook_url IS 'The webhook_url that is wanted for this tenant.';
COMMENT ON COLUMN @extschema@.wab_drift.wasted IS 'Whether the bridge is paid for though nobody needs it.';

COMMENT ON VIEW @extschema@.wab_orphaned_bridges IS
    'Live bridges that no tenant owns and nobody declared: paid for in vain.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.customer_ref IS
    'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.kept_until IS 'The last day on which the keep holds.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.monthly_cost IS
    'US dollars per month that are paid for a bridge nobody needs; 0 for other kinds.';

COMMENT ON VIEW @extschema@.wab_missing_bridges IS 'Wanted tenants and declared extras with no live bridge.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.customer_ref IS
    'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.stored_bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.webhook_url IS 'The webhook_url that is wanted.';

COMMENT ON VIEW @extschema@.wab_status_drift IS 'Tenant rows whose stored status differs from the observed one.';
COMMENT ON COLUMN @extschema@.wab_status_drift.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_status_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_status_drift.customer_ref IS 'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_status_drift.stored_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_status_drift.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_status_drift.raw_status IS 'The same in the provider''s words.';
COMMENT ON COLUMN @extschema@.wab_status_drift.status_since IS
    'Since when the status has been what it is, as far as it was observed.';

COMMENT ON VIEW @extschema@.wab_churned_bridges IS
    'Live bridges of tenants that are no longer wanted: still being paid for.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.customer_ref IS
    'The tenant''s id as text, or what the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.monthly_cost IS
    'US dollars per month that are paid for a bridge nobody needs; 0 for other kinds.';

COMMENT ON VIEW @extschema@.wab_fleet_summary IS 'One row: bridges by status, drift by kind, US dollars per month.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.observed_at IS 'The observation it speaks of.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.awaiting_scan IS 'Of these, waiting for the QR code to be scanned.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.disconnected IS 'Of these, disconnected.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.unknown IS 'Of these, with a status that was never learnt.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.orphaned IS 'Live bridges that no tenant owns.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.churned IS 'Live bridges of tenants that are no longer wanted.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.missing IS 'Wanted tenants with no live bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.monthly_cost IS 'US dollars per month for all live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.monthly_waste IS
    'US dollars per month for orphaned, churned and duplicate bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.duplicate IS
    'Live bridges beside the one that serves their customer_ref.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.unbound IS 'Tenants whose row does not hold their live bridge''s id.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.status_drift IS
    'Tenants whose row holds another status than was observed.';

COMMENT ON VIEW @extschema@._wab_rows IS
    'One row per tenant or bridge: your side beside the provider''s. What _wab_kinds compares.';
COMMENT ON VIEW @extschema@._wab_kinds IS
    '_wab_rows with a column per kind of drift, null where there is none: what the other views are made of.';
COMMENT ON COLUMN @extschema@._wab_kinds.differences IS 'The columns of the kinds, nulls included.';
