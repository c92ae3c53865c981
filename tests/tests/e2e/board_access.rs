//! Tests who may see the board of `wab serve`, and with which rights it reads.

use anyhow::{Result, ensure};
use e2e::fleet::{DATABASE, Fleet, Install};
use e2e::process;
use e2e::served::{Served, answer};

use crate::world;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PAGES: [&str; 9] = [
    "/",
    "/tenants",
    "/tenants/cust_01",
    "/incidents",
    "/drift.csv",
    "/costs",
    "/live",
    "/metrics",
    "/assets/board.js",
];

fn serve(fleet: &Fleet, more: &[&str]) -> Result<Served> {
    let file = fleet.cluster.write_secret("token", TOKEN)?.display().to_string();
    let args = [&["serve", "--listen", "127.0.0.1:0", "--token-file", &file], more].concat();
    Served::start(fleet.wab_command(&args)?)
}

#[tokio::test]
async fn without_the_token_there_is_nothing_to_see() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let board = serve(&fleet, &[])?;
    for path in PAGES {
        let page = || board.request("GET", path);
        let spoofed = page()?.header("x-forwarded-user", "admin").header("x-forwarded-for", "127.0.0.1");
        for (asked, name) in [
            (page()?, "nothing"),
            (page()?.basic_auth("admin", Some("wrong")), "a wrong password"),
            (page()?.basic_auth(TOKEN, Some("")), "the token as the user"),
            (page()?.bearer_auth(&TOKEN[1..]), "a part of the token"),
            (spoofed, "an identity that no trusted proxy vouches for"),
        ] {
            let said = answer(asked).await?;
            assert_eq!(said.code, 401, "{path} with {name}");
            assert!(said.headers["www-authenticate"].to_str()?.starts_with("Basic "), "{path}");
            assert!(!said.body.contains("cust_"), "{path} with {name}: {}", said.body);
        }
    }
    assert_eq!(answer(board.request("GET", "/")?.basic_auth("anybody", Some(TOKEN))).await?.code, 200);
    assert_eq!(answer(board.request("GET", "/metrics")?.bearer_auth(TOKEN)).await?.code, 200);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(board.get(path).await?.body, "ok\n");
    }
    let (code, stderr) = board.stop()?;
    assert_eq!((code, stderr.as_str()), (0, ""), "no request leaves a line");
    Ok(())
}

#[tokio::test]
async fn a_trusted_proxy_vouches_for_its_users() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let board = serve(&fleet, &["--trusted-proxy", "127.0.0.1", "--host", "board.example.com"])?;
    let asked =
        |user: &str| Ok::<_, anyhow::Error>(board.request("GET", "/")?.header("x-forwarded-user", user));
    assert_eq!(answer(asked("ana")?.header("host", "board.example.com")).await?.code, 200);
    assert_eq!(answer(asked("")?).await?.code, 401, "a user without a name");
    assert_eq!(board.get("/").await?.code, 401, "a request that the proxy did not authenticate");
    Ok(())
}

