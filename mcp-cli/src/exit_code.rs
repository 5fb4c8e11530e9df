//! What the exit codes mean, and which error leads to which.

use std::process;

/// The exit codes of `mcp`. Scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitCode {
    /// Everything was done.
    Success = 0,
    /// An error that no other code describes.
    Unexpected = 1,
    /// The command line or the configuration is wrong; nothing was sent.
    Usage = 2,
    /// The server or the model wants credentials.
    AuthRequired = 3,
    /// The server or the model could not be started or reached.
    Unreachable = 4,
    /// The server answered with an error: the tool failed, or it does not exist.
    ToolError = 5,
    /// A limit of time ran out.
    Timeout = 6,
    /// Part of the work was done: some servers failed, or the answer is incomplete.
    Partial = 7,
    /// Refused by an approval or a limit.
    Refused = 8,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// The machine-readable kind of an error: `error.code` on standard error with `-o json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// A program error or a failure of the local machine.
    Unexpected,
    /// The command line cannot be understood.
    Usage,
    /// The configuration cannot be used.
    Config,
    /// No server of this name.
    UnknownServer,
    /// The arguments do not fit the tool or the prompt.
    InvalidArguments,
    /// No model was found.
    NoModel,
    /// Credentials are needed.
    AuthRequired,
    /// Whoever calls has to log in at a server behind the one that is called.
    LoginRequired,
    /// The server could not be started or reached.
    Unreachable,
    /// The connection was lost before the answer; whether the call ran is unknown.
    ConnectionLost,
    /// The server does not speak the protocol as it should.
    ProtocolError,
    /// The tool said `isError`.
    ToolError,
    /// The server has no such tool.
    UnknownTool,
    /// The server has no such prompt.
    UnknownPrompt,
    /// The server answered with a JSON-RPC error.
    Rejected,
    /// The model failed.
    ModelFailed,
    /// A limit of time ran out.
    Timeout,
    /// A limit of the run was reached before the answer was complete.
    Incomplete,
    /// Not approved.
    Refused,
    /// A record of calls is not as it was written.
    Tampered,
    /// Ctrl-C.
    Interrupted,
}

impl ErrorCode {
    /// The word in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unexpected => "unexpected",
            Self::Usage => "usage",
            Self::Config => "config",
            Self::UnknownServer => "unknown_server",
            Self::InvalidArguments => "invalid_arguments",
            Self::NoModel => "no_model",
            Self::AuthRequired => "auth_required",
            Self::LoginRequired => "login_required",
            Self::Unreachable => "unreachable",
            Self::ConnectionLost => "connection_lost",
            Self::ProtocolError => "protocol_error",
            Self::ToolError => "tool_error",
            Self::UnknownTool => "unknown_tool",
            Self::UnknownPrompt => "unknown_prompt",
            Self::Rejected => "rejected",
            Self::ModelFailed => "model_failed",
            Self::Timeout => "timeout",
            Self::Incomplete => "incomplete",
            Self::Refused => "refused",
            Self::Tampered => "tampered",
            Self::Interrupted => "interrupted",
        }
    }

    /// The exit code that the error leads to.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Unexpected | Self::ProtocolError | Self::ModelFailed | Self::Tampered => {
                ExitCode::Unexpected
            }
            Self::Usage | Self::Config | Self::UnknownServer | Self::InvalidArguments => {
                ExitCode::Usage
            }
            Self::AuthRequired | Self::LoginRequired => ExitCode::AuthRequired,
            Self::NoModel | Self::Unreachable | Self::ConnectionLost => ExitCode::Unreachable,
            Self::ToolError | Self::UnknownTool | Self::UnknownPrompt | Self::Rejected => {
                ExitCode::ToolError
            }
            Self::Timeout => ExitCode::Timeout,
            Self::Incomplete => ExitCode::Partial,
            Self::Refused => ExitCode::Refused,
            Self::Interrupted => ExitCode::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_lead_to_their_exit() {
        for (code, word, exit) in [
            (ErrorCode::Unexpected, "unexpected", 1),
            (ErrorCode::InvalidArguments, "invalid_arguments", 2),
            (ErrorCode::AuthRequired, "auth_required", 3),
            (ErrorCode::LoginRequired, "login_required", 3),
            (ErrorCode::Unreachable, "unreachable", 4),
            (ErrorCode::ToolError, "tool_error", 5),
            (ErrorCode::UnknownTool, "unknown_tool", 5),
            (ErrorCode::Timeout, "timeout", 6),
            (ErrorCode::Incomplete, "incomplete", 7),
            (ErrorCode::Refused, "refused", 8),
            (ErrorCode::Interrupted, "interrupted", 130),
        ] {
            assert_eq!((code.as_str(), code.exit_code() as u8), (word, exit));
        }
    }
}
