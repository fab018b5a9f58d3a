//! Uploads one image, and compares it with an object that exists already.

use bytes::{Bytes, BytesMut};
use google_cloud_storage::client::Storage;
use google_cloud_storage::model::Object;
use google_cloud_storage::read_object::ReadObjectResponse;

use super::errors;
use crate::bucket::BucketError;
use crate::jobs::{ImageFormat, ObjectName};

/// No image of the FLUX API comes near this; a larger object is not ours, and memory is not spent on it.
const MAX_IMAGE_BYTES: i64 = 256 * 1024 * 1024;

/// One image on its way.
#[derive(Debug, Clone)]
pub(super) struct Upload<'a> {
    pub(super) name: &'a ObjectName,
    pub(super) bytes: &'a Bytes,
    pub(super) format: ImageFormat,
    /// Everybody may read it.
    pub(super) public: bool,
}

/// How an upload ended.
#[derive(Debug)]
pub(super) enum Sent {
    /// It exists and is complete.
    Stored,
    /// There is another generation than the one that was to be replaced.
    Taken,
    /// The bucket does not let single objects be public; nothing is stored.
    NoObjectAcl,
}

/// The object under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Existing {
    /// Which version.
    pub(super) generation: i64,
    size: i64,
    crc32c: u32,
}

impl Existing {
    /// Whether it is these bytes.
    pub(super) fn is(self, bytes: &Bytes) -> bool {
        usize::try_from(self.size) == Ok(bytes.len()) && self.crc32c == crc32c::crc32c(bytes)
    }
}

/// Cloud Storage's client with the bucket's name in both its forms.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    pub(super) client: Storage,
    /// `demo`
    pub(super) bucket: String,
    /// `projects/_/buckets/demo`
    pub(super) resource: String,
}

impl Objects {
    /// Sends the image in one request, if the object's generation is still `generation` (0: if there is none).
    pub(super) async fn send(&self, upload: &Upload<'_>, generation: i64) -> Result<Sent, BucketError> {
        let mut request = self
            .client
            .write_object(&self.resource, upload.name.as_str(), upload.bytes.clone())
            .set_content_type(upload.format.content_type())
            .set_if_generation_match(generation)
            .compute_md5();
        if upload.public {
            // In the same request: no moment between stored and readable in which a crash leaves the image hidden.
            request = request.set_predefined_acl("publicRead");
        }
        // Boxed: the client's future is 32 KB, and every job would carry it.
        match Box::pin(request.send_buffered()).await {
            Ok(object) => confirmed(&object, upload.bytes),
            Err(error) => match errors::answer(&error) {
                Some(answer) if upload.public && answer.is_uniform_access() => Ok(Sent::NoObjectAcl),
                Some(answer) if answer.status == 412 && !answer.is_public_forbidden() => Ok(Sent::Taken),
                _ => Err(errors::explain(&error, "the image cannot be stored", &self.bucket)),
            },
        }
    }

    /// The object under `name`, if it exists.
    pub(super) async fn find_existing(&self, name: &ObjectName) -> Result<Option<Existing>, BucketError> {
        let Some(response) = self.open(name).await? else { return Ok(None) };
        let highlights = response.object();
        let (generation, size) = (highlights.generation, highlights.size);
        let crc32c = match highlights.checksums.and_then(|checksums| checksums.crc32c) {
            // The body is not needed: dropping the answer ends the transfer.
            Some(known) => known,
            None => crc32c::crc32c(&self.collect(response).await?),
        };
        Ok(Some(Existing { generation, size, crc32c }))
    }

    /// The object's bytes, their checksum verified; `None` when there is no such object.
    pub(super) async fn read(&self, name: &ObjectName) -> Result<Option<Bytes>, BucketError> {
        let Some(response) = self.open(name).await? else { return Ok(None) };
        self.collect(response).await.map(Some)
    }

    async fn open(&self, name: &ObjectName) -> Result<Option<ReadObjectResponse>, BucketError> {
        match self.client.read_object(&self.resource, name.as_str()).send().await {
            Ok(response) => Ok(Some(response)),
            Err(error) => match errors::answer(&error) {
                Some(answer) if answer.status == 404 && !answer.is_bucket_missing() => Ok(None),
                _ => Err(errors::explain(&error, "the image cannot be read", &self.bucket)),
            },
        }
    }

    async fn collect(&self, mut response: ReadObjectResponse) -> Result<Bytes, BucketError> {
        let size = response.object().size;
        if size > MAX_IMAGE_BYTES {
            return Err(BucketError::Refused(format!("the object has {size} bytes: that is no image")));
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
        while let Some(part) = response.next().await {
            whole.extend_from_slice(
                &part.map_err(|error| errors::explain(&error, "the image cannot be read", &self.bucket))?,
            );
        }
        Ok(whole.freeze())
    }
}

/// Google's client compares the checksums that the answer names; this also asks that it names them.
fn confirmed(object: &Object, bytes: &Bytes) -> Result<Sent, BucketError> {
    let crc32c = object.checksums.as_ref().and_then(|checksums| checksums.crc32c);
    if crc32c == Some(crc32c::crc32c(bytes)) && usize::try_from(object.size) == Ok(bytes.len()) {
        Ok(Sent::Stored)
    } else {
        Err(BucketError::Unavailable("the image is stored, but its size and checksum are not confirmed".to_owned()))
    }
}
