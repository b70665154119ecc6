//! Reference pages made from the code, so that they cannot be wrong: codes, extended errors, columns, search fields,
//! settings, commands, and the API's description.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use wire::code::{CODES, CodeInfo, Place, Placed, RANGES};
use wire::ede::EDES;

use crate::config;

/// Writes every page into a folder.
pub(crate) fn write(folder: &Path, commands: &[(String, String)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let pages = [
        ("return-codes.md", return_codes()),
        ("extended-errors.md", extended_errors()),
        ("codes.json", codes_json()?),
        ("columns.md", columns()),
        ("search-fields.md", search_fields()),
        ("config.md", settings()),
        ("commands.md", command_line(commands)),
        ("openapi.json", web::openapi_document()),
    ];
    for (name, text) in pages {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A table in Markdown; cells lose what would break it.
fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn codes(texts: &[&str]) -> String {
    texts.iter().map(|text| code(text)).collect::<Vec<_>>().join(" ")
}

/// A heading with the lists under it: what usually causes something, and what to do next.
fn told(causes: &[&str], next: &[&str]) -> String {
    let list = |mark: &str, texts: &[&str]| texts.iter().map(|text| format!("{mark} {text}\n")).collect::<String>();
    format!("Usual causes:\n\n{}\nWhat to do next:\n\n{}", list("-", causes), list("1.", next))
}

fn return_codes() -> String {
    let rows = CODES.iter().map(|info| {
        vec![
            info.code.number().to_string(),
            format!("[`{0}`](#{1})", info.name, info.name.to_lowercase()),
            info.place(),
            info.family.name().replace('_', " "),
            info.meaning.to_owned(),
        ]
    });
    let heads = ["Number", "Name", "Travels in", "Family", "Meaning"];
    let mut text = format!(
        "# Return codes\n\nThe code a person filters on is derived once: the TSIG error if it is not zero, else the TKEY error if it is \
         not zero, else the RCODE of header and OPT. 16 has two names: `BADVERS` in OPT, `BADSIG` in TSIG and TKEY. Numbers \
         without a name are written `CODE4001`. The same texts: `nameward code BADTRUNC`, the dashboard's Return codes page, \
         `GET /api/v1/codes`, and [codes.json](codes.json).\n\n{}",
        table(&heads, rows)
    );
    CODES.iter().for_each(|info| text.push_str(&one_code(info)));
    text.push_str("\n## Numbers without a name\n");
    for range in RANGES {
        let span = if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{} to {}", range.first, range.last)
        };
        let _ = write!(
            text,
            "\n### {span}: {}\n\n{} Defined by {}.\n\n{}",
            range.name,
            range.meaning,
            range.rfc,
            told(range.causes, range.next)
        );
    }
    text
}

fn one_code(info: &CodeInfo) -> String {
    let place = |placed: &Placed| match placed.place {
        Place::Header => placed.place.name().to_owned(),
        place => format!("{}, while the header alone says {} `{}`", place.name(), placed.header, placed.header_code()),
    };
    let places: Vec<String> = info.places.iter().map(place).collect();
    let emitters: Vec<&str> = info.emitters.iter().map(|emitter| emitter.name()).collect();
    let facts = [
        ("Number", info.code.number().to_string()),
        ("Travels in", places.join("; ")),
        ("Signed", info.signing.name().to_owned()),
        ("Made by", emitters.join(", ")),
        ("Transports", info.transports.join(", ")),
        ("It is", format!("{} (family: {})", info.kind.about(), info.family.name().replace('_', " "))),
        ("Defined by", info.rfc.to_owned()),
        ("Search", code(&format!("code:{}", info.name))),
    ];
    let facts: String = facts.iter().map(|(head, text)| format!("- {head}: {text}\n")).collect();
    format!(
        "\n## {}\n\n{}\n\n{facts}\nSent by Nameward when: {}\n\n{}",
        info.name,
        info.meaning,
        info.sent,
        told(info.causes, info.next)
    )
}

fn extended_errors() -> String {
    let rows = EDES.iter().map(|info| {
        let sent = if info.sent.is_some() { "yes" } else { "passed on" };
        vec![info.number.to_string(), info.name.to_owned(), sent.to_owned(), info.meaning.to_owned()]
    });
    let heads = ["Number", "Name", "From Nameward", "Meaning"];
    let mut text = format!(
        "# Extended errors\n\nExtended DNS errors (RFC 8914) travel beside the return code; searched with `ede:`, explained by \
         `nameward code ede 15`. What an upstream sends is passed on and kept.\n\n{}",
        table(&heads, rows)
    );
    for info in EDES {
        let sent = info.sent.unwrap_or("never made here; an upstream's is passed on and kept in the log.");
        let _ = write!(
            text,
            "\n## {}: {}\n\n{}\n\n- Sent by: {}\n- From Nameward: {sent}\n- Defined by: {}\n- Search: `ede:{}`\n\n{}",
            info.number,
            info.name,
            info.meaning,
            info.sender,
            info.rfc,
            info.number,
            told(info.causes, info.next)
        );
    }
    text
}

/// The registry as `GET /api/v1/codes` gives it.
fn codes_json() -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(&web::registry())?))
}

fn columns() -> String {
    let schema = event::schema();
    let rows = schema.fields().iter().map(|field| {
        let null = if field.is_nullable() { "may be empty" } else { "" };
        let about = event::column_about(field.name());
        vec![code(field.name()), code(&field.data_type().to_string()), null.to_owned(), about.to_owned()]
    });
    let view: Vec<String> = search::sql_columns().into_iter().map(code).collect();
    format!(
        "# Columns\n\nOne event is one row of these columns (schema version {}). Segments are Parquet files under \
         `segments/day=YYYY-MM-DD/hour=HH/` in the log folder; any Parquet reader can open them.\n\n{}\n\
         ## In SQL\n\nThe view `events` of `nameward search --sql` and `POST /log/sql` has words where segments have numbers: codes, \
         types and addresses are text. Its columns: {}.\n",
        event::SCHEMA_VERSION,
        table(&["Column", "Type", "", "Holds"], rows),
        view.join(", ")
    )
}

fn search_fields() -> String {
    let rows = search::FIELDS.iter().map(|field| {
        vec![
            code(field.name),
            codes(field.aliases),
            field.kind.to_owned(),
            field.about.to_owned(),
            codes(field.examples),
        ]
    });
    let heads = ["Field", "Also", "Kind", "Holds", "Examples"];
    format!("# Search fields\n\nThe same in the dashboard, the API and `nameward search`.\n\n{}", table(&heads, rows))
}

fn settings() -> String {
    format!(
        "# Settings\n\nThe default file, as `nameward config default` prints it: every setting at its default.\n\n\
         ```toml\n{}```\n",
        config::default_file()
    )
}

fn command_line(commands: &[(String, String)]) -> String {
    let mut text = "# Commands\n".to_owned();
    for (name, help) in commands {
        let trimmed: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", trimmed.join("\n").trim_end());
    }
    text
}
