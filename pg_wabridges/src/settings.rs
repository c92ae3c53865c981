//! Defines and reads the settings `wab.*`, which only `postgresql.conf` or the command line can set (SIGHUP). The API key and
//! the URL of the alerts are read from files; they are never settings.

use std::ffi::{CStr, CString};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_sys};
use wabridges::{AlertUrl, ApiKey, ApiUrl, Config, WebhookKeys};

use crate::error::Raise;

static API_URL: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"https://wabridges.com"));
static API_KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static ALERT_URL_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static WEBHOOK_SECRET_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static CA_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static CONNECT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5_000);
static REQUEST_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(30_000);
static MAX_RESPONSE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(256 * 1024);

/// The largest accepted file with a secret, in bytes.
const MAX_SECRET_FILE: u64 = 8 * 1024;

/// Whether the settings are defined.
static DEFINED: AtomicBool = AtomicBool::new(false);

/// Defines the settings, unless a parallel query runs in this process: PostgreSQL sets no setting meanwhile, and an error while it
/// loads the library would leave some of them defined. Then the first call after that query defines them.
pub fn define_if_possible() {
    // SAFETY: reads a state of this process.
    if !DEFINED.load(Ordering::Relaxed) && !unsafe { pg_sys::IsInParallelMode() } {
        define();
        DEFINED.store(true, Ordering::Relaxed);
    }
}

/// Raises 55000 if the settings are not defined yet.
fn require_defined() -> Result<(), Raise> {
    define_if_possible();
    if DEFINED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let detail = "The first call of this session came during a parallel query.".to_owned();
    Err(Raise::not_configured("the settings of pg_wabridges cannot be read during a parallel query", detail)
        .with_hint("Run the statement again, or load the library first: SELECT wab_version();"))
}

/// Defines the settings and reserves the prefix, so that PostgreSQL refuses a misspelt one.
fn define() {
    text(
        c"wab.api_url",
        c"URL of the provider's API: https, or http to the same machine.",
        c"The API key is sent to this URL.",
        &API_URL,
    );
    text(
        c"wab.api_key_file",
        c"Absolute path of the file that holds the API key.",
        c"The file must be readable by the server's operating system user only. It is read at every call.",
        &API_KEY_FILE,
    );
    text(
        c"wab.alert_url_file",
        c"Absolute path of the file that holds the URL to which alerts are posted.",
        c"The URL is a secret: the file must be readable by the server's operating system user only.",
        &ALERT_URL_FILE,
    );
    text(
        c"wab.webhook_secret_file",
        c"Absolute path of the file that holds the keys for {secret} in a webhook_url, one a line.",
        c"The first key signs, and each verifies. The same rules hold as for wab.api_key_file.",
        &WEBHOOK_SECRET_FILE,
    );
    text(
        c"wab.ca_file",
        c"Absolute path of a PEM file with CA certificates to trust in addition to the system's.",
        c"Empty for no additional certificates.",
        &CA_FILE,
    );
    number(
        c"wab.connect_timeout",
        c"Time limit for name lookup, TCP and TLS together.",
        c"It is part of wab.request_timeout.",
        (&CONNECT_TIMEOUT, 1..=600_000, GucFlags::UNIT_MS),
    );
    number(
        c"wab.request_timeout",
        c"Time limit for one call to the provider, including its retries.",
        c"Waiting for the provider's rate limit does not count.",
        (&REQUEST_TIMEOUT, 1..=3_600_000, GucFlags::UNIT_MS),
    );
    number(
        c"wab.max_response_size",
        c"Largest accepted answer of the provider, after decompression.",
        c"One bridge takes about 100 bytes of a list.",
        (&MAX_RESPONSE_SIZE, 1..=2_000_000, GucFlags::UNIT_KB),
    );
    // SAFETY: the prefix is a static, NUL-terminated string.
    unsafe {
        #[cfg(not(feature = "pg14"))]
        pg_sys::MarkGUCPrefixReserved(c"wab".as_ptr());
        #[cfg(feature = "pg14")]
        pg_sys::EmitWarningsOnPlaceholders(c"wab".as_ptr());
    }
    // SAFETY: reads plain flags of this process.
    if unsafe { pg_sys::IsUnderPostmaster && !pg_sys::process_shared_preload_libraries_in_progress } {
        read_our_settings_again();
    }
}

