-- Sets the COMMENTs of the views of views.sql and of their columns. Like that file, it is the body of a function that
-- wab_bind_tenants() calls.

COMMENT ON VIEW @extschema@.wab_tenants IS
    'Your tenants table as this extension reads it. An UPDATE of bridge_id or bridge_status writes your table.';
COMMENT ON COLUMN @extschema@.wab_tenants.tenant_id IS 'The tenant row''s id, in its own type.';
COMMENT ON COLUMN @extschema@.wab_tenants.customer_ref IS 'The tenant''s id as text; its bridge carries it.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.bridge_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_tenants.wanted IS
    'Whether this tenant should have a bridge, by the wanted predicate of the binding.';
COMMENT ON COLUMN @extschema@.wab_tenants.webhook_url IS
    'The webhook_url that its bridge should have, by the webhook_url expression of the binding.';
COMMENT ON COLUMN @extschema@.wab_tenants.disconnected_after IS
    'The tenant''s own wab_policy.disconnected_after; null for that of the fleet.';
COMMENT ON COLUMN @extschema@.wab_tenants.awaiting_scan_after IS
    'The tenant''s own wab_policy.awaiting_scan_after; null for that of the fleet.';
COMMENT ON COLUMN @extschema@.wab_tenants.expected_phone IS
    'The phone that its bridge should be paired with, by the phone expression of the binding.';

COMMENT ON VIEW @extschema@.wab_fleet IS
    'One row per tenant or bridge: your tenant row beside the live bridge, with the kinds of drift.';
COMMENT ON COLUMN @extschema@.wab_fleet.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_fleet.customer_ref IS
    'The tenant''s id as text, or the customer_ref that the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_fleet.wanted IS
    'Whether there should be a bridge: the tenant is wanted, or an extra is declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept IS
    'Whether wab_declared keeps the bridge, and the date of the keep has not passed.';
COMMENT ON COLUMN @extschema@.wab_fleet.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_fleet.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_fleet.raw_status IS 'The status as the provider words it.';
COMMENT ON COLUMN @extschema@.wab_fleet.stored_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.status_since IS
    'When the present status began, as far as it was observed.';
COMMENT ON COLUMN @extschema@.wab_fleet.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet.webhook_url IS
    'The webhook_url that is wanted; for a role that may not write wab_bridges, its host and a fingerprint.';
COMMENT ON COLUMN @extschema@.wab_fleet.last_webhook_url IS
    'The webhook_url last set by wab_provision() or wab apply; null if neither set one. Shown as webhook_url is.';
COMMENT ON COLUMN @extschema@.wab_fleet.declared_reason IS 'The reason in wab_declared.';
COMMENT ON COLUMN @extschema@.wab_fleet.kept_until IS 'The last day on which the keep holds.';
COMMENT ON COLUMN @extschema@.wab_fleet.drift IS 'The kinds of drift of this row; empty if it has none.';

COMMENT ON VIEW @extschema@.wab_drift IS
    'One row per difference between the tenants table and the observed fleet. It shows the bridges of tenants that '
    'row-level security hides from the caller as orphaned; the functions that decide or write refuse instead.';
COMMENT ON COLUMN @extschema@.wab_drift.kind IS
    'missing, outside, unbound, status_drift, stale_binding, orphaned, churned, duplicate, disconnected, awaiting_scan, flapping, '
    'unmapped_status, state, webhook, phone_changed, phone_shared, phone_unexpected or silent.';
COMMENT ON COLUMN @extschema@.wab_drift.severity IS
    'critical: a customer has no service. warning: the account pays for an unused bridge, or a person must act. info: '
    'wab apply repairs it; wab_reconcile() repairs status_drift and stale_binding.';
COMMENT ON COLUMN @extschema@.wab_drift.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_drift.customer_ref IS
    'The tenant''s id as text, or the customer_ref that the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_drift.stored IS
    'The value in your tenants table or wab_declared, or the phone before. Of a phone only the last four digits.';
COMMENT ON COLUMN @extschema@.wab_drift.observed IS
    'The value of the live bridge. Of a phone only the last four digits, or the beginning of its hash.';