#[tokio::test]
async fn foreign_names_and_methods_are_refused_and_every_answer_is_locked_down() -> Result<()> {
    let fleet = world::healthy_with_yaml().await?;
    let board = Served::open(&fleet)?;
    for host in ["evil.example.com", "127.0.0.1.evil.example.com:80", "evil.example.com:8787"] {
        let said = answer(board.request("GET", "/")?.header("host", host)).await?;
        assert_eq!(said.code, 421, "{host}");
        assert!(!said.body.contains("Fleet"), "{host}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let body = board.request(method, "/tenants")?.body("q=x");
        assert_eq!(answer(body).await?.code, 405, "{method}");
    }
    for path in PAGES.into_iter().filter(|path| *path != "/live").chain([
        "/nothing",
        "/healthz",
        "/tenants?after_bridge=x",
    ]) {
        let headers = board.get(path).await?.headers;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let is_asset = path.starts_with("/assets/");
        assert_eq!(header("cache-control"), if is_asset { "max-age=3600" } else { "no-store" }, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn it_does_not_start_where_everybody_could_read() -> Result<()> {
    let fleet = Fleet::installed(Install::Nothing, e2e::sandbox::Sandbox::start(&[])?, &[])?;
    fleet.fleet_yaml("")?;
    let open = fleet.write("open", TOKEN)?;
    process::must(std::process::Command::new("chmod").arg("644").arg(&open))?;
    let open = open.display().to_string();
    let good = fleet.cluster.write_secret("token", TOKEN)?.display().to_string();
    let short = fleet.cluster.write_secret("short", "secret")?.display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.to_string();
    for (args, says) in [
        (
            &["--no-auth", "--listen", "0.0.0.0:0"][..],
            "--no-auth would show the fleet to everybody who reaches 0.0.0.0:0",
        ),
        (&["--no-auth", "--listen", "[::]:0"], "--no-auth would show the fleet"),
        (&["--token-file", &open], "every user of this machine can use it (mode 644)"),
        (&["--token-file", &short], "at least 32"),
        (&["--token-file", "/nothing"], "cannot use the token file /nothing"),
        (&["--token-file", &good, "--listen", "0.0.0.0:0"], "no name of this server is known"),
        (&["--no-auth", "--listen", &taken], "cannot listen on"),
        (&[], "--token-file"),
    ] {
        let said = fleet.wab(&[&["serve"], args].concat())?;
        assert_eq!(said.code, 1, "{args:?}: {}", said.stderr);
        assert!(said.stderr.contains(says), "{args:?}: {}", said.stderr);
        assert!(
            !said.stderr.contains(TOKEN) && !said.stderr.contains("secret,"),
            "{args:?}: {}",
            said.stderr
        );
    }
    Ok(())
}

/// The URL of the fleet's database for this role.
fn url_as(fleet: &Fleet, role: &str) -> Result<String> {
    fleet.sql(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN"))?;
    let url = fleet.cluster.url(DATABASE);
    ensure!(url.contains("user=postgres"), "{url}");
    Ok(url.replace("user=postgres", &format!("user={role}")))
}

#[tokio::test]
async fn a_reader_shows_the_fleet_and_no_phone_and_a_stranger_shows_nothing() -> Result<()> {
    let fleet = world::lived_in(Install::Extension).await?;
    let roles = fleet.wab(&["sql", "roles"])?.stdout;
    fleet.sql(&roles)?;
    let (reader, stranger) = (url_as(&fleet, "board")?, url_as(&fleet, "stranger")?);
    fleet.sql("GRANT wab_reader TO board")?;
    let serve = |url: &str| {
        let mut command = fleet.wab_command(&["serve", "--no-auth", "--listen", "127.0.0.1:0"])?;
        command.env("DATABASE_URL", url);
        Served::start(command)
    };
    let board = serve(&reader)?;
    for path in PAGES.into_iter().filter(|path| *path != "/live") {
        assert_eq!(board.get(path).await?.code, 200, "{path}");
    }
    let page = board.page("/tenants/cust_09").await?;
    assert!(page.contains("may not see phones") && !page.contains("15550000010"), "{page}");
    let support = url_as(&fleet, "support")?;
    fleet.sql("GRANT wab_support TO support")?;
    let board = serve(&support)?;
    let page = board.page("/").await?;
    assert!(
        page.contains(" Paired") && page.contains("permission denied for view wab_fleet_summary"),
        "{page}"
    );
    assert!(board.page("/tenants/cust_09").await?.contains("15550000010"));
    let board = serve(&stranger)?;
    for path in ["/", "/tenants", "/metrics", "/costs"] {
        let said = board.get(path).await?;
        assert_eq!(said.code, 503, "{path}");
        assert!(
            said.body.contains("permission denied") && !said.body.contains("cust_"),
            "{path}: {}",
            said.body
        );
    }
    // Nothing that it does could write, whatever the role may.
    let before = world::observed(&fleet)?;
    let (all, writes) =
        ("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables", fleet.sql("SELECT 1")?);
    ensure!(writes == "1");
    let written = fleet.sql(all)?;
    let board = Served::open(&fleet)?;
    for path in PAGES.into_iter().filter(|path| *path != "/live") {
        board.get(path).await?;
    }
    assert_eq!(fleet.sql(all)?, written);
    assert_eq!(world::observed(&fleet)?, before);
    Ok(())
}
