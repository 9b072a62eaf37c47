//! Crash reports of the real kernel: whatever the end, every CPU says where it was, in source lines.

mod real;

use real::{boot, place};
use serde_json::Value;

const BAD_ENDS: &str = "kernel/src/tests/bad_ends.rs";

/// Every source line that a CPU's report names.
fn lines(cpu: &Value) -> Vec<String> {
    let frames = cpu["backtrace"].as_array().unwrap().iter().map(|frame| &frame["lines"]);
    let all = [&cpu["at"]].into_iter().chain(frames);
    all.flat_map(|lines| lines.as_array().unwrap())
        .map(|line| line.as_str().unwrap().to_owned())
        .collect()
}

fn is_at(cpu: &Value, place: &str) -> bool {
    lines(cpu).iter().any(|line| line.ends_with(place))
}

/// All CPUs are told by `source`, each with registers, events and a place that makes sense: one is at
/// each of `guilty`, and all others do nothing. Returns the guilty.
#[track_caller]
fn accounts_for(report: &Value, cpus: usize, source: &str, guilty: &[&str]) -> Vec<Value> {
    let told = report["cpus"].as_array().unwrap();
    let mut numbers: Vec<_> = told.iter().map(|cpu| cpu["cpu"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..cpus as u64).collect::<Vec<_>>(), "{report:#}");
    // Where the others are: looking for work, or, CPU 0 alone, on its way from the tests' start to there.
    let innocent = [
        place("kernel/src/sched.rs", "let p = runproc();"),
        place("kernel/src/smp.rs", "apic::timer_start();"),
        place("kernel/src/main.rs", "tests::start("),
        place("kernel/src/main.rs", "smp::schedule_on("),
    ];
    let mut found = Vec::new();
    for cpu in told {
        assert_eq!(cpu["source"], source, "{report:#}");
        assert_ne!(cpu["registers"]["cr3"], 0, "{report:#}");
        assert_eq!(cpu["registers"]["cs"], 0x10, "{report:#}");
        let events = cpu["events"].as_array().unwrap();
        assert!(!events.is_empty(), "CPU {} did nothing: {report:#}", cpu["cpu"]);
        let times: Vec<_> = events.iter().map(|event| event["tsc"].as_u64().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
        if guilty.iter().any(|place| is_at(cpu, place)) {
            assert!(!cpu["backtrace"].as_array().unwrap().is_empty(), "{report:#}");
            found.push(cpu.clone());
        } else {
            assert!(innocent.iter().any(|place| is_at(cpu, place)), "{innocent:?}: {report:#}");
            assert_eq!(cpu["process"], Value::Null, "{report:#}");
        }
    }
    for place in guilty {
        assert!(found.iter().any(|cpu| is_at(cpu, place)), "nobody is at {place}: {report:#}");
    }
    found
}

#[track_caller]
fn ends_badly(tests: &str, cpus: usize, kind: &str, source: &str, guilty: &[&str]) -> Vec<Value> {
    let smp = cpus.to_string();
    // Long enough for a boot on a busy host; only what hangs takes it all.
    let (status, report) = boot(&["--smp", &smp, "--tests", tests, "--deadline", "15"]);
    assert_eq!(status, Some(1));
    assert_eq!(report["problems"][0]["kind"], kind, "{report:#}");
    accounts_for(&report, cpus, source, guilty)
}

#[test]
fn a_panic_is_traced_to_source_lines() {
    let line = place(BAD_ENDS, r#""panic" => panic!("#);
    let guilty = ends_badly("panic", 4, "panic", "kernel", &[&line]);
    assert_eq!(guilty.len(), 1);
    assert_eq!(guilty[0]["process"]["name"], "tests");
}

#[test]
fn a_cpu_with_interrupts_off_is_stopped_by_a_panic_elsewhere() {
    let (panics, deaf) =
        (place(BAD_ENDS, "panic!(\"beside a CPU"), place(BAD_ENDS, "core::hint::spin_loop();"));
    let guilty = ends_badly("deaf", 3, "panic", "kernel", &[&panics, &deaf]);
    let deaf = guilty.iter().find(|cpu| is_at(cpu, &deaf)).unwrap();
    assert_eq!((&deaf["process"]["name"], &deaf["interrupts"]), (&"deaf".into(), &false.into()));
}

#[test]
fn a_fault_is_a_panic_with_its_address_and_its_line() {
    let line = place(BAD_ENDS, "nowhere.read_volatile()");
    let guilty = ends_badly("fault", 2, "panic", "kernel", &[&line]);
    assert_eq!(guilty[0]["registers"]["cr2"], 0xE000_0000_u32);
    let last = guilty[0]["events"].as_array().unwrap().last().unwrap();
    assert!(last["what"].as_str().unwrap().contains("page fault at va=0xe0000000"), "{last}");
}

#[test]
fn an_overflow_of_the_stack_is_a_panic_with_its_line() {
    let line = place(BAD_ENDS, "overflow(depth + 1)");
    let guilty = ends_badly("overflow", 2, "panic", "kernel", &[&line]);
    assert_ne!(guilty[0]["registers"]["cr2"], 0);
}

/// The report of a double fault is made on a stack of its own, which has room to spare.
#[test]
fn the_report_of_an_overflow_fits_its_stack() {
    let (_, report) = boot(&["--smp", "4", "--tests", "overflow", "--deadline", "15"]);
    let console = report["said"]["console"].as_array().unwrap();
    let line = console.iter().filter_map(Value::as_str).find_map(|line| {
        line.strip_prefix("report: ")?.strip_suffix(" bytes of stack")?.split_once(" of ")
    });
    let (used, size) = line.unwrap_or_else(|| panic!("no measure of the stack: {report:#}"));
    let (used, size): (usize, usize) = (used.parse().unwrap(), size.parse().unwrap());
    // Less than that would mean that the measure sees nothing.
    assert!((2000..=size / 2).contains(&used), "{used} of {size} bytes");
}

/// The hole below a stack is one page. A frame that is larger touches it all the same, as the compiler has
/// been told to look into each page on the way.
#[test]
fn a_frame_that_is_larger_than_the_hole_does_not_leap_over_it() {
    let line = place(BAD_ENDS, "leap() + black_box");
    let guilty = ends_badly("leap", 2, "panic", "kernel", &[&line]);
    let (_, report) = boot(&["--smp", "2", "--tests", "leap", "--deadline", "15"]);
    assert!(report["summary"].to_string().contains("kernel stack overflow"), "{report:#}");
    assert_eq!(guilty.len(), 1, "{guilty:#?}");
}

#[test]
fn a_triple_fault_is_called_one_and_traced() {
    let line = place(BAD_ENDS, r#"core::arch::asm!("int3")"#);
    let guilty = ends_badly("triplefault", 2, "reset", "qemu", &[&line]);
    assert_eq!(guilty[0]["process"]["name"], "tests");
}

#[test]
fn a_hanging_kernel_is_stopped_and_every_cpu_is_traced() {
    let line = place(BAD_ENDS, "core::hint::spin_loop();");
    let guilty = ends_badly("hang", 3, "hang", "qemu", &[&line]);
    assert_eq!(guilty[0]["interrupts"], false);
    assert_eq!(guilty[0]["halted"], false);
}

/// There is no number of a CPU yet to be told, and no page that would have it.
#[test]
fn a_panic_before_paging_says_what_it_is() {
    let (status, report) = boot(&["--smp", "2", "--tests", "unpaged", "--deadline", "15"]);
    assert_eq!(status, Some(1));
    assert_eq!(report["problems"][0]["kind"], "panic", "{report:#}");
    assert!(report["summary"].to_string().contains("asked for before paging"), "{report:#}");
}

/// What a kernel without tables of a BIOS's says, as under UEFI.
#[test]
fn firmware_without_acpi_is_called_that() {
    let args = ["--smp", "1", "--tests", "boot", "--deadline", "15", "--", "-machine", "acpi=off"];
    let (status, report) = boot(&args);
    assert_eq!(status, Some(1));
    assert!(report["summary"].to_string().contains("PC with a BIOS"), "{report:#}");
}

#[test]
fn a_cpu_that_does_not_come_up_is_named() {
    let (status, report) = boot(&["--smp", "2", "--tests", "lostcpu", "--deadline", "15"]);
    assert_eq!(status, Some(1));
    assert!(report["summary"].to_string().contains("did not come up"), "{report:#}");
    let waits = place("kernel/src/main.rs", "smp::start_all(");
    let told = report["cpus"].as_array().unwrap();
    assert_eq!(told.len(), 2, "{report:#}");
    assert!(told.iter().any(|cpu| cpu["cpu"] == 0 && is_at(cpu, &waits)), "{report:#}");
}
