//! `cargo smp soak`.

use std::fs;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cli::SoakArgs;
use crate::files::{self, Room};
use crate::guest::{Accel, Symbols, attended, probe};
use crate::kernel;
use crate::lock::Turn;
use crate::paths::Paths;
use crate::process::interrupted;
use crate::progress::Progress;
use crate::setup::{self, Need, Options};
use crate::soak::{Control, Length, Plan, Soak, Step, Verdict, Watch, controls, planted};
use crate::toolchain::{Choice, Toolchain};
use crate::variants::{SEED, UPSTREAM};

pub(super) fn run(paths: &Paths, toolchain: Choice, args: &SoakArgs) -> Result<bool> {
    let plan = args.plan()?;
    let output = match &args.output {
        Some(file) => absolute(file).context("cannot tell the current folder")?,
        None => paths.target().join("soak").join(format!("{}-{}.json", plan.variant, plan.smp)),
    };
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    // Two soaks of one name would write the same report.
    let shown = output.strip_prefix(paths.root()).unwrap_or(&output).display().to_string();
    let _turn = Turn::wait(paths, &shown)?;
    // An earlier run's word must not be taken for this one's, however this one ends.
    let mut draft = plan.draft("the soak did not come to its end: it still runs, or it was killed");
    draft["process"] = std::process::id().into();
    if files::write(&output, format!("{draft:#}\n")).is_err() && output.is_file() {
        files::forget(&output)?;
    }

    let soaked = soak(paths, toolchain, args, &plan, &output, draft);
    if let Err(error) = &soaked {
        let draft = plan.draft(&format!("{error:#}"));
        let _ = files::write(&output, format!("{draft:#}\n"));
        if args.json {
            say::out!("{draft:#}");
        } else {
            say::out!("INCONCLUSIVE: soak of {} on {} CPUs", plan.variant, plan.smp);
        }
    }
    match soaked? {
        (passed, None) => Ok(passed),
        (_, Some(error)) => Err(error.context(format!(
            "cannot write {}: the report above is all there is",
            output.display()
        ))),
    }
}

/// Soaks, and returns whether that was a pass, and why its report could not be written if so.
fn soak(
    paths: &Paths,
    toolchain: Choice,
    args: &SoakArgs,
    plan: &Plan,
    output: &Path,
    draft: Value,
) -> Result<(bool, Option<anyhow::Error>)> {
    let options = Options { no_install: args.install.no_install, toolchain };
    let needs = if args.no_build { vec![Need::Qemu] } else { Need::GUEST.to_vec() };
    setup::ensure(paths, &needs, options)?;
    if plan.accel == Accel::Kvm {
        probe(paths, plan.accel)?;
    }
    let seconds = match plan.length {
        Length::Time(ms) => ms as usize / 1000,
        Length::Rounds(_) => 0,
    };
    let progress = Progress::new(seconds);
    let work = Work { paths, toolchain, args, progress: &progress, plan };
    let room = Room::new()?;
    let window = room.path().join("window");

    // A soak of the code as found is its own control.
    let wants_controls = !args.no_control && ![SEED, UPSTREAM].contains(&plan.variant.as_str());
    let mut shown = Vec::new();
    if wants_controls {
        if !interrupted() {
            shown.push(work.control(&plan.variant, &planted(), &window)?);
        }
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
    let mut watch =
        Watch::new(&progress, &window, &[]).with_draft(output, draft).with_blind(args.blind);
    if plan.chaos && plan.icount.is_none() {
        watch = watch.with_stalls(plan.seed);
    }
    let report = attended(paths, &boot, &elf, &mut watch)?;
    watch.finish(&report.said);

    let symbols = Symbols::read(&elf);
    let soak = Soak::new(plan, &report, &watch, &shown);
    let json = format!("{:#}\n", soak.json(&symbols));
    let written = files::write(output, &json);
    if args.json {
        say::text!("{json}");
    } else {
        say::text!("{}", soak.text(&symbols));
        if written.is_ok() {
            say::out!("  all of it: {}", output.display());
        }
    }
    Ok((soak.verdict == Verdict::Pass, written.err()))
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

    fn control(&self, variant: &str, step: &Step, window: &Path) -> Result<Control> {
        let elf = self.kernel(variant)?;
        self.progress.doing(&match step.wanted.len() {
            1..4 => {
                format!(
                    "control: {variant} has to show {} ({})",
                    step.wanted.join(", "),
                    step.tests
                )
            }
            many => format!("control: {variant} has to find {many} defects ({})", step.tests),
        });
        let boot = step.boot(variant, self.plan, window.to_owned());
        let mut watch = Watch::new(self.progress, window, &step.wanted).with_blind(self.args.blind);
        let report = attended(self.paths, &boot, &elf, &mut watch)?;
        watch.finish(&report.said);
        Ok(step.judge(&report, &watch))
    }
}
