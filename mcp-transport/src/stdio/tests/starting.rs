//! How a server is started.

use super::*;
use crate::{Connect, ConnectError, transport::Binding};

/// What a server writes to its standard error before it exits.
async fn stderr_of(command: ChildCommand) -> Vec<String> {
    let server = command.spawn().await.unwrap();
    closed(response(server.exchange(request(1, "test"))).await.unwrap_err()).stderr
}

// covers: stdio-environment
#[tokio::test]
async fn the_environment_holds_only_what_was_allowed() {
    // Cargo sets variables that no server is to see.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let command = shell("env >&2")
        .env("API_KEY", "s3cret")
        .env("HOME", "/elsewhere")
        .inherit_env("CARGO_PKG_NAME")
        .inherit_env("NO_SUCH_VARIABLE_ANYWHERE");
    let lines = stderr_of(command).await;
    let has = |line: &str| lines.iter().any(|other| other == line);
    assert!(has("API_KEY=s3cret") && has("HOME=/elsewhere") && has("CARGO_PKG_NAME=mcp-transport"));
    assert!(lines.iter().any(|line| line.starts_with("PATH=")));
    assert!(!lines.iter().any(|line| line.starts_with("CARGO_MANIFEST_DIR=")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("NO_SUCH_VARIABLE_ANYWHERE")));
}

#[tokio::test]
async fn arguments_reach_the_program_as_they_are() {
    let command = ChildCommand::new("sh")
        .args(["-c", r#"printf '%s\n' "$@" >&2"#, "sh"])
        .args(["$HOME", "a b", "*", ";exit 7", ""]);
    assert_eq!(stderr_of(command).await, ["$HOME", "a b", "*", ";exit 7", ""]);
}

#[tokio::test]
async fn the_folder_is_set_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    assert_eq!(stderr_of(shell("pwd >&2").cwd(&path)).await, [path.to_str().unwrap()]);
    let error = shell("").cwd(path.join("missing")).spawn().await.unwrap_err();
    assert!(matches!(error, ConnectError::InvalidSetting { setting, .. } if setting == "cwd"));
}

#[tokio::test]
async fn a_missing_program_is_reported_with_the_places() {
    let command = ChildCommand::new("no-such-program").env("PATH", "/one:/two");
    let ConnectError::ProgramNotFound { program, searched } = command.spawn().await.unwrap_err()
    else {
        panic!("found")
    };
    assert_eq!(program, "no-such-program");
    assert!(searched.contains(&"/one/no-such-program".into()));
    assert!(searched.contains(&"/two/no-such-program".into()));
}

#[tokio::test]
async fn a_missing_interpreter_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server");
    fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&file).status().unwrap();
    let error = ChildCommand::new(file.to_str().unwrap()).spawn().await.unwrap_err();
    assert!(matches!(error, ConnectError::Spawn { .. }), "{error:?}");
}

#[tokio::test]
async fn a_malformed_variable_is_refused() {
    for name in ["", "A=B"] {
        let error = shell("").env(name, "x").spawn().await.unwrap_err();
        assert!(matches!(error, ConnectError::InvalidSetting { .. }), "{error:?}");
    }
}

// covers: auth-secrets-hidden
#[test]
fn secrets_are_not_shown() {
    let command = ChildCommand::new("server")
        .args(["--api-key", "s3cret-argument"])
        .env("API_KEY", "s3cret-value");
    for text in [format!("{command:?}"), command.endpoint()] {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("--api-key"), "{text}");
    }
    assert!(format!("{command:?}").contains("API_KEY"));
    assert_eq!(command.binding(), Binding::Stdio);
}

#[test]
fn outside_a_runtime_starting_is_an_error_not_a_panic() {
    let command = shell("");
    let mut spawn = Box::pin(command.spawn());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let outcome = spawn.as_mut().poll(&mut cx);
    assert!(matches!(outcome, std::task::Poll::Ready(Err(ConnectError::Spawn { .. }))));
}

#[tokio::test]
async fn a_dropped_start_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command = shell(r#"trap '' TERM; echo $$ >"$0"; while :; do sleep 1; done"#)
        .arg(file.to_str().unwrap());
    let mut spawn = Box::pin(command.spawn());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    // The order is given. Whether the child is already handed over or waits to be, it is let go of.
    let started = spawn.as_mut().poll(&mut cx);
    let pid = number_in(&file).await;
    drop((started, spawn));
    until("the child is gone", || state(pid).is_none()).await;
}
