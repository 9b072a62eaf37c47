//! `cargo smp soak`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli::SoakArgs;
use crate::files::{self, Room};
use crate::guest::{Symbols, attended};
use crate::kernel;
use crate::lock::Turn;
use crate::paths::Paths;
use crate::process::interrupted;
use crate::progress::Progress;
use crate::setup::{self, Need, Options};
use crate::soak::{Control, Length, Plan, Soak, Step, Verdict, Watch, controls};
use crate::toolchain::{Choice, Toolchain};
use crate::variants::{SEED, UPSTREAM};

pub(super) fn run(paths: &Paths, toolchain: Choice, args: &SoakArgs) -> Result<bool> {
    let plan = args.plan()?;
    let options = Options { no_install: args.install.no_install, toolchain };
    let needs = if args.no_build { vec![Need::Qemu] } else { Need::GUEST.to_vec() };
    setup::ensure(paths, &needs, options)?;
    let output = args.output.clone().unwrap_or_else(|| {
        paths.target().join("soak").join(format!("{}-{}.json", plan.variant, plan.smp))
    });
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }

    // Two soaks of one name would write the same report.
    let shown = output.strip_prefix(paths.root()).unwrap_or(&output).display().to_string();
    let _turn = Turn::wait(paths, &shown)?;

    let seconds = match plan.length {
        Length::Time(ms) => ms as usize / 1000,
        Length::Rounds(_) => 0,
    };
    let progress = Progress::new(seconds);
    let work = Work { paths, toolchain, args, progress: &progress, plan: &plan };
    let room = Room::new()?;
    let window = room.path().join("window");

    // A soak of the code as found is its own control.
    let wants_controls = !args.no_control && ![SEED, UPSTREAM].contains(&plan.variant.as_str());
    let mut shown = Vec::new();
    if wants_controls {
        for variant in [SEED, UPSTREAM] {
            for step in controls(variant, plan.smp) {
                if !interrupted() {
                    shown.push(work.control(variant, &step, &window)?);
                }
            }
        }
    }

    let elf = work.kernel(&plan.variant)?;
    let boot = plan.boot(window.clone());
    progress.doing(&format!(
        "soaking {} on {} CPUs, accel {}, seed {}{}",
        plan.variant,
        plan.smp,
        plan.accel.resolve().name(),
        plan.seed,
        if seconds > 0 { format!(", for {seconds} s") } else { String::new() }
    ));
    let mut watch = Watch::new(&progress, &window, &[]).with_draft(&output);
    if plan.chaos && plan.icount.is_none() {
        watch = watch.with_stalls(plan.seed);
    }
    let report = attended(paths, &boot, &elf, &mut watch)?;
    watch.finish(&report.said);

    let symbols = Symbols::read(&elf);
    let soak = Soak::new(&plan, &report, &watch, &shown);
    let json = format!("{:#}\n", soak.json(&symbols));
    let written = files::write(&output, &json);
    if args.json {
        say::text!("{json}");
    } else {
        say::text!("{}", soak.text(&symbols));
    }
    let passed = soak.verdict == Verdict::Pass;
    written.with_context(|| {
        format!("cannot write {}: the report above is all there is", output.display())
    })?;
    if !args.json {
        say::out!("  all of it: {}", output.display());
    }
    Ok(passed)
}

struct Work<'a> {
    paths: &'a Paths,
    toolchain: Choice,
    args: &'a SoakArgs,
    progress: &'a Progress,
    plan: &'a Plan,
}

impl Work<'_> {
    fn kernel(&self, variant: &str) -> Result<PathBuf> {
        if self.args.no_build {
            return kernel::existing(self.paths, variant);
        }
        let toolchain = Toolchain::find(self.paths, self.toolchain)?;
        let name = toolchain.name();
        self.progress.doing(&format!("building the kernel ({variant}, {name} toolchain)"));
        kernel::build(self.paths, &toolchain, variant, |line| self.progress.remark(line))
    }

    fn control(&self, variant: &'static str, step: &Step, window: &Path) -> Result<Control> {
        let elf = self.kernel(variant)?;
        self.progress.doing(&format!(
            "control: {variant} has to show {} ({})",
            step.wanted.join(", "),
            step.tests
        ));
        let boot = step.boot(variant, self.plan, window.to_owned());
        let mut watch = Watch::new(self.progress, window, step.wanted);
        let report = attended(self.paths, &boot, &elf, &mut watch)?;
        watch.finish(&report.said);
        Ok(step.judge(&report, &watch))
    }
}
