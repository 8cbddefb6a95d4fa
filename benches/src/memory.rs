//! How much memory a process took (proc(5), `/proc/<pid>/status`).

use anyhow::Context;

/// The most that a process ever had in memory, in MiB (`VmHWM`).
pub fn peak_resident_mib(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u32 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(f64::from(kib) / 1_024.0)
}
