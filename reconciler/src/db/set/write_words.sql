INSERT INTO @extschema@.wab_status_words (word, status)
SELECT e.word, e.status FROM unnest($1::text[], $2::text[]) AS e(word, status)