/// Before the library is loaded, a role, a database or a client can set `wab.*` as placeholders, which hide the values of
/// `postgresql.conf`. Defining the settings drops the placeholders, so the files are read again. Of their settings only `wab.*`
/// are applied: the others may be waiting for a reload.
fn read_our_settings_again() {
    let (mut first, mut last) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: parses the files as PostgreSQL does at a reload. The list of settings is valid until it is freed.
    unsafe {
        let mut parse = |file: *const std::ffi::c_char, strict| {
            let (no_caller, level) = (std::ptr::null(), pg_sys::DEBUG2 as i32);
            pg_sys::ParseConfigFile(file, strict, no_caller, 0, 0, level, &mut first, &mut last)
        };
        // postgresql.auto.conf, which ALTER SYSTEM writes, is read last and need not exist.
        if parse(pg_sys::ConfigFileName, true) && parse(pg_sys::PG_AUTOCONF_FILENAME.as_ptr(), false) {
            let mut setting = first;
            while let Some(read) = setting.as_ref() {
                if !read.ignore
                    && CStr::from_ptr(read.name).to_bytes().to_ascii_lowercase().starts_with(b"wab.")
                {
                    apply(read);
                }
                setting = read.next;
            }
        }
        pg_sys::FreeConfigVariables(first);
    }
}

/// Applies one setting of `postgresql.conf`. As at a reload, an invalid value is logged and left out, and a later line for the
/// same setting wins.
unsafe fn apply(setting: &pg_sys::ConfigVariable) {
    let (context, source) = (pg_sys::GucContext::PGC_SIGHUP, pg_sys::GucSource::PGC_S_FILE);
    let action = pg_sys::GucAction::GUC_ACTION_SET;
    // SAFETY: name and value are NUL-terminated strings of a parsed file.
    unsafe {
        pg_sys::set_config_option(setting.name, setting.value, context, source, action, true, 0, false)
    };
}

type Text = &'static std::ffi::CStr;

fn text(name: Text, short: Text, long: Text, setting: &'static GucSetting<Option<CString>>) {
    GucRegistry::define_string_guc(name, short, long, setting, GucContext::Sighup, GucFlags::SUPERUSER_ONLY);
}

