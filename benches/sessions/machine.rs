//! What the kernel says: about this machine, and about a process that is measured.

use std::{fs, process::Stdio};

use tokio::process::Command;

use crate::Result;

/// `/proc/PID/stat` counts in these; Linux has shown 100 a second to programs since ever.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor, memory, system and OpenSSH, in one line.
pub async fn describe() -> String {
    let line = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default();
        line.split_once(':')
            .map_or("", |(_, value)| value)
            .trim()
            .to_owned()
    };
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory_kib: u64 = line("/proc/meminfo", "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_default();
    let ssh = Command::new("ssh")
        .arg("-V")
        .stdin(Stdio::null())
        .output()
        .await;
    let ssh = ssh.map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    format!(
        "{processors} × {}, {} GiB, Linux {}, {}",
        line("/proc/cpuinfo", "model name"),
        memory_kib.div_ceil(1024 * 1024),
        kernel.trim(),
        ssh.unwrap_or_default(),
    )
}

/// Processor time that a process has used so far with all its threads, in seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which stands in brackets and may hold anything: utime and stime are the
    // 14th and 15th field of the line, proc(5).
    let after = stat.rsplit_once(')').ok_or("a stat line without a name")?.1;
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || -> Result<f64> { Ok(fields.next().ok_or("a short stat line")?.parse()?) };
    Ok((next()? + next()?) / TICKS_PER_SECOND)
}

/// Resident memory of a process in KiB: all of it, and its share of what others map as well.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub rss_kib: f64,
    pub pss_kib: f64,
}

pub fn memory(pid: u32) -> Result<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let of = |key: &str| -> Result<f64> {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key));
        let value = line
            .ok_or("smaps_rollup without it")?
            .trim()
            .trim_end_matches(" kB");
        Ok(value.parse()?)
    };
    Ok(Memory {
        rss_kib: of("Rss:")?,
        pss_kib: of("Pss:")?,
    })
}
