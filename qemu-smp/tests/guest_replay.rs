//! A failure comes back: with instructions counted, seed and shift give the same run, event by event.

mod real;

use real::{boot, report, smp, the_same, turn};

#[test]
fn a_failing_run_of_seed_is_the_same_when_the_printed_command_is_run() {
    let args = ["--smp", "4", "--variant", "seed", "--icount", "5", "--seed", "7"];
    let (status, first) = boot(&args);
    assert_eq!(status, Some(1), "{first:#}");
    assert_eq!(first["problems"][0]["kind"], "tests-failed", "{first:#}");
    assert!(!first["said"]["findings"].as_array().unwrap().is_empty(), "{first:#}");

    let again = first["again"].as_str().unwrap();
    let words: Vec<_> = again.strip_prefix("cargo smp boot ").unwrap().split(' ').collect();
    let _turn = turn();
    let boot = ["boot", "--no-build", "--no-install", "--json"];
    the_same(&first, || {
        let (status, second) = report(&smp(&[&boot[..], &words].concat()).output().unwrap());
        assert_eq!(status, Some(1), "{second:#}");
        second
    });
}

/// The control: a digest that does not tell runs apart would prove nothing.
#[test]
fn another_shift_or_seed_is_another_run() {
    let digest = |shift: &str, seed: &str| {
        let args = ["--smp", "2", "--tests", "cycles", "--icount", shift, "--seed", seed];
        let (status, report) = boot(&args);
        assert_eq!(status, Some(0), "{report:#}");
        report["digest"].as_str().unwrap().to_owned()
    };
    let (first, shift, seed) = (digest("4", "7"), digest("5", "7"), digest("4", "8"));
    assert_ne!(first, shift);
    assert_ne!(first, seed);
}

/// The loader takes no path with a blank or a colon in it, and opens nothing in a folder that does not exist.
#[test]
fn a_run_comes_back_whatever_the_folder_for_temporary_files_is_called() {
    let _turn = turn();
    let room = tempfile::tempdir().unwrap();
    let run = |folder: &str| {
        let folder = room.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut smp = smp(&["boot", "--no-build", "--no-install", "--json", "--smp", "2"]);
        smp.args(["--tests", "cycles", "--icount", "4", "--seed", "7"]).env("TMPDIR", folder);
        let (status, report) = report(&smp.output().unwrap());
        assert_eq!(status, Some(0), "{report:#}");
        assert_eq!(report["again_is_the_same_run"], true, "{report:#}");
        report["digest"].clone()
    };
    let first = run("plain");
    for folder in ["a b", "a:b"] {
        assert_eq!(run(folder), first, "{folder}");
    }
}

/// The slowest clock that is taken: with the next one the kernel gives its tests up.
#[test]
fn all_tests_end_by_the_slowest_clock() {
    let (status, report) = boot(&["--smp", "4", "--icount", "6"]);
    assert_eq!(status, Some(0), "{report:#}");
}
