//! Tests `wab link`: one link, links for all that wait, refusals, revocations, and the address of the page in fleet.yaml.

use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use e2e::fleet::Fleet;
use e2e::process::Said;
use serde_json::{Value, json};

use super::{opens, states, token, unscanned};
use crate::world;

fn said(fleet: &Fleet, args: &[&str], code: i32) -> Result<Said> {
    let said = fleet.wab(args)?;
    assert_eq!(said.code, code, "wab {args:?}: {}{}", said.stdout, said.stderr);
    Ok(said)
}

#[tokio::test]
async fn one_link_is_printed_and_all_of_a_tenant_are_revoked() -> Result<()> {
    let fleet = unscanned().await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sandbox.clear_ledger().await?;
    let one = said(&fleet, &["link", "cust_01"], 0)?;
    assert_eq!(opens(&fleet, &one.stdout)?, "cust_01");
    assert!(!one.stderr.contains(token(&one.stdout)?), "{}", one.stderr);
    let two = said(&fleet, &["link", "cust_01", "--json", "--valid-for", "2h"], 0)?;
    let two: Value = serde_json::from_str(&two.stdout)?;
    assert_eq!(two["tenant"], "cust_01");
    assert_eq!(opens(&fleet, two["link"].as_str().unwrap_or_default())?, "cust_01");
    assert_eq!(
        fleet.sql("SELECT made_by LIKE '%_@_%', extract(epoch FROM valid_until - made_at)::int FROM wab_links ORDER BY link_id")?,
        "t|86400\nt|7200"
    );
    let revoked = said(&fleet, &["link", "cust_01", "--revoke"], 0)?;
    assert_eq!(revoked.stdout, "2 usable links of cust_01 revoked\n");
    let revoked: Value =
        serde_json::from_str(&said(&fleet, &["link", "cust_01", "--revoke", "--json"], 0)?.stdout)?;
    assert_eq!(revoked["revoked"], 0);
    assert_eq!(fleet.sql("SELECT DISTINCT revoked_by = made_by, state FROM wab_links")?, "t|revoked");
    assert_eq!(fleet.sandbox.ledger().await?, [json!(null); 0], "the provider is not called");
    Ok(())
}

#[tokio::test]
async fn each_refusal_names_the_tenant_and_what_to_do_and_makes_no_link() -> Result<()> {
    let fleet = unscanned().await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql(
        "UPDATE tenants SET status = 'cancelled' WHERE id = 'cust_02'; INSERT INTO tenants (id) VALUES ('new')",
    )?;
    for (args, why) in [
        (&["link", "nobody"][..], &["\"nobody\": no such tenant", "wab_fleet"][..]),
        (&["link", "cust_02"], &["\"cust_02\": this tenant is not wanted", "Change the tenant row"]),
        (&["link", "new"], &["\"new\": this tenant has no live bridge", "wab apply"]),
        (&["link", "cust_09"], &["\"cust_09\": the bridge of this tenant is paired already", "wab logout"]),
        (&["link", "cust_01", "--valid-for", "31d"], &["at most 30 days", "No link was made"]),
        (&["link", "cust_01", "--valid-for", "0s"], &["at most 30 days", "No link was made"]),
        (&["link", "nobody", "--revoke"], &["no such tenant", "wab_fleet"]),
    ] {
        let refused = said(&fleet, args, 1)?;
        for word in why {
            assert!(refused.stderr.contains(word), "{args:?}: {}", refused.stderr);
        }
        assert_eq!(refused.stdout, "", "{args:?}");
    }
    fleet.sql("UPDATE wab_tenant_binding SET customer_refs = '.*[^3]'")?;
    let outside = said(&fleet, &["link", "cust_03"], 1)?;
    assert!(outside.stderr.contains("this bridge belongs to another database"), "{}", outside.stderr);
    fleet.sql("UPDATE wab_policy SET pairing_url = NULL")?;
    for args in [&["link", "cust_01"][..], &["link", "--all-unscanned", "--out", "links.csv"]] {
        let unset = said(&fleet, args, 1)?;
        assert!(unset.stderr.contains("UPDATE wab_policy SET pairing_url"), "{}", unset.stderr);
    }
    assert!(!fleet.write("beside", "")?.with_file_name("links.csv").exists(), "no list is left behind");
    assert_eq!(states(&fleet)?, "");
    Ok(())
}

