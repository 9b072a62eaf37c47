//! Installs what is missing, after saying so.

use std::io::{IsTerminal, stdin};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Need, Options, State, look, look_at};
use crate::paths::Paths;
use crate::process::{capture_whole, clean_cargo, command, interrupted};
use crate::progress::Progress;

/// One command of a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Program and arguments.
    pub words: Vec<String>,
    /// Variables that it is run with.
    pub environment: Vec<(&'static str, &'static str)>,
}

impl Step {
    /// A step without variables.
    pub(super) fn new<const N: usize>(words: [&str; N]) -> Self {
        Self { words: words.map(str::to_owned).to_vec(), environment: Vec::new() }
    }

    /// The step as one would type it.
    pub fn line(&self) -> String {
        self.words.join(" ")
    }
}

/// Makes sure that the machine has what is needed: installs what is missing, or prints how to.
pub fn ensure(paths: &Paths, needs: &[Need], options: Options) -> Result<()> {
    let states = look(paths, needs, options);
    let missing: Vec<&State> = states.iter().filter(|state| state.found.is_err()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if options.no_install {
        bail!("{}", explain(&missing));
    }
    for &need in needs {
        // Looked at again, because one remedy can change what the next one has to do.
        let state = look_at(paths, need, options);
        if state.found.is_err() {
            provide(paths, &state, options)?;
        }
    }
    Ok(())
}

/// The commands that would provide what is missing.
fn explain(missing: &[&State]) -> String {
    let mut text = String::from("something is missing and --no-install was given. Run:");
    for state in missing {
        let why = state.found.as_ref().err().map_or("", String::as_str);
        text.push_str(&format!("\n  # {}: {why}", state.name));
        match state.remedies.first() {
            Some(steps) => {
                steps.iter().for_each(|step| text.push_str(&format!("\n  {}", step.line())))
            }
            None => text.push_str("\n  # no known way to install it here: install it by hand"),
        }
    }
    text
}

fn provide(paths: &Paths, state: &State, options: Options) -> Result<()> {
    let why = state.found.as_ref().err().map_or("", String::as_str);
    say::err!("set-up: {} is missing: {why}", state.name);
    let mut last = None;
    for steps in &state.remedies {
        match follow(paths, steps) {
            Ok(()) => {
                let now = look_at(paths, state.need, options);
                match now.found {
                    Ok(found) => {
                        say::err!("set-up: {}: {found}", state.name);
                        return Ok(());
                    }
                    Err(why) => last = Some(anyhow::anyhow!("still missing: {why}")),
                }
            }
            Err(error) => last = Some(error),
        }
        if interrupted() {
            bail!("interrupted while setting up {}", state.name);
        }
        if let Some(error) = &last {
            say::err!("set-up: that did not work: {error:#}");
        }
    }
    match last {
        Some(error) => Err(error).with_context(|| format!("cannot set up {}", state.name)),
        None => bail!(
            "cannot set up {}: {why}. No known package manager (apt-get, dnf, pacman, brew, rustup) is in \
             PATH: install it by hand and run this again",
            state.name
        ),
    }
}

fn follow(paths: &Paths, steps: &[Step]) -> Result<()> {
    for step in steps {
        if let Err(error) = run(paths, step) {
            // Package lists grow old: one refresh, one more try.
            let Some(at) = step.words.iter().position(|word| word == "apt-get") else {
                return Err(error);
            };
            if interrupted() || step.words.iter().any(|word| word == "update") {
                return Err(error);
            }
            let mut update = step.clone();
            update.words.truncate(at + 1);
            update.words.push("update".to_owned());
            run(paths, &update)?;
            run(paths, step)?;
        }
    }
    Ok(())
}

fn run(paths: &Paths, step: &Step) -> Result<()> {
    say::err!("set-up: will run: {}", step.line());
    let mut words = step.words.clone();
    if words[0] == "sudo" {
        // The password is asked here, in the foreground; the child itself never asks.
        if stdin().is_terminal() {
            let _ = Command::new("sudo").arg("--validate").status();
        }
        words.insert(1, "--non-interactive".to_owned());
    }
    let mut child = command(paths, &words[0]);
    child.args(&words[1..]).envs(step.environment.iter().copied());
    clean_cargo(&mut child, false);
    child.envs(step.environment.iter().copied());
    let progress = Progress::of(&format!("at `{}`", step.line()));
    // Whatever it takes: a package manager that is cut in the middle leaves a system to repair.
    let told = || {
        say::err!(
            "set-up: waits until `{}` has ended: to cut it could leave the system half installed. \
             A second interruption ends this process alone, and leaves that one to itself",
            step.line()
        );
    };
    let said = capture_whole(child, |line| progress.remark(line), told)?;
    said.checked(&format!("`{}`", step.line())).map_err(|error| match words[0] == "sudo" {
        true => error.context(
            "sudo was not to ask for a password here: run `sudo --validate` first, or the command itself",
        ),
        false => error,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_explained_with_commands() {
        let state = State {
            need: Need::Qemu,
            name: "QEMU",
            found: Err("not in PATH".to_owned()),
            remedies: vec![vec![Step::new(["apt-get", "install", "--yes", "qemu-system-x86"])]],
        };
        let text = explain(&[&state]);
        assert!(text.contains("QEMU: not in PATH"), "{text}");
        assert!(text.contains("\n  apt-get install --yes qemu-system-x86"), "{text}");
    }
}
