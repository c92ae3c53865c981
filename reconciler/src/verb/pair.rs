//! `wab pair`: requests a pairing code and explains where to type it. It needs no database.

use clap::Args;
use wabridges::Phone;

use crate::config::Fleet;
use crate::ground::{Exit, harmless};
use crate::model::Error;
use crate::provider::client::client;
use crate::render::json;
use crate::render::screen::Screen;
use crate::render::stderr::emit;
use crate::verb::tenant::TenantArg;

/// Flags of `pair`.
#[derive(Debug, Args)]
pub struct PairArgs {
    #[command(flatten)]
    pub tenant: TenantArg,
    /// The phone's number with the country code, such as 15550001234 or "+1 555 000-1234"
    #[arg(long, value_name = "NUMBER", value_parser = phone)]
    pub phone: Phone,
    /// Print the code as JSON
    #[arg(long)]
    pub json: bool,
}

/// Removes separators. A leading zero is refused: no country code begins with one.
fn phone(text: &str) -> Result<Phone, String> {
    let digits: String = text.strip_prefix('+').unwrap_or(text).replace([' ', '-', '.'], "");
    match Phone::new(digits) {
        Ok(phone) if !phone.as_str().starts_with('0') => Ok(phone),
        _ => {
            Err("write it with the country code and without leading zeros, 7 to 15 digits: 15550001234"
                .into())
        }
    }
}

/// Requests the code. The call is sent at most once.
pub async fn pair(fleet: &Fleet, args: &PairArgs, screen: Screen) -> Result<Exit, Error> {
    let client = client(fleet, fleet.api_key()?)?;
    let code = match client.pair(&args.tenant.tenant, &args.phone).await {
        Ok(code) => code,
        Err(error) => {
            let doing = if error.is_ambiguous() {
                "no pairing code arrived, though the provider may have made one: run wab pair again"
            } else {
                "no pairing code was made"
            };
            return Err(args.tenant.failed(client.reader(), doing, error).await);
        }
    };
    if args.json {
        screen.result(&json::pairing(&args.tenant.tenant, &args.phone, &code))?;
    } else {
        screen.result(&harmless(code.as_str()))?;
        emit(&format!(
            "Type it on the phone +{}: WhatsApp > Settings > Linked devices > Link a device > Link with phone number.\n\
             It is valid for a few minutes. The next wab plan or wab_refresh() then sees the bridge as paired.",
            args.phone.as_str()
        ));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_be_written_as_people_write_it() {
        for text in ["15550001234", "+15550001234", "+1 555 000-1234", "1.555.000.1234"] {
            assert_eq!(phone(text).unwrap().as_str(), "15550001234", "{text}");
        }
    }

    #[test]
    fn ambiguous_numbers_are_refused() {
        for text in [
            "0155 500 1234",
            "00 1 555 000 1234",
            "+44 (0)20 7946 0000",
            "++15550001234",
            "1555+0001234",
            "",
            "+",
            "123456",
            "1234567890123456",
        ] {
            assert!(phone(text).is_err(), "{text}");
        }
    }
}
