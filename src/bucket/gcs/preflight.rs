//! Checks before the first job spends money: the bucket exists, in the right project, and darkroom may write to it. Read-only.

use serde_json::Value;

use super::client::{ApiError, JsonApi};
use super::errors;
use super::options::{PublicUrl, ValidatedOptions};
use crate::bucket::BucketError;

const CREATE: &str = "storage.objects.create";
const GET: &str = "storage.objects.get";
const SET_ACL: &str = "storage.objects.setIamPolicy";

/// Whether single objects of the bucket can be made public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectAcl {
    /// Available, as far as the replies show.
    Possible,
    /// Only the bucket as a whole has rights, or we may not change an object's.
    Impossible,
}

/// Looks whether images can be stored now under URLs of this kind.
pub(super) async fn check(api: &JsonApi, at: &ValidatedOptions, url: &PublicUrl) -> Result<ObjectAcl, BucketError> {
    let bucket = at.bucket.as_str();
    // Many service accounts may write objects but not look at the bucket itself.
    let rules = match api.bucket(bucket).await {
        Ok(rules) => Some(rules),
        Err(ApiError::Answered(answer)) if answer.status == 403 => None,
        Err(other) => return Err(other.into_error(&format!("the bucket {bucket}"), bucket)),
    };
    let public = matches!(url, PublicUrl::Public);
    let uniform = rules.as_ref().map(is_uniform);
    if public && rules.as_ref().is_some_and(forbids_public) {
        return Err(BucketError::Refused(errors::public_forbidden(bucket)));
    }
    let granted = match api.granted(bucket, &[CREATE, GET, SET_ACL]).await {
        Ok(granted) => granted,
        // Emulators know no rights and do not answer this question.
        Err(ApiError::Answered(answer)) if at.emulator.is_some() && matches!(answer.status, 404 | 405 | 501) => {
            [CREATE, GET, SET_ACL].map(str::to_owned).to_vec()
        }
        Err(other) => return Err(other.into_error(&format!("the rights on the bucket {bucket}"), bucket)),
    };
    let lacks = |right: &str| !granted.iter().any(|known| known == right);
    let mut missing: Vec<_> = [CREATE, GET].into_iter().filter(|right| lacks(right)).collect();
    if public && uniform == Some(false) && lacks(SET_ACL) {
        missing.push(SET_ACL);
    }
    if !missing.is_empty() {
        return Err(BucketError::Refused(format!(
            "the credentials lack {} on the bucket {bucket}: give them the role Storage Object Admin \
             (roles/storage.objectAdmin) there",
            missing.join(" and ")
        )));
    }
    if let Some(project) = &at.project {
        in_project(api, bucket, project).await?;
    }
    Ok(if uniform == Some(true) || lacks(SET_ACL) { ObjectAcl::Impossible } else { ObjectAcl::Possible })
}

/// A bucket's name is its own in the whole world, so a wrong project shows only in the project's list of buckets.
async fn in_project(api: &JsonApi, bucket: &str, project: &str) -> Result<(), BucketError> {
    match api.has_bucket(project, bucket).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(BucketError::Refused(format!(
            "the bucket {bucket} is not in the project {project}: correct FIREBASE_STORAGE_BUCKET or GOOGLE_CLOUD_PROJECT"
        ))),
        // Listing is not allowed: the result is unknown, but the rights on the bucket itself suffice.
        Err(ApiError::Answered(answer)) if answer.status == 403 => {
            tracing::debug!(%bucket, %project, "no permission to check the project of the bucket");
            Ok(())
        }
        Err(ApiError::Answered(answer)) if matches!(answer.status, 400 | 404) => {
            Err(BucketError::Refused(format!("Google knows no project {project}: correct GOOGLE_CLOUD_PROJECT")))
        }
        Err(other) => Err(other.into_error(&format!("the buckets of the project {project}"), bucket)),
    }
}

fn is_uniform(rules: &Value) -> bool {
    rules.pointer("/iamConfiguration/uniformBucketLevelAccess/enabled").and_then(Value::as_bool).unwrap_or_default()
}

fn forbids_public(rules: &Value) -> bool {
    rules.pointer("/iamConfiguration/publicAccessPrevention").and_then(Value::as_str) == Some("enforced")
}
