-- Creates a Python function that fetches the fleet with requests, upserts rows that differ and deletes removed bridges.
CREATE EXTENSION IF NOT EXISTS plpython3u;
CREATE OR REPLACE FUNCTION py_refresh(api_url text, api_key text) RETURNS integer LANGUAGE plpython3u AS $$
import requests
session = requests.Session()
session.trust_env = False
answer = session.get(api_url + '/api/instances', headers={'Authorization': 'Bearer ' + api_key}, timeout=30)
answer.raise_for_status()
rows = answer.json()
columns = [[row[name] for row in rows] for name in ('id', 'customer_ref', 'state', 'status', 'created_at')]
types = ['bigint[]', 'text[]', 'text[]', 'text[]', 'timestamptz[]']
plpy.execute(plpy.prepare('''
    INSERT INTO bridges AS b SELECT * FROM unnest($1, $2, $3, $4, $5) ON CONFLICT (bridge_id) DO UPDATE
    SET (customer_ref, state, status, created_at) = (excluded.customer_ref, excluded.state, excluded.status, excluded.created_at)
    WHERE (b.customer_ref, b.state, b.status, b.created_at)
          IS DISTINCT FROM (excluded.customer_ref, excluded.state, excluded.status, excluded.created_at)''', types), columns)
plpy.execute(plpy.prepare('''
    DELETE FROM bridges b WHERE NOT EXISTS (SELECT FROM unnest($1) AS f(id) WHERE f.id = b.bridge_id)''', types[:1]), columns[:1])
return len(rows)
$$;