#[tokio::test]
async fn links_for_all_that_wait_in_the_order_of_the_lists_and_all_or_nothing() -> Result<()> {
    let fleet = unscanned().await?;
    fleet.fleet_yaml(world::YAML)?;
    fleet.sql(
        "UPDATE wab_policy SET awaiting_scan_after = '0', disconnected_after = '0';
         UPDATE wab_bridges SET unpaired_since = unpaired_since - bridge_id * interval '1 day' WHERE bridge_id <= 5",
    )?;
    for id in [11, 12] {
        fleet.sandbox.change(id, json!({"status": "disconnected"})).await?;
    }
    fleet.observe().await?;
    fleet.sql("UPDATE wab_bridges SET status_since = status_since - bridge_id * interval '1 hour' WHERE status = 'disconnected'")?;
    let made = said(&fleet, &["link", "--all-unscanned", "--out", "links.csv"], 0)?;
    assert!(made.stderr.contains("5 links in links.csv, valid until 20"), "{}", made.stderr);
    let file = fleet.write("beside", "")?.with_file_name("links.csv");
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file)?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["tenant_id", "link", "valid_until", "detail"]);
    let tenants: Vec<_> = rows[1..].iter().map(|row| row[0]).collect();
    assert_eq!(tenants.join("\n"), fleet.sql("SELECT tenant_id FROM wab_to_nudge ORDER BY nth")?);
    assert_eq!(tenants, ["cust_05", "cust_04", "cust_03", "cust_02", "cust_01"]);
    for row in &rows[1..] {
        assert_eq!(opens(&fleet, row[1])?, row[0]);
    }
    // The list of a run before may hold links that work.
    let kept = said(&fleet, &["link", "--all-unscanned", "--out", "links.csv"], 1)?;
    assert!(kept.stderr.contains("name another file"), "{}", kept.stderr);
    assert_eq!(std::fs::read_to_string(&file)?, text);

    // A tenant that pairs meanwhile is a row with a reason, and the others get their links.
    fleet.sql(
        "DELETE FROM wab_pairing_links;
         CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE public.wab_bridges SET status = 'paired' WHERE customer_ref = 'cust_11'; RETURN NULL; END $$;
         CREATE TRIGGER meanwhile AFTER INSERT ON wab_pairing_links FOR EACH ROW EXECUTE FUNCTION meanwhile()",
    )?;
    let partly = said(&fleet, &["link", "--all-disconnected", "--valid-for", "1h"], 4)?;
    let rows: Vec<Vec<&str>> = partly.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(opens(&fleet, rows[1][1])?, "cust_12");
    assert_eq!(rows[2], ["cust_11", "", "", "the bridge of this tenant is paired already"]);
    assert!(partly.stderr.contains("1 link, valid until") && partly.stderr.contains("1 tenant without one"));
    let none = said(&fleet, &["link", "--all-disconnected", "--out", "none.csv"], 0)?;
    assert!(none.stderr.contains("1 link in none.csv"), "{}", none.stderr);

    // What fails in the middle leaves neither a link nor a list.
    fleet.sql(
        "DELETE FROM wab_pairing_links;
         CREATE OR REPLACE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.customer_ref = 'cust_02' THEN RAISE EXCEPTION 'the disk is full'; END IF; RETURN NULL; END $$",
    )?;
    let failed = said(&fleet, &["link", "--all-unscanned", "--out", "failed.csv"], 1)?;
    assert!(failed.stderr.contains("the disk is full"), "{}", failed.stderr);
    assert!(!file.with_file_name("failed.csv").exists());
    assert_eq!(states(&fleet)?, "");
    // With nobody waiting the list has its header only.
    fleet.sql("UPDATE wab_bridges SET status = 'paired', unpaired_since = NULL")?;
    let empty = said(&fleet, &["link", "--all-unscanned"], 0)?;
    assert_eq!(empty.stdout, "tenant_id,link,valid_until,detail\n");
    assert!(empty.stderr.contains("no bridge waits"), "{}", empty.stderr);
    Ok(())
}

#[tokio::test]
async fn the_address_of_the_page_comes_from_fleet_yaml() -> Result<()> {
    let fleet = world::healthy(&[]).await?;
    let yaml = world::YAML.replace("50 }", "50, pairing_url: https://pair.example.com/other/p }");
    fleet.fleet_yaml(&yaml)?;
    let planned = said(&fleet, &["plan"], 0)?.stdout;
    assert!(planned.contains("policy.pairing_url: none → https://pair.example.com/other/p"), "{planned}");
    assert_eq!(fleet.sql("SELECT pairing_url IS NULL FROM wab_policy")?, "t", "a plan changes nothing");
    said(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(fleet.sql("SELECT pairing_url FROM wab_policy")?, "https://pair.example.com/other/p");
    assert!(said(&fleet, &["plan"], 0)?.stdout.starts_with("Nothing to do"));
    let exported = said(&fleet, &["export"], 0)?.stdout;
    assert!(exported.contains("pairing_url: \"https://pair.example.com/other/p\""), "{exported}");
    fleet.fleet_yaml(world::YAML)?;
    said(&fleet, &["apply", "-y"], 0)?;
    assert_eq!(
        fleet.sql("SELECT pairing_url IS NULL FROM wab_policy")?,
        "f",
        "what is left out stays as stored"
    );
    Ok(())
}
