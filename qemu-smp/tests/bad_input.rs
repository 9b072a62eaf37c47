//! Bad input and machines that lack something: a clear error and a failing status, each time.

mod common;

use common::{World, eventually, finish, kill, wait};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};

#[test]
fn an_unknown_command_is_named() {
    finish(World::new().smp(&["verfy"])).refused(2, &["verfy", "verify"]);
    finish(World::new().smp(&[])).refused(2, &["Usage", "Examples"]);
}

#[test]
fn an_unknown_variant_is_answered_with_the_known_ones() {
    for command in ["boot", "models", "soak"] {
        finish(World::new().smp(&[command, "--variant", "fxied"]))
            .refused(1, &["`fxied`", "seed", "fixed-a1"]);
    }
}

#[test]
fn an_unknown_model_is_answered_with_the_known_ones() {
    finish(World::new().smp(&["models", "nonsense"]))
        .refused(1, &["`nonsense`", "a1-model", "b1-model"]);
}

#[test]
fn a_variant_that_no_chosen_model_knows_is_no_pass() {
    finish(World::new().smp(&["models", "a1-model", "--variant", "fixed-b1"]))
        .refused(1, &["a1-model", "fixed-b1"]);
}

#[test]
fn the_number_of_cpus_is_between_1_and_32() {
    for number in ["0", "33", "500", "-1", "four"] {
        let smp = format!("--smp={number}");
        finish(World::new().smp(&["boot", &smp])).refused(2, &[number, "--smp"]);
    }
}

#[test]
fn a_deadline_or_a_limit_of_nothing_is_refused() {
    finish(World::new().smp(&["boot", "--deadline", "0"])).refused(2, &["--deadline"]);
    finish(World::new().smp(&["models", "--max-seconds", "0"])).refused(2, &["--max-seconds"]);
    finish(World::new().smp(&["boot", "--tests", "a b"])).refused(2, &["--tests"]);
    let most = u64::MAX.to_string();
    for args in [
        ["boot", "--deadline"],
        ["soak", "--silence"],
        ["models", "--max-seconds"],
        ["verify", "--max-seconds"],
        ["teeth", "--max-seconds"],
    ] {
        finish(World::new().smp(&[args[0], args[1], &most])).refused(2, &[args[1], "31536000"]);
    }
    // The longest that is taken is no trouble.
    let world = World::new();
    finish(world.smp(&["boot", "--no-build", "--deadline", "31536000"])).passed();
}

#[test]
fn options_of_an_image_are_read_as_the_kernel_would() {
    for (words, why) in
        [("sede=7", "no option `sede`"), ("seed", "key=value"), ("seed=x", "seed=x")]
    {
        finish(World::new().smp(&["iso", "--append", words])).refused(2, &["--append", why]);
    }
}

#[test]
fn a_clock_with_which_no_test_would_end_is_refused() {
    for command in ["boot", "soak"] {
        for (smp, shift, most) in
            [("4", "7", "0 to 6"), ("4", "10", "0 to 6"), ("32", "6", "0 to 5")]
        {
            finish(World::new().smp(&[command, "--smp", smp, "--icount", shift]))
                .refused(1, &[&format!("--icount {shift}"), most]);
        }
        finish(World::new().smp(&[command, "--icount=x"])).refused(2, &["--icount"]);
    }
}

#[test]
fn a_soak_that_makes_no_sense_is_refused() {
    let soak = |args: &[&str]| finish(World::new().smp(&[&["soak"][..], args].concat()));
    for minutes in ["0", "-1", "nan", "soon"] {
        soak(&[&format!("--minutes={minutes}")]).refused(2, &["--minutes", "0.01"]);
    }
    soak(&["--rounds", "0"]).refused(2, &["--rounds"]);
    soak(&["--minutes", "1", "--rounds", "1"]).refused(2, &["--minutes", "--rounds"]);
    soak(&["--at-least", "deaths=1"]).refused(2, &["--at-least", "shootdowns"]);
    soak(&["--icount", "3", "--accel", "kvm"]).refused(1, &["--accel tcg"]);
}

#[test]
fn missing_qemu_without_installing_says_what_to_do() {
    for command in ["boot", "soak", "verify", "test", "setup"] {
        let world = World::new().without("qemu-system-i386");
        finish(world.smp(&[command, "--no-install"]))
            .refused(1, &["qemu-system-i386", "not in PATH"]);
    }
}

#[test]
fn missing_qemu_where_no_package_manager_is_known_says_so() {
    let world = World::new().without("qemu-system-i386");
    finish(world.smp(&["boot"])).refused(1, &["QEMU", "package manager"]);
}

/// A package manager that is cut in the middle leaves a system that nobody repairs.
#[test]
fn a_package_manager_is_waited_for_whatever_happens() {
    let world = World::new().without("qemu-system-i386");
    let apt = "#!/bin/sh\necho \"$$\" >\"$FAKE_HOME/pids.new\"\nmv \"$FAKE_HOME/pids.new\" \"$FAKE_HOME/pids\"\n\
        sleep 3\n: >\"$FAKE_HOME/whole\"\n";
    // As root there is no sudo before it.
    for program in ["apt-get", "sudo"] {
        std::fs::write(world.path("bin").join(program), apt).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(world.path("bin").join(program), mode).unwrap();
    }
    let child = world.smp(&["boot"]).spawn().unwrap();
    let number = world.pids();
    kill(child.id(), SIGTERM);
    let output = wait(child);
    assert!(world.path("whole").exists(), "it was cut: {output:?}");
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("waits until `") && err.contains("half installed"), "{err}");

    // A second signal, or a killed smp, leaves it to itself.
    let _ = std::fs::remove_file(world.path("whole"));
    let _ = std::fs::remove_file(world.path("pids"));
    let child = world.smp(&["boot"]).spawn().unwrap();
    assert_ne!(world.pids(), number);
    kill(child.id(), SIGKILL);
    wait(child);
    eventually("it comes to its end", || world.path("whole").exists());
}

#[test]
fn missing_rust_src_says_what_to_do() {
    let world = World::new();
    std::fs::remove_dir_all(world.path("sysroot")).unwrap();
    let args = ["--kernel-toolchain", "rustup", "boot", "--no-install"];
    finish(world.smp(&args)).refused(1, &["rust-src", "--no-install"]);
}

#[test]
fn a_check_reports_and_fails_if_something_is_missing() {
    let world = World::new();
    finish(world.smp(&["setup", "--check"])).passed();
    let world = world.without("qemu-system-i386");
    finish(world.smp(&["setup", "--check"])).refused(1, &["MISSING", "QEMU"]);
}

#[test]
fn a_kernel_that_was_not_built_is_named() {
    let world = World::new();
    std::fs::remove_file(world.path("target/kernel/fixed.elf")).unwrap();
    finish(world.smp(&["boot", "--no-build"]))
        .refused(1, &["fixed.elf", "is missing", "cargo smp"]);
}

#[test]
fn outside_of_the_workspace_nothing_is_tried() {
    let world = World::new();
    let mut smp = world.smp(&["boot"]);
    smp.env_remove("CARGO_MANIFEST_DIR").current_dir("/");
    finish(smp).refused(1, &["not inside the mmu386 workspace"]);
}
