//! The kernel says what it runs, and does not begin what it does not understand.

mod real;

use real::boot;

/// Boots with another command line than the harness wrote.
fn told(append: &str) -> serde_json::Value {
    let args = ["--smp", "2", "--tests", "boot", "--seed", "7", "--deadline", "60"];
    let (status, report) = boot(&[&args[..], &["--", "-append", append]].concat());
    assert_eq!(status, Some(1), "{report:#}");
    report
}

#[test]
fn a_guest_that_was_told_something_else_is_found_out() {
    let report = told("-- tests=boot seed=8");
    assert_eq!(report["problems"][0]["kind"], "something-else", "{report:#}");
    let summary = report["summary"].to_string();
    assert!(summary.contains("asked for fixed on 2 CPUs, tests=boot seed=7;"), "{summary}");
    assert!(summary.contains("runs fixed on 2 CPUs, tests=boot seed=8"), "{summary}");
    // It did run, and said that all was well.
    assert_eq!(report["said"]["done"], serde_json::json!([1, 0]), "{report:#}");
}

#[test]
fn words_that_are_not_understood_end_the_boot() {
    let long = format!("-- seed={}7", "0".repeat(300));
    for (append, why) in [
        ("tests=boot seed=7", "there is no word `--`"),
        ("-- tests=boot sede=7", "no option `sede`"),
        ("-- tests=boot seed", "`seed` is not like key=value"),
        ("-- tests=boot seed=7 seed=7", "`seed` is given twice"),
        ("-- tests=boot seed=seven", "`seed=seven`"),
        (long.as_str(), "more than 256 bytes"),
    ] {
        let report = told(append);
        assert_eq!(report["problems"][0]["kind"], "panic", "{append}: {report:#}");
        let summary = report["summary"].to_string();
        assert!(summary.contains("command line: ") && summary.contains(why), "{summary}");
        assert!(report["said"]["tests"].as_array().unwrap().is_empty());
    }
}
