\set VERBOSITY verbose
\set SHOW_CONTEXT never
