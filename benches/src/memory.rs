//! How much memory a process takes (proc(5), `/proc/<pid>/status`).

use anyhow::Context;

/// The most that a process ever had in memory, in MiB (`VmHWM`).
pub fn peak_resident_mib(pid: u32) -> anyhow::Result<f64> {
    Ok(status_kib(pid, "VmHWM:")? / 1_024.0)
}

/// What a process has in memory, in MB of a million bytes (`VmRSS`).
pub fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    Ok(status_kib(pid, "VmRSS:")? * 1_024.0 / 1_000_000.0)
}

fn status_kib(pid: u32, name: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    let kib: u32 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(f64::from(kib))
}
