//! A folder through `@modelcontextprotocol/server-filesystem`.

use mcp_agent::resources::{EntryKind, Profile, ResourceError};

use super::{folder, node};

#[tokio::test]
async fn files_are_read_listed_and_written() {
    let shared = tempfile::tempdir().unwrap();
    // As the server sees it, behind links.
    let root = shared.path().canonicalize().unwrap();
    let at = |path: &str| root.join(path).to_str().unwrap().to_owned();
    std::fs::create_dir_all(root.join("documents/2024")).unwrap();
    let picture = [0x89, b'P', b'N', b'G', 0, 0xff];
    std::fs::write(root.join("documents/2024/picture.png"), picture).unwrap();

    let interop = folder("MCP_INTEROP_DIR");
    let (program, profile) = ("mcp-server-filesystem", Profile::filesystem());
    let files = node(interop, program, &[root.to_str().unwrap()], profile).await;
    files.write(&at("documents/report v1.md"), "# Grüße\n\n\"quoted\"\n").await.unwrap();
    let text = files.read(&at("documents/report v1.md")).await.unwrap();
    assert_eq!(text, "# Grüße\n\n\"quoted\"\n");
    assert_eq!(files.read_bytes(&at("documents/2024/picture.png")).await.unwrap(), picture);

    let mut entries = files.list(&at("documents")).await.unwrap();
    entries.sort();
    let shown: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.kind)).collect();
    assert_eq!(shown, [("2024", EntryKind::Folder), ("report v1.md", EntryKind::File)]);
    let mut below = files.list_recursive(&at("")).await.unwrap();
    below.sort();
    let paths: Vec<_> = below.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        ["documents", "documents/2024", "documents/2024/picture.png", "documents/report v1.md"]
    );

    let error = files.read(&at("missing.txt")).await.unwrap_err();
    assert!(matches!(error, ResourceError::Failed { .. }), "{error:?}");
    let error = files.read("/etc/hostname").await.unwrap_err();
    assert!(matches!(error, ResourceError::Failed { .. }), "{error:?}");
}
