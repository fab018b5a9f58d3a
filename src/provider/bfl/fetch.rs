//! The download of a finished image. Never sends the key: a signed link needs none.

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};

use super::image_check;
use super::transport::{self, BodyError};
use crate::jobs::ImageFormat;
use crate::provider::{DownloadedImage, FetchError, MAX_IMAGE_BYTES};
use crate::text::sanitize_line;

/// Downloads and decodes the image behind `url`, which was checked.
pub(super) async fn fetch(
    client: &Client,
    url: url::Url,
    timeout: std::time::Duration,
) -> Result<DownloadedImage, FetchError> {
    let response = transport::send(client.get(url).timeout(timeout))
        .await
        .map_err(|no_reply| FetchError::Retryable { reason: no_reply.reason })?;
    check_status(response.status().as_u16())?;
    let announced = announced_type(&response);
    let bytes = transport::read(response, MAX_IMAGE_BYTES).await.map_err(|error| match error {
        BodyError::TimedOut => FetchError::Retryable { reason: "the image did not arrive whole in time".to_owned() },
        BodyError::TooLarge => FetchError::Corrupt { reason: "the image is larger than 64 MiB".to_owned() },
        // The line failed, not the image: as for a refused connection, the link is worth trying until it expires.
        BodyError::Cut(reason) => {
            FetchError::Retryable { reason: format!("the connection closed during the download: {reason}") }
        }
    })?;
    decode(bytes, announced).await
}

/// An expired link answers like Azure Blob storage, 403; the code is not documented. Other rejections may also be the link's.
fn check_status(status: u16) -> Result<(), FetchError> {
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
    let verified = if image_check::is_small(&bytes) {
        image_check::verify_complete(&bytes)
    } else {
        let copy = bytes.clone();
        let verified = tokio::task::spawn_blocking(move || image_check::verify_complete(&copy)).await;
        verified.map_err(|_| FetchError::Corrupt { reason: "the decoder failed on the image".to_owned() })?
    };
    let info = verified
        .map_err(|why| FetchError::Corrupt { reason: format!("the download is not a complete image: {why}") })?;
    if let Some(announced) = announced.filter(|announced| differs(announced, info.format)) {
        let announced = sanitize_line(&announced, 60);
        tracing::warn!(announced, format = info.format.as_str(), "image differs from its content type");
    }
    Ok(DownloadedImage { bytes, format: info.format, width: info.width, height: info.height })
}

/// Whether an image type is announced that is not this format's.
fn differs(announced: &str, format: ImageFormat) -> bool {
    let names_image = announced.trim().get(..6).is_some_and(|start| start.eq_ignore_ascii_case("image/"));
    names_image && ImageFormat::from_content_type(announced) != Some(format)
}
