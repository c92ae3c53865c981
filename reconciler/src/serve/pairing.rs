//! The page on which a customer pairs the phone, opened with a pairing link. It shows nothing of the fleet.

mod account;
mod answer;
mod assets;
mod client_address;
mod code;
mod desk;
mod doorman;
mod guard;
mod hosts;
mod looks;
mod page;
mod places;
mod requests;
mod routes;
mod texts;
mod windows;

pub use desk::Desk;
pub use guard::Door;
pub use hosts::PageHosts;
pub use routes::pairing;
pub use texts::Texts;
