use std::fs;

use super::*;

fn entry(client_id: &str) -> StoreEntry {
    StoreEntry::Tokens {
        issuer: "https://as.example".to_owned(),
        resource: "https://mcp.example/mcp".to_owned(),
        client_id: client_id.to_owned(),
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == extension)).collect()
}

#[tokio::test]
async fn another_process_reads_what_one_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileTokenStore::open(folder.path().join("deep/tokens"));
    assert!(store.load(&entry("a")).await.unwrap().is_none());
    store.save(&entry("a"), &Secret::new("one")).await.unwrap();
    store.save(&entry("a"), &Secret::new("two")).await.unwrap();
    store.save(&entry("b"), &Secret::new("other")).await.unwrap();
    let reopened = FileTokenStore::open(folder.path().join("deep/tokens"));
    assert_eq!(reopened.load(&entry("a")).await.unwrap().unwrap().reveal(), "two");
    reopened.remove(&entry("a")).await.unwrap();
    reopened.remove(&entry("a")).await.unwrap();
    assert!(store.load(&entry("a")).await.unwrap().is_none());
    assert_eq!(store.load(&entry("b")).await.unwrap().unwrap().reveal(), "other");
}

// covers: auth-store
#[tokio::test]
async fn nobody_else_reads_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let store = FileTokenStore::open(&path);
    store.save(&entry("a"), &Secret::new("hunter2")).await.unwrap();
    let _lock = store.lock(&entry("a")).await.unwrap();
    let all: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(all.len(), 4, "the key, a sealed file and their locks: {all:?}");
    for file in &all {
        let bytes = fs::read(file).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{file:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
    }
}

// covers: auth-store
#[tokio::test]
async fn a_torn_or_swapped_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileTokenStore::open(folder.path());
    store.save(&entry("a"), &Secret::new("mine")).await.unwrap();
    let file = files(folder.path(), "sealed").pop().unwrap();
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [&whole[..whole.len() - 1], &whole[..5], b"", &flipped] {
        fs::write(&file, bad).unwrap();
        let error = store.load(&entry("a")).await.unwrap_err();
        assert!(error.to_string().ends_with("delete it and log in again"), "{error}");
    }
    store.save(&entry("b"), &Secret::new("theirs")).await.unwrap();
    let other = files(folder.path(), "sealed").into_iter().find(|path| *path != file).unwrap();
    fs::copy(other, &file).unwrap();
    let error = store.load(&entry("a")).await.unwrap_err();
    assert!(matches!(error, TokenStoreError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn another_key_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileTokenStore::with_key(folder.path(), [1; 32]);
    store.save(&entry("a"), &Secret::new("mine")).await.unwrap();
    let stranger = FileTokenStore::with_key(folder.path(), [2; 32]);
    let error = stranger.load(&entry("a")).await.unwrap_err();
    assert!(matches!(error, TokenStoreError::Damaged { .. }), "{error}");
    fs::write(folder.path().join("key"), "short").unwrap();
    let error = FileTokenStore::open(folder.path()).load(&entry("a")).await.unwrap_err();
    assert!(matches!(error, TokenStoreError::BadKey { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_lock_keeps_others_out_until_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileTokenStore::open(folder.path());
    let lock = store.lock(&entry("a")).await.unwrap();
    store.lock(&entry("b")).await.unwrap();
    let error = store.lock(&entry("a")).await.unwrap_err();
    assert!(matches!(error, TokenStoreError::Locked { .. }), "{error}");
    drop(lock);
    store.lock(&entry("a")).await.unwrap();
}
