//! `wab serve`: the fleet as pages, and metrics, which never call the provider; and the page on which customers pair.

mod access;
mod assets;
mod board;
mod changes;
mod costs;
mod csv;
mod exposition;
mod fault;
mod health;
mod hooks;
mod layout;
mod lists;
mod live;
mod metrics;
mod overview;
pub mod pairing;
mod params;
mod received;
mod reply;
mod routes;
pub mod server;
mod shape;
mod snapshots;
mod strip;
mod table;
mod tenant;
mod tenants;
mod token;

pub use access::Access;
pub use exposition::Metrics;
pub use hooks::hooks;
pub use received::Received;
pub use routes::board;
pub use token::Token;
