SELECT r.customer_ref FROM unnest($1::text[]) AS r(customer_ref)
WHERE NOT coalesce(r.customer_ref COLLATE "C" ~ (SELECT @extschema@._wab_customer_refs()), true)
