//! Where a remote store is, as its owner writes it: `s3://BUCKET/PREFIX` or `file:///FOLDER`.

use std::fmt;
use std::path::PathBuf;

/// Longest prefix or folder, bytes: the names of segments come behind it, and a whole key has at most 1,024.
const PREFIX_BYTES_MAX: usize = 512;
/// What a bucket may be called.
const BUCKET_ABOUT: &str = "a bucket has 3 to 63 lower-case letters, digits, - and .";

/// Where a remote store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Objects of a bucket whose names begin with `PREFIX/`; an empty prefix is the whole bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix, without a slash at either end.
        prefix: String,
    },
    /// Files below a folder: another disk, or one that many machines share.
    Folder(PathBuf),
}

impl Place {
    /// Reads a place.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Place, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        if rest.len() > PREFIX_BYTES_MAX {
            return Err(format!("at most {PREFIX_BYTES_MAX} characters"));
        }
        match scheme {
            "s3" => s3(rest),
            "file" => folder(rest),
            _ => Err(format!("\"{text}\" is no place: write s3://BUCKET/PREFIX or file:///FOLDER")),
        }
    }
}

fn s3(rest: &str) -> Result<Place, String> {
    if rest.contains('@') {
        return Err("no keys in the URL: they are log.remote.access_key_id and secret_access_key_file".to_owned());
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(good) {
        return Err(format!("\"{bucket}\" is no bucket: {BUCKET_ABOUT}"));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
        !part.is_empty() && part.chars().all(plain) && part.chars().any(|c| c != '.')
    };
    if !prefix.is_empty() && !prefix.split('/').all(part) {
        return Err(format!("\"{prefix}\" is no prefix: names of letters, digits, - _ . = with one / between them"));
    }
    Ok(Place::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

fn folder(rest: &str) -> Result<Place, String> {
    let plain = rest.starts_with('/') && rest.trim_end_matches('/').len() > 1;
    if !plain || rest.split('/').any(|part| part == "..") || rest.contains(['%', '?', '#']) {
        return Err(format!("\"{rest}\" is no folder: write its whole path, such as file:///mnt/nameward"));
    }
    Ok(Place::Folder(PathBuf::from(rest)))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Place::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Place::Folder(folder) => write!(f, "file://{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown() {
        for (text, shown) in [
            ("s3://logs", "s3://logs"),
            ("s3://logs/", "s3://logs"),
            ("s3://my-logs.example/site=a/ns1/", "s3://my-logs.example/site=a/ns1"),
            ("file:///mnt/log", "file:///mnt/log"),
        ] {
            assert_eq!(Place::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_place_is_said() {
        for (text, why) in [
            ("logs", "s3://BUCKET/PREFIX"),
            ("https://logs/x", "s3://BUCKET/PREFIX"),
            ("s3://", "no bucket"),
            ("s3://Logs", "no bucket"),
            ("s3://id:secret@logs/x", "no keys in the URL"),
            ("s3://logs//x", "no prefix"),
            ("s3://logs/../x", "no prefix"),
            ("s3://logs/a b", "no prefix"),
            ("file://mnt", "whole path"),
            ("file:///", "whole path"),
            ("file:///mnt/../etc", "whole path"),
        ] {
            let error = Place::parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret@"), "{text}: {error}");
        }
        assert!(Place::parse(&format!("s3://logs/{}", "x".repeat(600))).is_err());
    }
}
