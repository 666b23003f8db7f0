//! What agents tell and ask in passing: usage events are taken and dropped, every feature flag is off.

use hyper::Method;
use serde_json::json;

use super::{Call, endpoint};
use crate::http::{Reply, Router};

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::POST, "_apis/CustomerIntelligence/Events", events);
    endpoint(router, Method::GET, "_apis/FeatureFlags/{name}", feature_flag);
}

async fn events(_call: Call) -> Result<Reply, Reply> {
    Ok(Reply::status(204))
}

async fn feature_flag(call: Call) -> Result<Reply, Reply> {
    let name = call.request.param("name");
    Ok(Reply::json(200, &json!({"name": name, "effectiveState": "Off", "explicitState": "Off"})))
}
