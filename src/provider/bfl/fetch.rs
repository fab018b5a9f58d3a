//! Owns the download of a finished image. Must not send the key: a signed link needs none.

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};

use super::image_check;
use super::transport::{self, BodyError};
use crate::provider::{DownloadedImage, FetchError};

/// Largest image that is read, in bytes.
const MAX_IMAGE: usize = 64 * 1024 * 1024;

/// Downloads and decodes the image behind `url`, which may be asked.
pub(super) async fn fetch(
    client: &Client,
    url: url::Url,
    timeout: std::time::Duration,
) -> Result<DownloadedImage, FetchError> {
    let response = transport::send(client.get(url).timeout(timeout))
        .await
        .map_err(|no_reply| FetchError::Retryable { reason: no_reply.reason })?;
    judge(response.status().as_u16())?;
    let announced = announced_type(&response);
    let bytes = transport::read(response, MAX_IMAGE).await.map_err(|error| match error {
        BodyError::TimedOut => FetchError::Retryable { reason: "the image did not arrive whole in time".to_owned() },
        BodyError::TooLarge => FetchError::Corrupt { reason: "the image is larger than 64 MiB".to_owned() },
        BodyError::Cut(reason) => FetchError::Corrupt { reason: format!("the image broke off: {reason}") },
    })?;
    decode(bytes, announced).await
}

/// An expired link answers like Azure Blob storage, 403; the code is not documented. Other rejections may also be the link's.
fn judge(status: u16) -> Result<(), FetchError> {
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(FetchError::Corrupt { reason: format!("a redirect (HTTP {status}), which is not followed") }),
        408 | 425 | 429 => Err(FetchError::Retryable { reason: format!("the image's host answered HTTP {status}") }),
        400..=499 => {
            Err(FetchError::Expired { reason: format!("the image's link does not work any more (HTTP {status})") })
        }
        _ => Err(FetchError::Retryable { reason: format!("the image's host answered HTTP {status}") }),
    }
}

fn announced_type(response: &Response) -> Option<String> {
    response.headers().get(CONTENT_TYPE)?.to_str().ok().map(str::to_owned)
}

async fn decode(bytes: Bytes, announced: Option<String>) -> Result<DownloadedImage, FetchError> {
    let copy = bytes.clone();
    let info = tokio::task::spawn_blocking(move || image_check::verify_complete(&copy, announced.as_deref()))
        .await
        .map_err(|_| FetchError::Corrupt { reason: "the image made the decoder fail".to_owned() })?
        .map_err(|why| FetchError::Corrupt { reason: format!("what came is not the image: {why}") })?;
    Ok(DownloadedImage { bytes, format: info.format, width: info.width, height: info.height })
}
