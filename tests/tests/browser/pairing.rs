//! A customer pairs the phone: the link is made in SQL, the QR code is read off a picture of the page, and then the link is dead.

use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use e2e::chromium::Chromium;
use e2e::fleet::Fleet;
use e2e::sandbox::Sandbox;
use e2e::served::Served;
use e2e::tab::{Scheme, Tab};
use rqrr::PreparedImage;
use serde_json::json;

use crate::audit::Audit;

/// Two tenants that lost their phones, and the page.
async fn fleet() -> Result<(Fleet, Served)> {
    let fleet = Fleet::with(Sandbox::start(&["--list-status"])?, &[("log_statement", "all")])?;
    fleet.fleet_yaml("")?;
    for n in [1, 2] {
        fleet
            .sandbox
            .add(json!([{"id": n, "customer_ref": format!("cust_{n}"), "status": "connected"}]))
            .await?;
    }
    fleet.sql(
        "CREATE TABLE tenants (id text PRIMARY KEY, bridge_id bigint, bridge_status text);
         INSERT INTO tenants VALUES ('cust_1', 1, 'paired'), ('cust_2', 2, 'paired');
         SELECT * FROM wab_bind_tenants('tenants'); UPDATE wab_policy SET disconnected_after = '0'",
    )?;
    fleet.observe().await?;
    for n in [1, 2] {
        fleet.sandbox.change(n, json!({"status": "disconnected"})).await?;
    }
    fleet.observe().await?;
    let page = fleet.wab_command(&["serve", "--pairing-listen", "127.0.0.1:0", "--product", "Acme"])?;
    let page = Served::start(page)?;
    let origin = page.url().trim_end_matches("/p");
    fleet.sql(&format!("UPDATE wab_policy SET pairing_url = '{origin}/p'"))?;
    fleet.sandbox.clear_ledger().await?;
    Ok((fleet, page))
}

/// What a QR code in a PNG says.
fn read(picture: &[u8]) -> Result<String> {
    let mut decoder = png::Decoder::new(Cursor::new(picture));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("too large")?];
    let frame = reader.next_frame(&mut pixels)?;
    let (width, height) = (usize::try_from(frame.width)?, usize::try_from(frame.height)?);
    let samples = frame.color_type.samples();
    let grey = |x, y| pixels[(y * width + x) * samples];
    let mut image = PreparedImage::prepare_from_greyscale(width, height, grey);
    let grids = image.detect_grids();
    Ok(grids.first().context("no QR code was found")?.decode()?.1)
}

/// The QR code that the provider has now.
fn wanted(fleet: &Fleet) -> Result<String> {
    let file = fleet.write("qr.png", "")?;
    std::fs::remove_file(&file)?;
    let said = fleet.wab(&["qr", "cust_1", "--out", "qr.png"])?;
    ensure!(said.code == 0, "{}", said.stderr);
    read(&std::fs::read(file)?)
}

/// Presses the button of an open page.
fn begin(tab: &Tab) -> Result<()> {
    tab.press("Tab")?;
    ensure!(tab.evaluate("document.activeElement.id")? == "start", "the first stop of Tab is not the button");
    tab.press("Enter")
}

#[tokio::test]
async fn a_link_pairs_a_phone_once() -> Result<()> {
    let (fleet, _page) = fleet().await?;
    let browser = Chromium::start()?;
    let (tab, audit) = (browser.tab()?, Audit::new("pairing")?);
    let link = fleet.sql("SELECT link FROM wab_pairing_link('cust_1')")?;
    let token = link.split_once('#').context("no token")?.1.to_owned();
    tab.open(&link)?;
    audit.page(&tab)?;
    ensure!(fleet.sandbox.ledger().await?.is_empty(), "opening a link called the provider");
    let page = tab.text("document.body.innerText")?;
    ensure!(page.contains("Acme") && !page.contains("cust_1"), "{page}");
    tab.view(390, Scheme::Dark)?;
    begin(&tab)?;
    tab.until("!part('qr').hidden && part('qr').querySelector('path') !== null")?;
    let picture = fleet.write("page.png", "")?;
    tab.picture(&picture, 2000)?;
    ensure!(read(&std::fs::read(picture)?)? == wanted(&fleet)?, "the page shows another code");
    audit.page(&tab)?;
    let complaints = tab.complaints();
    ensure!(complaints.is_empty(), "{complaints:?}");
    fleet.sandbox.change(1, json!({"status": "connected"})).await?;
    tab.until("part('status').textContent === text('paired')")?;
    ensure!(fleet.sql("SELECT string_agg(tenant_id, ' ') FROM wab_to_repair")? == "cust_2");
    ensure!(fleet.sql("SELECT state FROM wab_links")? == "paired");
    let other = browser.tab()?;
    other.open(&link)?;
    begin(&other)?;
    other.until("part('status').textContent === text('dead')")?;
    ensure!(!fleet.cluster.log()?.contains(&token), "the server's log has the token");
    Ok(())
}

#[tokio::test]
async fn a_code_is_typed_instead() -> Result<()> {
    let (fleet, _page) = fleet().await?;
    let browser = Chromium::start()?;
    let tab = browser.tab()?;
    tab.view(390, Scheme::Light)?;
    let link = fleet.sql("SELECT link FROM wab_pairing_link('cust_1')")?;
    tab.open(&link)?;
    begin(&tab)?;
    tab.until("!part('by-code').hidden")?;
    tab.evaluate("part('phone').focus()")?;
    for key in "15550001234".chars() {
        tab.press(&key.to_string())?;
    }
    tab.press("Enter")?;
    tab.until("!part('code').hidden && part('code').textContent.length > 6")?;
    Audit::new("pairing-code")?.page(&tab)?;
    fleet.sandbox.change(1, json!({"status": "connected"})).await?;
    tab.until("part('status').textContent === text('paired')")
}
