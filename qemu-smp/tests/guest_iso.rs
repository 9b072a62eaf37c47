//! The kernel from GRUB: a CD image is made and booted, and the kernel passes as it does without.

mod real;

use real::boot;

#[test]
fn the_kernel_boots_from_grub() {
    let args = ["--iso", "--smp", "2", "--tests", "boot", "--seed", "7", "--deadline", "60"];
    let (status, report) = boot(&args);
    assert_eq!(status, Some(0), "{report:#}");
    assert!(report["command"].as_str().unwrap().contains("-cdrom"), "{report:#}");
    let console = report["said"]["console"].as_array().unwrap();
    assert!(console.iter().any(|line| line == "seed=7 rounds=0"), "no command line: {report:#}");
}
