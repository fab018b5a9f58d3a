//! The FLUX simulator: an HTTP server that speaks the FLUX API. (stub)
