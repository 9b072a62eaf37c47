//! Which of the host's cores a thread may use.

use anyhow::Result;

/// The cores that this thread may use.
#[cfg(target_os = "linux")]
pub fn mine() -> Result<Vec<usize>> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let all = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect())
}

/// Lets a thread, by its number, or this one use these cores alone.
#[cfg(target_os = "linux")]
pub fn confine(thread: Option<i32>, cores: &[usize]) -> Result<()> {
    use rustix::process::Pid;
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    Ok(sched_setaffinity(thread.and_then(Pid::from_raw), &set)?)
}

/// No other system is known to have a call for it.
#[cfg(not(target_os = "linux"))]
pub fn mine() -> Result<Vec<usize>> {
    anyhow::bail!("threads cannot be kept to cores on this system")
}

/// No other system is known to have a call for it.
#[cfg(not(target_os = "linux"))]
pub fn confine(_thread: Option<i32>, _cores: &[usize]) -> Result<()> {
    mine().map(|_| ())
}