COMMENT ON COLUMN @extschema@.wab_drift.since IS
    'When the status began (kinds disconnected, awaiting_scan and unmapped_status) or the state, when the phone changed, '
    'or the last message was; for other kinds, when a refresh or wab first found this drift. Null until then.';
COMMENT ON COLUMN @extschema@.wab_drift.detail IS 'A sentence that describes the difference.';
COMMENT ON COLUMN @extschema@.wab_drift.monthly_cost IS
    'US dollars per month for a bridge that no tenant needs; 0 for other kinds of drift.';
COMMENT ON COLUMN @extschema@.wab_drift.webhook_url IS
    'The webhook_url that is wanted for this tenant; for a role that may not write wab_bridges, its host and a fingerprint.';
COMMENT ON COLUMN @extschema@.wab_drift.wasted IS 'Whether the account pays for a bridge that no tenant needs.';

COMMENT ON VIEW @extschema@.wab_drift_short IS
    'wab_drift in five columns that fit a terminal.';
COMMENT ON COLUMN @extschema@.wab_drift_short.kind IS 'The kind of drift, as in wab_drift.';
COMMENT ON COLUMN @extschema@.wab_drift_short.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_drift_short.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_drift_short.since IS 'Since when, as in wab_drift, to the second.';
COMMENT ON COLUMN @extschema@.wab_drift_short.detail IS
    'The difference in words, in lines of 32 characters; it begins with the customer_ref if there is no tenant row.';

COMMENT ON VIEW @extschema@.wab_orphaned_bridges IS
    'Live bridges with no tenant row that wab_declared neither wants nor keeps.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.customer_ref IS
    'The tenant''s id as text, or the customer_ref that the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.kept_until IS 'The last day on which the keep holds.';
COMMENT ON COLUMN @extschema@.wab_orphaned_bridges.monthly_cost IS
    'US dollars per month for the bridge.';

COMMENT ON VIEW @extschema@.wab_missing_bridges IS 'Wanted tenants and declared extras with no live bridge.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.customer_ref IS
    'The tenant''s id as text, or the customer_ref that the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.stored_bridge_id IS 'The bridge_id that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_missing_bridges.webhook_url IS
    'The webhook_url that is wanted; for a role that may not write wab_bridges, its host and a fingerprint.';

COMMENT ON VIEW @extschema@.wab_status_drift IS 'Tenant rows whose stored status differs from the observed one.';
COMMENT ON COLUMN @extschema@.wab_status_drift.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_status_drift.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_status_drift.customer_ref IS
    'The tenant''s id as text, or the customer_ref that the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_status_drift.stored_status IS 'The bridge_status that the tenant row holds.';
COMMENT ON COLUMN @extschema@.wab_status_drift.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_status_drift.raw_status IS 'The status as the provider words it.';
COMMENT ON COLUMN @extschema@.wab_status_drift.status_since IS
    'When the present status began, as far as it was observed.';

COMMENT ON VIEW @extschema@.wab_churned_bridges IS
    'Live bridges of tenants that are no longer wanted; the account still pays for them.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.bridge_id IS 'The live bridge; null when there is none.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.customer_ref IS
    'The tenant''s id as text, or the customer_ref that the bridge carries.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.state IS 'The container''s state.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.status IS
    'The session''s status as observed: paired, awaiting_scan, disconnected or unknown.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.created_at IS 'When the provider created the bridge.';
COMMENT ON COLUMN @extschema@.wab_churned_bridges.monthly_cost IS
    'US dollars per month for the bridge.';

COMMENT ON VIEW @extschema@.wab_to_repair IS
    'Bridges of wanted tenants that lost their phones, in the order in which a person goes through them: those of '
    'kind disconnected, and those for which a code was requested that was not used yet.';
COMMENT ON COLUMN @extschema@.wab_to_repair.nth IS
    'The place in the list. Tenants that were not contacted since then come first, the longest outage first; the others '
    'follow, the oldest contact first, and snoozed ones at the end.';
