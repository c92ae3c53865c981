//! The style, the script and the icon of the pairing page.

use axum::response::IntoResponse;

use crate::serve::assets::{self, asset};

/// `GET /assets/pairing.css`
pub async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("assets/pairing.css"))
}

/// `GET /assets/pairing.js`
pub async fn script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("assets/pairing.js"))
}

/// `GET /assets/icon.svg`
pub async fn icon() -> impl IntoResponse {
    assets::icon().await
}
