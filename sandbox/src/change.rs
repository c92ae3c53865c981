//! What changes on a bridge, as others are told of it.

use serde::Serialize;

use crate::bridge::{Bridge, BridgeId, CONNECTED, DISCONNECTED};

/// What a bridge became: which customer_ref it carries and its status, or that it is gone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    pub id: BridgeId,
    pub customer_ref: Option<String>,
    /// `None` if the bridge is gone.
    pub status: Option<String>,
}

impl Change {
    /// The bridge as it is now.
    pub fn to(bridge: &Bridge) -> Self {
        Self { id: bridge.id, customer_ref: bridge.customer_ref.clone(), status: Some(bridge.status.clone()) }
    }

    /// The bridge is gone.
    pub fn gone(bridge: &Bridge) -> Self {
        Self { id: bridge.id, customer_ref: bridge.customer_ref.clone(), status: None }
    }
}

/// A webhook call that a change of status causes.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub url: String,
    pub customer_ref: Option<String>,
    pub kind: EventKind,
}

/// The change of the session.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    Connected { phone: String },
    Disconnected,
}

/// Sets the status; returns a webhook event if the status changed and the bridge has a webhook.
pub fn set_status(bridge: &mut Bridge, status: String) -> Option<Event> {
    if bridge.status == status {
        return None;
    }
    bridge.status = status;
    let kind = match bridge.status.as_str() {
        CONNECTED => EventKind::Connected { phone: bridge.session_phone() },
        DISCONNECTED => EventKind::Disconnected,
        _ => return None,
    };
    let url = bridge.webhook_url.clone()?;
    Some(Event { url, customer_ref: bridge.customer_ref.clone(), kind })
}
