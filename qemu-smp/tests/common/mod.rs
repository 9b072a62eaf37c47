//! A workspace of impostors: no QEMU, no kernel and no models, but programs that behave as they
//! would, well or badly. `smp` itself is the real one.
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything in these tests may take; far more than it does.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The impostors' workspace.
pub struct World {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl World {
    /// A workspace in which everything is there and behaves well.
    pub fn new() -> Self {
        Self::called("world")
    }

    /// The same in a folder of this name.
    pub fn called(name: impl AsRef<OsStr>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self { root: dir.path().join(name.as_ref()), _dir: dir };
        for package in ["qemu-smp", "kernel"] {
            fs::create_dir_all(world.path(package)).unwrap();
            fs::write(world.path(package).join("Cargo.toml"), "").unwrap();
        }
        fs::write(world.path("kernel/i686-mmu386.json"), "{}").unwrap();
        fs::create_dir_all(world.path("target/kernel")).unwrap();
        fs::create_dir_all(world.path("sysroot/lib/rustlib/src/rust/library/core")).unwrap();
        fs::write(world.path("sysroot/lib/rustlib/src/rust/library/core/Cargo.toml"), "").unwrap();
        fs::create_dir_all(world.path("sysroot/lib/rustlib/host/bin")).unwrap();
        for tool in ["llvm-cov", "llvm-profdata"] {
            fs::write(world.path("sysroot/lib/rustlib/host/bin").join(tool), "").unwrap();
        }
        fs::create_dir_all(world.path("bin")).unwrap();
        for (name, script) in [
            ("qemu-system-i386", "qemu"),
            ("cargo", "cargo"),
            ("rustc", "rustc"),
            ("models", "models"),
            ("grub-mkrescue", "mkrescue"),
        ] {
            let from =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fake/{script}.sh"));
            let to = world.path("bin").join(name);
            fs::copy(from, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
        }
        // For GRUB's part a look is all.
        fs::create_dir_all(world.path("lib/grub/i386-pc")).unwrap();
        for tool in ["xorriso", "mformat"] {
            fs::copy(world.path("bin/rustc"), world.path("bin").join(tool)).unwrap();
        }
        // The impostors' own tools, and nothing else: no package manager, no rustup, no real QEMU.
        for tool in ["sh", "sleep", "mv"] {
            symlink(which::which(tool).unwrap(), world.path("bin").join(tool)).unwrap();
        }
        for variant in ["seed", "fixed"] {
            fs::write(world.path(&format!("target/kernel/{variant}.elf")), "").unwrap();
        }
        world
    }

    /// A path in the workspace.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Takes a program away.
    pub fn without(self, program: &str) -> Self {
        fs::remove_file(self.path("bin").join(program)).unwrap();
        self
    }

    /// `smp` in this workspace.
    pub fn smp(&self, args: &[&str]) -> Command {
        let mut smp = Command::new(env!("CARGO_BIN_EXE_smp"));
        smp.args(args).current_dir(&self.root).env_clear();
        smp.env("PATH", self.path("bin")).env("CARGO_MANIFEST_DIR", self.path("qemu-smp"));
        smp.env("FAKE_HOME", &self.root).env("SMP_MODELS", self.path("bin/models"));
        // What a killed run leaves goes away with this workspace.
        smp.env("TMPDIR", &self.root);
        smp.env("FAKE_QEMU", "good").env("FAKE_MODELS", "good");
        smp.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        smp
    }

    /// The process numbers that an impostor wrote down, once it has.
    pub fn pids(&self) -> Vec<i32> {
        let file = self.path("pids");
        eventually("the impostor writes its numbers", || file.is_file());
        let text = fs::read_to_string(file).unwrap();
        text.split_whitespace().map(|number| number.parse().unwrap()).collect()
    }
}

/// Runs to the end, under a deadline.
pub fn finish(mut command: Command) -> Finished {
    let begun = Instant::now();
    let child = command.spawn().unwrap();
    let output = wait(child);
    Finished {
        status: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        time: begun.elapsed(),
    }
}

/// Waits for a child under a deadline.
pub fn wait(child: Child) -> Output {
    let number = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(PATIENCE * 5) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            kill(number, nix::sys::signal::Signal::SIGKILL);
            panic!("smp did not end");
        }
    }
}

/// What a finished command left.
#[derive(Debug)]
pub struct Finished {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
    pub time: Duration,
}

impl Finished {
    /// Demands a failure whose message holds all of these words.
    #[track_caller]
    pub fn refused(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:?}");
        for word in words {
            assert!(
                self.err.contains(word) || self.out.contains(word),
                "`{word}` is not said: {self:?}"
            );
        }
    }

    /// Demands success.
    #[track_caller]
    pub fn passed(&self) {
        assert_eq!(self.status, Some(0), "{self:?}");
    }
}

/// Sends a signal.
pub fn kill(number: u32, signal: nix::sys::signal::Signal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(number.cast_signed()), signal);
}

/// Waits until something holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "this never came: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs; a zombie that nobody reaps does not.
pub fn alive(number: i32) -> bool {
    match fs::read_to_string(format!("/proc/{number}/stat")) {
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z')),
        Err(_) if Path::new("/proc/self").exists() => false,
        Err(_) => nix::sys::signal::kill(nix::unistd::Pid::from_raw(number), None).is_ok(),
    }
}
