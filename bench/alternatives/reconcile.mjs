// Does the work of reconcileFleet() from the provider's guide, for Node.js and Postgres, as a careful user would write it: one
// fetch, maps on both sides, one statement for all rows that drifted. It never deletes. It prints the counts as JSON.
import pg from 'pg';

const PAIRED = new Set(['connected', 'paired']);
const AWAITING = new Set(['qr', 'unpaired', 'pairing', 'awaiting_scan']);
const DISCONNECTED = new Set(['disconnected', 'logged_out', 'closed']);

const normalize = (status) =>
  PAIRED.has(status) ? 'paired' : AWAITING.has(status) ? 'awaiting_scan' : DISCONNECTED.has(status) ? 'disconnected' : 'unknown';

async function reconcileFleet(client) {
  const [response, tenants] = await Promise.all([
    fetch(`${process.env.WA_API_URL}/api/instances`, { headers: { Authorization: `Bearer ${process.env.WA_API_KEY}` } }),
    client.query('SELECT id, status, bridge_id, bridge_status FROM tenants'),
  ]);
  if (!response.ok) throw new Error(`the provider answered ${response.status}`);
  const bridges = new Map((await response.json()).map((bridge) => [bridge.customer_ref, bridge]));
  const known = new Set();
  const missing = [];
  const drifted = { ids: [], bridgeIds: [], statuses: [] };
  for (const tenant of tenants.rows) {
    known.add(tenant.id);
    const bridge = bridges.get(tenant.id);
    if (!bridge) {
      if (tenant.status === 'active') missing.push(tenant.id);
      continue;
    }
    const status = normalize(bridge.status);
    if (String(bridge.id) !== tenant.bridge_id || (status !== 'unknown' && status !== tenant.bridge_status)) {
      drifted.ids.push(tenant.id);
      drifted.bridgeIds.push(bridge.id);
      drifted.statuses.push(status);
    }
  }
  const orphaned = [...bridges.keys()].filter((ref) => !known.has(ref));
  if (drifted.ids.length > 0 && process.env.DRY_RUN !== '1') {
    await client.query(
      `UPDATE tenants t SET bridge_id = d.bridge_id, bridge_status = d.status
       FROM unnest($1::text[], $2::bigint[], $3::text[]) AS d(id, bridge_id, status) WHERE t.id = d.id`,
      [drifted.ids, drifted.bridgeIds, drifted.statuses],
    );
  }
  return { bridges: bridges.size, orphaned, missing, drifted: drifted.ids };
}

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
try {
  const { bridges, orphaned, missing, drifted } = await reconcileFleet(client);
  console.log(JSON.stringify({ bridges, orphaned: orphaned.length, missing: missing.length, drifted: drifted.length }));
} finally {
  await client.end();
}
