// Receives webhooks as a careful user would with Express and pg: checks the secret, and stores each event with one statement.
// VARIANT=plain writes tables of its own; VARIANT=function calls wab_ingest_event().
import { createHmac, timingSafeEqual } from 'node:crypto';
import express from 'express';
import pg from 'pg';

const STATUSES = { connected: 'paired', disconnected: 'disconnected', logged_out: 'disconnected' };
const STATEMENTS = {
  plain: {
    name: 'store',
    text: `WITH known AS (
             UPDATE own_bridges SET status = $2, raw_status = $3, status_at = now() WHERE customer_ref = $1 RETURNING bridge_id)
           INSERT INTO own_events (bridge_id, event, status, at) SELECT bridge_id, $3, $2, now() FROM known RETURNING 'recorded' AS outcome`,
    values: (ref, event) => [ref, STATUSES[event.event], event.event],
  },
  function: {
    name: 'ingest',
    text: 'SELECT wab_ingest_event($1, $2) AS outcome',
    values: (ref, event) => [ref, JSON.stringify(event)],
  },
};

const { name, text, values } = STATEMENTS[process.env.VARIANT];
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

function isValid(ref, secret) {
  const expected = createHmac('sha256', process.env.WEBHOOK_KEY).update(ref).digest();
  const given = Buffer.from(secret, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.post('/hooks/:ref/:secret', express.json({ limit: '64kb' }), async (request, response) => {
  const { ref, secret } = request.params;
  if (!isValid(ref, secret)) return response.sendStatus(404);
  if (!(request.body?.event in STATUSES)) return response.send('ignored\n');
  const { rows } = await pool.query({ name, text, values: values(ref, request.body) });
  response.send(`${rows[0]?.outcome ?? 'no_bridge'}\n`);
});
const server = app.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