type Number = (&'static GucSetting<i32>, std::ops::RangeInclusive<i32>, GucFlags);

fn number(name: Text, short: Text, long: Text, (setting, range, unit): Number) {
    GucRegistry::define_int_guc(
        name,
        short,
        long,
        setting,
        *range.start(),
        *range.end(),
        GucContext::Sighup,
        unit,
    );
}

/// The client's configuration from the present settings.
///
/// # Errors
/// 55000 if `wab.api_url` is invalid, or a parallel query runs.
pub fn config() -> Result<Config, Raise> {
    require_defined()?;
    let url = value(&API_URL).unwrap_or_default();
    let api_url = ApiUrl::parse(&url).map_err(|invalid| {
        Raise::not_configured("wab.api_url cannot be used", invalid.to_string())
            .with_hint("Set wab.api_url in postgresql.conf and reload.")
    })?;
    let mut config = Config::new(api_url);
    config.ca_file = value(&CA_FILE).map(PathBuf::from);
    config.connect_timeout = milliseconds(&CONNECT_TIMEOUT);
    config.request_timeout = milliseconds(&REQUEST_TIMEOUT);
    config.max_response_size = u64::from(MAX_RESPONSE_SIZE.get().unsigned_abs()) * 1024;
    config.rate_limit_patience = config.request_timeout;
    Ok(config)
}

/// The API key, read from the file of `wab.api_key_file`.
///
/// # Errors
/// 55000 if no file is set or the file cannot be used.
pub fn api_key() -> Result<ApiKey, Raise> {
    let path = value(&API_KEY_FILE).ok_or_else(|| {
        Raise::not_configured("no API key is configured", "wab.api_key_file is empty.".to_owned()).with_hint(
            "Put the key into a file that only the server's user can read, set wab.api_key_file to its absolute path in \
             postgresql.conf, and reload.",
        )
    })?;
    let unusable = |(why, hint): (String, &'static str)| {
        Raise::not_configured("the API key file cannot be used", format!("{path}: {why}")).with_hint(hint)
    };
    let key = read_secret(Path::new(&path)).map_err(unusable)?;
    ApiKey::new(key).map_err(|invalid| unusable((invalid.to_string(), NO_KEY)))
}

/// The receiver of alerts, read from the file of `wab.alert_url_file`; `None` if that is not set.
///
/// # Errors
/// 55000 if the file cannot be used.
pub fn alert_url() -> Result<Option<AlertUrl>, Raise> {
    require_defined()?;
    let Some(path) = value(&ALERT_URL_FILE) else { return Ok(None) };
    let unusable = |(why, hint): (String, &'static str)| {
        Raise::not_configured("the file of the alert URL cannot be used", format!("{path}: {why}"))
            .with_hint(hint)
    };
    let url = read_secret(Path::new(&path)).map_err(unusable)?;
    let url = AlertUrl::parse(&url);
    url.map(Some).map_err(|invalid| {
        unusable((invalid.to_string(), "The file holds the URL to post to, and nothing else."))
    })
}

/// The keys for `{secret}`, read from the file of `wab.webhook_secret_file`.
///
/// # Errors
/// 55000 if no file is set or the file cannot be used.
pub fn webhook_keys() -> Result<WebhookKeys, Raise> {
    require_defined()?;
    let path = value(&WEBHOOK_SECRET_FILE).ok_or_else(|| {
        let detail = "wab.webhook_secret_file is empty.".to_owned();
        Raise::not_configured("no key for {secret} in a webhook_url is configured", detail).with_hint(
            "Put a key (openssl rand -hex 32) into a file that only the server's user can read, set wab.webhook_secret_file to \
             its absolute path in postgresql.conf, and reload.",
        )
    })?;
    let text = read_secret(Path::new(&path)).map_err(|(why, _)| why);
    let keys = text.and_then(|text| WebhookKeys::new(&text).map_err(|invalid| invalid.to_string()));
    keys.map_err(|why| {
        Raise::not_configured("the file of webhook keys cannot be used", format!("{path}: {why}")).with_hint(
            "It is a regular file that only the server's user can read (mode 0600), named by its absolute path. It holds one key \
             a line, such as openssl rand -hex 32 prints, and two at most.",
        )
    })
}

const NO_FILE: &str =
    "Use a regular file that the server's user can read, and set its absolute path in postgresql.conf.";
const OPEN_FILE: &str = "Use a file of the server's user with mode 0600 or 0400, or one of root with mode 0640 or 0440 that the server's group \
    can read.";
const NO_KEY: &str = "The file holds the account's key (sk_...) and nothing else.";
const NO_SECRET: &str = "The file holds the secret and nothing else.";

/// Reads a file with a secret; the error is the reason and a hint. The modes are those that PostgreSQL accepts for ssl_key_file.
fn read_secret(path: &Path) -> Result<String, (String, &'static str)> {
    let no_file = |error: std::io::Error| (error.to_string(), NO_FILE);
    if !path.is_absolute() {
        return Err(("the path is not absolute".to_owned(), NO_FILE));
    }
    // Without O_NONBLOCK, opening a FIFO would wait for a writer and ignore cancels.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
        .map_err(no_file)?;
    let about = file.metadata().map_err(no_file)?;
    if !about.is_file() {
        return Err(("it is not a regular file".to_owned(), NO_FILE));
    }
    let of_others = if about.uid() == 0 { 0o037 } else { 0o077 };
    if about.mode() & of_others != 0 {
        let mode = about.mode() & 0o7777;
        return Err((format!("its mode {mode:04o} gives access to others than its owner"), OPEN_FILE));
    }
    if about.len() > MAX_SECRET_FILE {
        let what = format!("it has {} bytes; such a file has at most {MAX_SECRET_FILE}", about.len());
        return Err((what, NO_SECRET));
    }
    let mut secret = String::new();
    file.take(MAX_SECRET_FILE).read_to_string(&mut secret).map_err(|error| (error.to_string(), NO_SECRET))?;
    Ok(secret)
}

/// The setting's text; `None` if it is empty or not set.
fn value(setting: &GucSetting<Option<CString>>) -> Option<String> {
    setting.get().map(|text| text.to_string_lossy().into_owned()).filter(|text| !text.is_empty())
}

fn milliseconds(setting: &GucSetting<i32>) -> Duration {
    Duration::from_millis(u64::from(setting.get().unsigned_abs()))
}
