//! The routes of the API's listener and of the cluster's.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};

use super::app::SharedApp;
use super::connection::ConnectionAborter;
use super::{account, delivery, poll, replies, submit};
use crate::catalog::Catalog;

/// Largest body: ten input images of 20 MB in base64.
const MAX_BODY: usize = 280 << 20;

/// The host that takes orders and knows no ticket.
pub(super) fn api(app: SharedApp) -> Router {
    let mut router = Router::new()
        .route("/v1/get_result", get(poll::result_at_api))
        .route("/v1/credits", get(account::credits))
        .route("/simulator/bill", get(account::bill))
        .route("/simulator/health", get(account::health));
    for model in &Catalog::builtin().models {
        let handler = move |State(app): State<SharedApp>,
                            ConnectInfo(aborter): ConnectInfo<ConnectionAborter>,
                            headers: HeaderMap,
                            body: Bytes| submit::submit(app, model, aborter, headers, body);
        router = router.route(&format!("/v1/{}", model.route), post(handler));
    }
    finished(router.layer(DefaultBodyLimit::max(MAX_BODY)), app)
}

/// The host that knows the tickets and has the images.
pub(super) fn cluster(app: SharedApp) -> Router {
    let router = Router::new()
        .route("/v1/get_result", get(poll::get_result))
        .route("/delivery/{file}", get(delivery::deliver))
        .route("/simulator/health", get(account::health));
    finished(router, app)
}

fn finished(router: Router<SharedApp>, app: SharedApp) -> Router {
    router.fallback(replies::not_found).method_not_allowed_fallback(replies::method_not_allowed).with_state(app)
}
