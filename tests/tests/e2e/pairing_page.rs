//! Tests the page of `wab serve` on which customers pair their phones, over HTTP, from outside.

mod dead_links;
mod desk;
mod faults;
mod floods;
mod pairing;
mod refusals;
mod shares;
