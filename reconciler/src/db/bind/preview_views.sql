SELECT @extschema@._wab_preview_views($1::oid::regclass, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