COMMENT ON COLUMN @extschema@.wab_to_repair.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_to_repair.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_to_repair.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@.wab_to_repair.since IS 'Since when it is not paired.';
COMMENT ON COLUMN @extschema@.wab_to_repair.last_nudged_at IS
    'When wab_nudged() was last called for the tenant, also about an earlier time; null if never.';
COMMENT ON COLUMN @extschema@.wab_to_repair.last_nudged_by IS 'The role that called it.';
COMMENT ON COLUMN @extschema@.wab_to_repair.last_nudged_channel IS 'The channel that it named.';
COMMENT ON COLUMN @extschema@.wab_to_repair.last_code_at IS
    'When a pairing code was last requested, by wab_pair() or wab pair; null if never.';
COMMENT ON COLUMN @extschema@.wab_to_repair.last_code_by IS 'Who requested it: a role, or user@host that ran wab.';
COMMENT ON COLUMN @extschema@.wab_to_repair.code_valid_until IS 'Until about when WhatsApp accepts that code.';
COMMENT ON COLUMN @extschema@.wab_to_repair.next_step IS 'What to do next, in words.';

COMMENT ON VIEW @extschema@.wab_to_nudge IS
    'Bridges of wanted tenants that wait for a scan of the QR code for too long (kind awaiting_scan), in the order in '
    'which a person goes through them.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.nth IS
    'The place in the list. Tenants that were not contacted since then come first, the longest outage first; the others '
    'follow, the oldest contact first, and snoozed ones at the end.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.tenant_id IS
    'The tenant row''s id, in its own type; null when there is no tenant row.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.customer_ref IS 'The tenant''s id as text.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.bridge_id IS 'The bridge.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.since IS 'Since when it is not paired.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.last_nudged_at IS
    'When wab_nudged() was last called for the tenant, also about an earlier time; null if never.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.last_nudged_by IS 'The role that called it.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.last_nudged_channel IS 'The channel that it named.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.last_code_at IS
    'When a pairing code was last requested, by wab_pair() or wab pair; null if never.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.last_code_by IS 'Who requested it: a role, or user@host that ran wab.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.code_valid_until IS 'Until about when WhatsApp accepts that code.';
COMMENT ON COLUMN @extschema@.wab_to_nudge.next_step IS 'What to do next, in words.';

COMMENT ON VIEW @extschema@.wab_fleet_summary IS 'One row: bridges by status, drift by kind, US dollars per month.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.observed_at IS 'The time of the observation that is summarized.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.bridges IS 'Live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.paired IS 'Of these, paired.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.awaiting_scan IS 'Of these, waiting for the QR code to be scanned.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.disconnected IS 'Of these, disconnected.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.unknown IS 'Of these, with a status that is not known.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.orphaned IS 'Live bridges that no tenant owns.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.churned IS 'Live bridges of tenants that are no longer wanted.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.missing IS 'Wanted tenants with no live bridge.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.monthly_cost IS 'US dollars per month for all live bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.monthly_waste IS
    'US dollars per month for orphaned, churned and duplicate bridges.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.duplicate IS
    'Live bridges whose customer_ref another live bridge serves.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.unbound IS 'Tenants whose row does not hold their live bridge''s id.';
COMMENT ON COLUMN @extschema@.wab_fleet_summary.status_drift IS
    'Tenants whose row holds a status other than the observed one.';

COMMENT ON VIEW @extschema@._wab_unpaired IS
    'Bridges of wanted tenants that are not paired, with the last nudge and the last code: wab_to_repair and wab_to_nudge.';
COMMENT ON VIEW @extschema@._wab_rows IS
    'One row per tenant or bridge: your tenant row beside the live bridge. _wab_kinds compares the two.';
COMMENT ON VIEW @extschema@._wab_kinds IS
    '_wab_rows with one column per kind of drift, null if there is no such drift. The other drift views read it.';
COMMENT ON COLUMN @extschema@._wab_rows.tenant_ref IS
    'customer_ref as the tenants table has it, null without a tenant: a condition on it finds rows by index.';
COMMENT ON COLUMN @extschema@._wab_kinds.differences IS 'An array of the kinds'' columns, with a null for each kind that the row does not have.';
