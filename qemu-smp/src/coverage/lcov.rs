//! The lines and their counts out of an lcov file. Everything else in it is passed over.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// How often each line was run, by file and line number.
pub type Counts = BTreeMap<String, BTreeMap<usize, u64>>;

/// Reads `SF:` (a file begins), `DA:` (a line and its count) and `end_of_record`. Counts of a file that
/// comes twice are added up.
pub fn counts(text: &str) -> Result<Counts> {
    let mut counts = Counts::new();
    let mut file = None;
    for (line, number) in text.lines().zip(1..) {
        let context = || format!("line {number} of the lcov report: `{line}`");
        if let Some(name) = line.strip_prefix("SF:") {
            if file.is_some() {
                bail!("{}: the file before it has no end", context());
            }
            counts.entry(name.to_owned()).or_default();
            file = Some(name);
        } else if line == "end_of_record" {
            file = None;
        } else if let Some(data) = line.strip_prefix("DA:") {
            let Some(lines) = file.and_then(|file| counts.get_mut(file)) else {
                bail!("{}: it belongs to no file", context());
            };
            let (at, count) = data.split_once(',').with_context(context)?;
            // A checksum may follow.
            let count = count.split(',').next().unwrap_or(count);
            let count: u64 = count.parse().with_context(context)?;
            let sum: &mut u64 = lines.entry(at.parse().with_context(context)?).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    if let Some(file) = file {
        bail!("the lcov report ends within {file}");
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_counts_of_one_file_are_added() {
        let text = "TN:\nSF:/w/src/a.rs\nFN:1,f\nFNDA:1,f\nDA:1,2\nDA:2,7,abc\nLF:2\nend_of_record\n\
                    SF:/w/src/b.rs\nend_of_record\nSF:/w/src/a.rs\nDA:1,3\nend_of_record\n";
        let counts = counts(text).unwrap();
        assert_eq!(counts["/w/src/a.rs"], BTreeMap::from([(1, 5), (2, 7)]));
        assert!(counts["/w/src/b.rs"].is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for text in [
            "DA:1,1",
            "SF:a\nDA:1,1",
            "SF:a\nSF:b\nend_of_record",
            "SF:a\nDA:1\nend_of_record",
            "SF:a\nDA:x,1\nend_of_record",
            "SF:a\nDA:1,-1\nend_of_record",
            "SF:a\nend_of_record\nDA:1,1",
        ] {
            assert!(counts(text).is_err(), "{text}");
        }
        assert!(counts("").unwrap().is_empty());
    }
}
