//! Processor, memory, card.

use super::{Check, ask};
use crate::{
    host::{self, available_memory, meminfo, read},
    report,
};

const TOPIC: &str = "machine";

pub fn checks() -> Vec<Check> {
    let mut checks = vec![processor(), instructions()];
    checks.extend(memory());
    checks.extend(huge_pages());
    checks.push(card());
    checks
}

fn processor() -> Check {
    let cores = report::plural(host::cores() as u64, "core");
    let model = host::processor().unwrap_or_else(|| "unknown".into());
    Check::ok(TOPIC, "processor", format!("{model}, {cores} for this process"))
}

fn instructions() -> Check {
    #[cfg(target_arch = "x86_64")]
    {
        let has = [
            ("SSE4.1", std::arch::is_x86_feature_detected!("sse4.1")),
            ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
            ("AVX-512", std::arch::is_x86_feature_detected!("avx512f")),
        ];
        let names: Vec<_> = has.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        Check::ok(TOPIC, "instructions", names.join(", "))
            .advice_if(!has[1].1, "without AVX2 batches are the same and take up to twice as long")
    }
    #[cfg(not(target_arch = "x86_64"))]
    Check::ok(TOPIC, "instructions", std::env::consts::ARCH)
        .advice("rfx was tested on x86-64 only; batches are the same by construction, and slower")
}

fn memory() -> Option<Check> {
    let (total, available) = (meminfo("MemTotal")?, available_memory()?);
    let cached = meminfo("Cached").unwrap_or(0);
    let mut found = format!(
        "{}, {} available, {} page cache",
        report::bytes(total),
        report::bytes(available),
        report::bytes(cached)
    );
    // A container may be allowed less than the machine has.
    let limit = read("/sys/fs/cgroup/memory.max").and_then(|text| text.parse::<u64>().ok());
    if let Some(limit) = limit.filter(|&limit| limit < total) {
        found += &format!(", of which this container may use {}", report::bytes(limit));
    }
    Some(Check::ok(TOPIC, "memory", found))
}

fn huge_pages() -> Option<Check> {
    let text = read("/sys/kernel/mm/transparent_hugepage/enabled")?;
    let chosen = text.split(['[', ']']).nth(1)?.to_owned();
    Some(Check::ok(TOPIC, "huge pages", chosen))
}

fn card() -> Check {
    let none = || Check::ok(TOPIC, "card", "no NVIDIA card; networks are trained on the processor");
    let Some(driver) = read("/proc/driver/nvidia/version") else { return none() };
    let version = driver.lines().next().unwrap_or_default().to_owned();
    match ask("nvidia-smi", &["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]) {
        Ok(cards) if !cards.is_empty() => Check::ok(TOPIC, "card", cards.replace('\n', "; ")),
        _ => Check::ok(TOPIC, "card", version)
            .advice("a driver is loaded, and nvidia-smi does not answer: check it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_gets_an_answer() {
        assert!(checks().len() >= 3);
    }
}
