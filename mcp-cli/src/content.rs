//! Content of tools, prompts and resources on standard output, and in files.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mcp_protocol::{
    content::ContentBlock,
    resources::{ResourceBody, ResourceContents},
};

use crate::{
    error_report::{Report, Result},
    exit_code::ErrorCode,
    measure::{count, show_bytes},
    printer::Printer,
    terminal_text::one_line,
    theme::Role,
};

/// One piece, whatever it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes in Base64, with their type.
    Bytes { base64: &'a str, mime_type: Option<&'a str> },
    /// A reference to a resource.
    Link { uri: &'a str, name: &'a str },
    /// Something else.
    Other(&'a ContentBlock),
}

impl<'a> Piece<'a> {
    pub(crate) fn of_block(block: &'a ContentBlock) -> Self {
        match block {
            ContentBlock::Text(content) => Self::Text(&content.text),
            ContentBlock::Image(media) | ContentBlock::Audio(media) => {
                Self::Bytes { base64: &media.data, mime_type: Some(&media.mime_type) }
            }
            ContentBlock::ResourceLink(resource) => {
                Self::Link { uri: &resource.uri, name: &resource.name }
            }
            ContentBlock::Resource(embedded) => Self::of_resource(&embedded.resource),
            other => Self::Other(other),
        }
    }

    pub(crate) fn of_resource(contents: &'a ResourceContents) -> Self {
        match &contents.body {
            ResourceBody::Text(text) => Self::Text(text),
            ResourceBody::Blob(base64) => {
                Self::Bytes { base64, mime_type: contents.mime_type.as_deref() }
            }
        }
    }

    /// How much there is, in bytes as sent; about right for Base64.
    pub(crate) fn size_bytes(self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes { base64, .. } => base64.len() / 4 * 3,
            Self::Link { uri, .. } => uri.len(),
            Self::Other(_) => 0,
        }
    }
}

/// What becomes of bytes, which no terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Save<'a> {
    /// They are written into a folder.
    Into(&'a Path),
    /// They are only mentioned, with a word on how to get them.
    Advise(&'static str),
}

/// Writes pieces as text for people, bytes into `save` when that is given.
pub(crate) fn print_text<'a>(
    printer: &mut Printer,
    pieces: impl Iterator<Item = Piece<'a>>,
    name: &str,
    save: Save<'_>,
) -> Result<()> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                printer.text(text)?;
                printer.end_line()?;
            }
            Piece::Bytes { base64, mime_type } => {
                let bytes = decode(base64)?;
                let kind = one_line(mime_type.unwrap_or("application/octet-stream"));
                let size = show_bytes(bytes.len());
                match save {
                    Save::Into(folder) => {
                        let file = save_bytes(folder, name, mime_type, &bytes)?;
                        printer.line(format_args!("{} ({kind} {size})", file.display()))?;
                    }
                    Save::Advise(advice) => {
                        let note = format!("{kind} {size} (use {advice})");
                        let note = printer.paint(Role::Dim, note);
                        printer.line(note)?;
                    }
                }
            }
            Piece::Link { uri, name } => {
                printer.line(format_args!("{} <{}>", one_line(name), one_line(uri)))?;
            }
            Piece::Other(block) => printer.json(block)?,
        }
    }
    Ok(())
}

/// Writes the bytes among some content into a folder and tells where.
pub(crate) fn save_all(folder: &Path, name: &str, blocks: &[ContentBlock]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for piece in blocks.iter().map(Piece::of_block) {
        if let Piece::Bytes { base64, mime_type } = piece {
            files.push(save_bytes(folder, name, mime_type, &decode(base64)?)?);
        }
    }
    Ok(files)
}

/// Writes the bare content: all texts, or the bytes of the only piece.
pub(crate) fn print_raw(printer: &mut Printer, pieces: &[Piece<'_>]) -> Result<()> {
    if let [Piece::Bytes { base64, .. }] = pieces {
        return printer.bytes(&decode(base64)?);
    }
    for (position, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(text) => {
                if position > 0 {
                    printer.end_line()?;
                }
                printer.text(text)?;
            }
            Piece::Link { uri, .. } => printer.line(one_line(uri))?,
            Piece::Bytes { .. } | Piece::Other(_) => {
                return Err(Report::new(
                    ErrorCode::Usage,
                    "raw output takes text, or one picture, sound or file alone",
                )
                .help("use --save DIR or -o json")
                .into());
            }
        }
    }
    Ok(())
}

/// Reads Base64 as servers write it.
pub(crate) fn decode(base64: &str) -> Result<Vec<u8>> {
    let compact: String = base64.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(compact).map_err(|error| {
        Report::new(ErrorCode::ProtocolError, "the server sent broken Base64")
            .cause(error.to_string())
            .into()
    })
}

/// Writes a new file; an existing one is never touched.
fn save_bytes(folder: &Path, name: &str, mime_type: Option<&str>, bytes: &[u8]) -> Result<PathBuf> {
    let failed = |file: &Path, error: &io::Error| {
        Report::new(ErrorCode::Unexpected, format!("cannot write {}", file.display()))
            .cause(error.to_string())
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let stem: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let extension = extension(mime_type.unwrap_or_default());
    let mut count = 1;
    loop {
        let file = folder.join(format!("{stem}-{count}.{extension}"));
        match OpenOptions::new().write(true).create_new(true).open(&file) {
            Ok(mut open) => {
                open.write_all(bytes).map_err(|error| failed(&file, &error))?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && count < 10_000 => {
                count += 1;
            }
            Err(error) => return Err(failed(&file, &error).into()),
        }
    }
}

fn extension(mime_type: &str) -> &'static str {
    match mime_type.split(';').next().unwrap_or_default().trim() {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/ogg" => "ogg",
        "audio/flac" => "flac",
        "video/mp4" => "mp4",
        "application/pdf" => "pdf",
        "application/json" => "json",
        "application/zip" => "zip",
        "application/gzip" => "gz",
        "text/plain" => "txt",
        "text/html" => "html",
        "text/csv" => "csv",
        "text/markdown" => "md",
        _ => "bin",
    }
}

/// A short account, such as `2 text blocks, 1 image · 4.1 KiB`.
pub(crate) fn summary(blocks: &[ContentBlock]) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for block in blocks {
        let kind = match block {
            ContentBlock::Text(_) => "text block".to_owned(),
            ContentBlock::ResourceLink(_) => "link".to_owned(),
            other => one_line(other.kind()),
        };
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    let bytes: usize = blocks.iter().map(|block| Piece::of_block(block).size_bytes()).sum();
    let counts: Vec<String> = kinds.iter().map(|(kind, number)| count(*number, kind)).collect();
    match counts.as_slice() {
        [] => "no content".to_owned(),
        counts => format!("{} · {}", counts.join(", "), show_bytes(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_overwrites_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let save = || save_bytes(folder.path(), "get/../image", Some("image/png"), b"x").unwrap();
        let names = [save(), save()].map(|file| file.file_name().unwrap().to_owned());
        assert_eq!(names, ["get____image-1.png", "get____image-2.png"]);
    }

    #[test]
    fn accounts_for_content() {
        let blocks = [ContentBlock::text("abc"), ContentBlock::text("de")];
        assert_eq!(summary(&blocks), "2 text blocks · 5 B");
        assert_eq!(summary(&[]), "no content");
        assert_eq!(decode("aGk=\n").unwrap(), b"hi");
        assert!(decode("%%").is_err());
    }
}
