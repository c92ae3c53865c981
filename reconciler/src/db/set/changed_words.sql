SELECT word, o.status AS before, e.status AS after
FROM unnest($1::text[], $2::text[]) AS e(word, status)
FULL JOIN @extschema@._wab_status_words o USING (word)
WHERE e.status IS DISTINCT FROM o.status ORDER BY word
