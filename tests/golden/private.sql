-- Tests what is left of errors and of webhook_urls in stored texts and for roles that only read.
CREATE EXTENSION pg_wabridges;
SELECT state, _wab_shown_message(state, 'value "tok "x"" is bad'), _wab_shown_detail(state, 'Failing row contains (tok).')
FROM unnest('{22P02,22023,22P05,23502,23505,23514,23P01,42501,55000,P0001}'::text[]) AS state;
SELECT _wab_shown_message('22012', 'division by zero'), _wab_shown_message(NULL, 'x'), _wab_shown_detail(NULL, 'x');
SELECT _wab_shown_error('28000', 'refused', 'refused (HTTP 401)'), _wab_shown_error('23514', 'checked', 'row'), _wab_shown_error('55000', '', 'why'), _wab_shown_error('55000', 'what', 'why');
SELECT _wab_raise_without_values('22P02', 'invalid input syntax for type integer: "tok"', '');
SELECT _wab_raise_without_values('23514', 'new row violates check constraint "c"', 'Failing row contains (tok).');
SELECT _wab_raise_without_values('55000', 'not bound', 'a detail'), _wab_raise_without_values('23514', 'no detail', '');
SELECT url, _wab_hidden_url(url), _wab_hidden_url(_wab_hidden_url(url)) = _wab_hidden_url(url) AS same
FROM unnest('{https://app.example.com/hooks/tok,https://app.example.com/hooks/tik,https://u:tok@h:8443?tok=1,http://tok@h@app#tok,ftp://h/tok,tok,"",NULL}'::text[]) AS url;
