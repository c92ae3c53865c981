DELETE FROM @extschema@.wab_status_words w WHERE NOT w.built_in AND w.word <> ALL ($1) AND $2::text[] IS NOT NULL
