SELECT u.raw_status, u.bridges FROM @extschema@.wab_unmapped_words u ORDER BY u.bridges DESC, u.word LIMIT 10
