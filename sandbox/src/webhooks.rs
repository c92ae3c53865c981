//! Sends each webhook call once, in the background, and records it.

use std::sync::Arc;

use crate::app::App;
use crate::change::Event;

/// Sends an event in the background.
pub fn send(app: &Arc<App>, event: Event) {
    let now = app.clock.now();
    let place = app.with(|shared| shared.deliveries.start(&event, now));
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let outcome = app.postman.post(&event).await;
        app.with(|shared| shared.deliveries.end(place, outcome));
    });
}
