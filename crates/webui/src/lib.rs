//! The dashboard as bytes: what `web/` built to, each file plain and packed, found by path.
//!
//! Knows nothing of HTTP: which form to send and which headers to put on it is for the caller.

/// One file of the dashboard.
#[derive(Debug)]
pub struct Asset {
    /// Its path as in an address, such as `/assets/index-CeGTElOz.js`.
    pub path: &'static str,
    /// Its media type.
    pub mime: &'static str,
    /// Its entity tag, quoted. Of the plain form: whoever sends a packed one changes it.
    pub etag: &'static str,
    /// Whether the content of this path never changes, because its name holds a hash of it.
    pub immutable: bool,
    /// The content.
    pub plain: &'static [u8],
    /// The content in gzip; `None` when that saves too little.
    pub gzip: Option<&'static [u8]>,
    /// The content in brotli; `None` when that saves too little.
    pub brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file at a path, with or without the `/` at its beginning; the empty path is the page itself.
#[must_use]
pub fn get(path: &str) -> Option<&'static Asset> {
    place(path.strip_prefix('/').unwrap_or(path)).map(|index| &ASSETS[index])
}

/// The page itself, also for paths that only it knows.
#[must_use]
pub fn index() -> &'static Asset {
    &ASSETS[INDEX]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    fn page() -> &'static str {
        std::str::from_utf8(index().plain).unwrap()
    }

    #[test]
    fn the_page_is_found_under_all_its_names() {
        for path in ["/", "", "index.html"] {
            assert_eq!(get(path).unwrap().path, "/index.html", "{path}");
        }
        assert_eq!(get("/index.html").unwrap().etag, index().etag);
        assert_eq!(index().mime, "text/html; charset=utf-8");
        assert!(!index().immutable, "its name never changes, so its content must be asked for again");
    }

    #[test]
    fn other_paths_find_nothing() {
        for path in ["log", "/log", "/assets", "/assets/", "/../Cargo.toml", "//index.html", "/INDEX.HTML"] {
            assert!(get(path).is_none(), "{path}");
        }
    }

    #[test]
    fn every_file_is_found_by_its_path_and_has_a_tag_of_its_own() {
        let mut tags: Vec<_> = ASSETS.iter().map(|asset| asset.etag).collect();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), ASSETS.len());
        for asset in &ASSETS {
            assert!(std::ptr::eq(get(asset.path).unwrap(), asset), "{}", asset.path);
            assert!(asset.etag.starts_with('"') && asset.etag.ends_with('"'), "{}", asset.etag);
            assert!(!asset.plain.is_empty(), "{}", asset.path);
        }
    }

    #[test]
    fn packed_forms_unpack_to_the_plain_one() {
        for asset in &ASSETS {
            if let Some(packed) = asset.gzip {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).unwrap();
                assert!(plain == asset.plain, "{} gzip", asset.path);
            }
            if let Some(packed) = asset.brotli {
                let mut plain = Vec::new();
                brotli::BrotliDecompress(&mut &packed[..], &mut plain).unwrap();
                assert!(plain == asset.plain, "{} brotli", asset.path);
            }
        }
    }

    /// What stands between `open` and the next quote, wherever it occurs.
    fn between<'a>(text: &'a str, open: &str) -> Vec<&'a str> {
        text.split(open).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn the_page_names_only_files_that_are_here() {
        let links = [between(page(), "src=\""), between(page(), "href=\"")].concat();
        for link in &links {
            assert!(get(link).is_some(), "{link}");
        }
        assert!(STUB || links.len() >= 3, "script, style sheet, icon: {links:?}");
    }

    /// The server sends `default-src 'self'`: anything inline would be refused by the browser.
    #[test]
    fn the_page_holds_no_inline_script_or_style() {
        assert!(!page().contains("<style") && !page().contains("style=") && !page().contains("onload="));
        for script in page().split("<script").skip(1) {
            assert!(script.contains("src=") && script.contains("></script>"), "{script}");
        }
    }

    /// DESIGN, budget of the page: at most 120 kB on first load.
    #[test]
    fn the_first_load_is_within_its_budget() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.gzip.map_or(asset.plain.len(), <[u8]>::len)).sum();
        assert!(bytes <= 120_000, "{bytes} bytes");
    }

    #[test]
    fn hashed_names_are_immutable() {
        for asset in ASSETS.iter().filter(|asset| asset.path.starts_with("/assets/")) {
            assert!(asset.immutable, "{}", asset.path);
        }
    }
}
