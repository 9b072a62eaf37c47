//! Where files are: of the folder that the user is in, and whatever its name.

mod common;

use std::fs;

use common::{World, finish};

#[test]
fn a_file_that_is_asked_for_is_in_the_folder_that_the_user_is_in() {
    let world = World::new();
    let sub = world.path("kernel/sub");
    fs::create_dir_all(&sub).unwrap();
    let mut smp = world.smp(&["iso", "--no-build", "--output", "x.iso", "--append", "seed=7"]);
    smp.current_dir(&sub);
    let finished = finish(smp);
    finished.passed();
    assert_eq!(finished.out.trim(), sub.join("x.iso").display().to_string());
    assert_eq!(fs::read_to_string(sub.join("x.iso")).unwrap(), "-- tests=all seed=7\n");
    assert!(!world.path("x.iso").exists());

    let mut smp = world.smp(&["soak", "--no-build", "--no-control", "--smp", "1"]);
    smp.current_dir(&sub).args(["--output", "soak.json"]);
    assert_eq!(finish(smp).status, Some(1));
    assert!(sub.join("soak.json").exists() && !world.path("soak.json").exists());
}

#[test]
fn a_qemu_that_complains_for_ever_is_told_by_its_last_words() {
    let world = World::new();
    let mut smp = world.smp(&["boot", "--no-build", "--deadline", "4"]);
    smp.env("FAKE_QEMU", "complains");
    let finished = finish(smp);
    finished.refused(1, &["hang: not done after 4 s", "lines, and then:", "qemu: woe"]);
    assert!(finished.out.matches("qemu: woe").count() < 100, "{}", finished.out.len());
}

#[test]
fn a_socket_whose_path_would_be_too_long_is_refused_with_what_to_do() {
    let world = World::new();
    let long = world.path(&"x".repeat(100));
    fs::create_dir_all(&long).unwrap();
    let mut smp = world.smp(&["boot", "--no-build", "--gdb"]);
    smp.env("TMPDIR", &long);
    finish(smp).refused(1, &["path of a socket", "TMPDIR"]);
}
