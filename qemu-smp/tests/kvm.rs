//! Before a kernel is blamed for what happens under KVM, a guest of a few instructions is asked.

mod common;

use common::{Finished, World, finish};

fn boot(kvm: &str, command: &str) -> Finished {
    let world = World::new();
    let mut smp = world.smp(&[command, "--no-build", "--accel", "kvm", "--smp", "1"]);
    finish({
        smp.env("FAKE_KVM", kvm);
        smp
    })
}

#[test]
fn a_host_without_kvm_or_with_one_that_runs_no_such_guest_is_told_what_it_lacks() {
    let blame = ["nothing can be said of the kernel", "--accel tcg"];
    boot("none", "boot").refused(1, &["it never ran", "Could not access KVM", blame[0], blame[1]]);
    boot("stops", "boot").refused(1, &["did not come beyond switching paging on", blame[0]]);
    boot("old", "boot").refused(1, &["signal: 6", "with -cpu qemu32 it does", blame[0]]);
    boot("none", "soak").refused(1, &["INCONCLUSIVE", blame[0]]);
}

#[test]
fn a_host_whose_kvm_runs_it_boots_the_kernel() {
    let finished = boot("good", "boot");
    finished.passed();
    assert!(finished.out.contains("fixed on 1 CPUs (kvm)"), "{finished:?}");
}
