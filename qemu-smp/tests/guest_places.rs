//! The real QEMU, whatever the folder for temporary files is called: its options end at a comma, its socket's
//! path has bounds.

mod real;

use std::fs;

use qemu_smp::guest::{Accel, probe};
use qemu_smp::paths::Paths;
use real::{report, smp, turn};

#[test]
fn a_boot_and_a_soak_run_in_any_folder_for_temporary_files() {
    let _turn = turn();
    let room = tempfile::tempdir().unwrap();
    for folder in ["a,b=c d", &"x".repeat(150)] {
        let folder = room.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let run = |args: &[&str]| {
            let mut smp = smp(args);
            report(&smp.env("TMPDIR", &folder).output().unwrap())
        };
        let (status, told) =
            run(&["boot", "--no-build", "--no-install", "--json", "--tests", "boot"]);
        assert_eq!(status, Some(0), "{told:#}");
        let output = folder.join("soak.json").display().to_string();
        let soak = ["soak", "--no-build", "--no-install", "--json", "--smp", "1", "--rounds", "1"];
        let (_, told) = run(&[&soak[..], &["--no-control", "--output", &output]].concat());
        assert_eq!(told["boot"]["passed"], true, "{told:#}");
        assert!(told["watch"]["window"]["stamped_pages"].as_u64() > Some(0), "{told:#}");
        // A guest that hangs is looked into over the control socket.
        let hang = ["boot", "--no-build", "--no-install", "--json", "--tests", "hang"];
        let (_, told) = run(&[&hang[..], &["--smp", "1", "--deadline", "4"]].concat());
        assert_eq!(told["cpus"].as_array().unwrap().len(), 1, "{told:#}");
    }
}

/// The small guest that asks a host for KVM is no excuse: the translator runs it to its end.
#[test]
fn the_guest_that_asks_for_kvm_runs_under_the_translator() {
    let _turn = turn();
    probe(&Paths::find().unwrap(), Accel::Tcg).unwrap();
}
