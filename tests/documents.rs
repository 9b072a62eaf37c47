//! The documents: every link leads somewhere, every chapter is in the book, and the README stays a first page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Most lines of README.md.
const FIRST_PAGE: usize = 80;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents in a folder.
fn in_folder(folder: &str) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut all: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    all.sort();
    all
}

fn documents() -> Vec<PathBuf> {
    [in_folder("."), in_folder("docs/src")].concat()
}

fn parse(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// What a document links to.
fn links(text: &str) -> Vec<String> {
    let link = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.to_string())
        }
        _ => None,
    };
    parse(text).filter_map(link).collect()
}

/// The anchors of a document's headings, as its readers make them: words in lower case with hyphens in between.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in parse(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let kept = |c: char| match c {
                    ' ' => Some('-'),
                    '-' | '_' => Some(c),
                    c if c.is_alphanumeric() => Some(c),
                    _ => None,
                };
                let words = heading.take().expect("it began").to_lowercase();
                all.insert(words.chars().filter_map(kept).collect());
            }
            _ => {}
        }
    }
    all
}

/// Why a link of a document leads nowhere, if it does.
fn wrong(document: &Path, link: &str) -> Option<String> {
    if link.contains("://") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = document.parent().expect("it is in a folder");
    let target = if file.is_empty() { document.to_owned() } else { folder.join(file) };
    if !target.exists() {
        return Some(format!("{}: {link}: there is no such file", document.display()));
    }
    let leads = anchor.is_empty() || anchors(&read(&target)).contains(anchor);
    (!leads).then(|| format!("{}: {link}: there is no such heading", document.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let mut checked = 0;
    let mut wrong_ones = Vec::new();
    for document in &documents {
        for link in links(&read(document)) {
            checked += 1;
            wrong_ones.extend(wrong(document, &link));
        }
    }
    assert!(wrong_ones.is_empty(), "{}", wrong_ones.join("\n"));
    assert!(documents.len() > 15 && checked > 40, "{} documents, {checked} links", documents.len());
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let readme = root().join("README.md");
    assert_eq!(wrong(&readme, "MODEL.md#properties"), None);
    assert!(wrong(&readme, "MODEL.md#improprieties").is_some());
    assert!(wrong(&readme, "docs/src/nothing.md").is_some());
    assert!(wrong(&readme, "#two-commands").is_none());
    assert!(wrong(&readme, "#three-commands").is_some());
}

#[test]
fn every_chapter_is_in_the_book_once() {
    let summary = root().join("docs/src/SUMMARY.md");
    let mut listed = links(&read(&summary));
    listed.sort();
    let chapters = in_folder("docs/src").into_iter().filter(|path| *path != summary);
    let chapters: Vec<_> = chapters
        .map(|path| path.file_name().expect("it has a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(listed, chapters);
}

#[test]
fn the_readme_is_one_page() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines <= FIRST_PAGE, "README.md has {lines} lines: the book has room for more");
}
