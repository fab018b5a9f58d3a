//! Each reason why images cannot be stored is reported in one line before the first job spends money.

use super::*;

const ALL: [&str; 3] = ["storage.objects.create", "storage.objects.get", "storage.objects.setIamPolicy"];

async fn line(fake: &GcsFake, options: GcsOptions) -> String {
    let line = refused(open(options).await.check().await);
    fake.look(|bucket| assert!(bucket.uploads.is_empty(), "nothing is written to find out"));
    line
}

#[tokio::test]
async fn emulator_without_permissions_passes() {
    let fake = GcsFake::start().await;
    assert_eq!(open(fake.options()).await.check().await, Ok(()));
}

#[tokio::test]
async fn missing_bucket_and_bad_credentials_fail() {
    let fake = GcsFake::start().await;
    let nowhere = GcsOptions { bucket: "nowhere".to_owned(), ..fake.options() };
    assert!(line(&fake, nowhere).await.contains("there is no bucket nowhere"));
    fake.answer(401, "authError", "Invalid Credentials", 1);
    let bad = line(&fake, fake.options()).await;
    assert!(bad.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{bad}");
    fake.answer(503, "backendError", "Backend Error", 1);
    unavailable(open(fake.options()).await.check().await);
}

#[tokio::test]
async fn missing_permission_error_names_role() {
    let fake = GcsFake::start().await;
    fake.set(|bucket| bucket.rights = Some(vec!["storage.objects.get", "storage.objects.setIamPolicy"]));
    let create = line(&fake, fake.options()).await;
    assert!(create.contains("storage.objects.create") && !create.contains("objects.get"), "{create}");
    assert!(create.contains("roles/storage.objectAdmin"), "{create}");
    fake.set(|bucket| bucket.rights = Some(vec![]));
    assert!(line(&fake, fake.options()).await.contains("storage.objects.create and storage.objects.get"));
    // The right to change an object's rights is needed only where objects have some and URLs shall be public.
    fake.set(|bucket| bucket.rights = Some(ALL[..2].to_vec()));
    assert!(line(&fake, fake.options()).await.contains("storage.objects.setIamPolicy"));
    let base = PublicUrl::Base("https://cdn.test".parse().unwrap());
    assert_eq!(open(GcsOptions { url: base, ..fake.options() }).await.check().await, Ok(()));
    fake.set(|bucket| bucket.uniform = true);
    assert_eq!(open(fake.options()).await.check().await, Ok(()));
}

#[tokio::test]
async fn bucket_metadata_need_not_be_readable() {
    let fake = GcsFake::start().await;
    fake.set(|bucket| (bucket.hidden, bucket.rights) = (true, Some(ALL.to_vec())));
    assert_eq!(open(fake.options()).await.check().await, Ok(()));
    // It is then unknown whether objects have ACLs: images are stored without.
    fake.set(|bucket| bucket.rights = Some(ALL[..2].to_vec()));
    let bucket = open(fake.options()).await;
    assert_eq!(bucket.check().await, Ok(()));
    put(&bucket, "image").await.unwrap();
    fake.look(|bucket| assert!(!bucket.uploads[0].query.contains_key("predefinedAcl")));
}

#[tokio::test]
async fn public_prevention_refuses_public_urls_only() {
    let fake = GcsFake::start().await;
    fake.set(|bucket| bucket.public_forbidden = true);
    assert!(line(&fake, fake.options()).await.contains("public access prevention"));
    let base = PublicUrl::Base("https://cdn.test".parse().unwrap());
    assert_eq!(open(GcsOptions { url: base, ..fake.options() }).await.check().await, Ok(()));
}

#[tokio::test]
async fn uniform_access_is_detected_by_check() {
    let fake = GcsFake::start().await;
    fake.set(|bucket| bucket.uniform = true);
    let bucket = open(fake.options()).await;
    assert_eq!(bucket.check().await, Ok(()));
    put(&bucket, "image").await.unwrap();
    fake.look(|bucket| {
        assert_eq!(bucket.uploads.len(), 1);
        assert!(!bucket.uploads[0].query.contains_key("predefinedAcl"));
    });
}

#[tokio::test]
async fn bucket_of_other_project_is_refused() {
    let fake = GcsFake::start().await;
    let options = GcsOptions { project: Some("studio".to_owned()), ..fake.options() };
    fake.set(|bucket| bucket.buckets_of_project = Some(vec!["art-2", "artful"]));
    let other = line(&fake, options.clone()).await;
    assert!(other.contains("art is not in the project studio"), "{other}");
    fake.set(|bucket| bucket.buckets_of_project = Some(vec!["art"]));
    assert_eq!(open(options.clone()).await.check().await, Ok(()));
    // Without the right to list buckets the project cannot be checked.
    fake.set(|bucket| bucket.buckets_of_project = None);
    assert_eq!(open(options).await.check().await, Ok(()));
}
