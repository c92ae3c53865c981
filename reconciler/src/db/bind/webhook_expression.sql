SELECT CASE WHEN strpos($1, $2) = 0 THEN quote_literal($1)
            ELSE format('replace(%L, %L, %I.wab_url_encode(%I::text))', $1, $2, $3, $4) END
