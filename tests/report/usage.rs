//! What was used: each process once, whoever waits for it.

use crate::report;
use crate::support::probe;
use serde_json::Value;

fn cpu(report: &Value) -> f64 {
    let part = |name: &str| report["cpu"][name].as_f64().unwrap_or(f64::NAN);
    part("user") + part("system")
}

#[test]
fn processor_time_is_that_of_all_processes_each_counted_once() {
    for way in ["waits", "leaves", "ignores", "thread"] {
        let (ran, report) = report("permissive", &[], &[probe(), "spin", "500", way]);
        let ran = ran.ends_with(0);
        let cpu = cpu(&report);
        if !(0.9..=1.2).contains(&cpu) {
            ran.fail(&format!("twice 0.5 s ({way}) is not {cpu}"));
        }
        let processes = if way == "thread" { 1 } else { 2 };
        assert_eq!(report["processes"], processes, "{way}");
        assert_eq!(report["tasks"]["total"], 2, "{way}");
    }
}

#[test]
fn a_child_that_its_parent_and_its_grandparent_wait_for_is_counted_once() {
    let script = r#"sh -c '"$0" spin 300 waits; :' "$0"; :"#;
    let (ran, report) = report("permissive", &[], &["sh", "-c", script, probe()]);
    let ran = ran.ends_with(0);
    let cpu = cpu(&report);
    if !(0.55..=0.75).contains(&cpu) {
        ran.fail(&format!("twice 0.3 s is not {cpu}"));
    }
}

#[test]
fn memory_is_that_of_the_largest_process() {
    let peak = |size: &str| {
        let (ran, report) = report("permissive", &[], &[probe(), "fill", size]);
        ran.ends_with(0);
        report["memory"]["peak"].as_u64().unwrap_or_default() >> 20
    };
    let (small, large) = (peak("0"), peak("64"));
    assert!(small < 32, "{small} MiB");
    assert!((64..96).contains(&large), "{large} MiB");
}

#[test]
fn tasks_are_counted_at_one_time_and_in_all() {
    let (ran, report) = report("permissive", &[], &[probe(), "threads", "5", "3"]);
    ran.ends_with(0);
    assert_eq!(report["processes"], 1);
    assert_eq!(report["tasks"]["total"], 16);
    let most = report["tasks"]["most"].as_u64().unwrap_or_default();
    // A thread may be joined an instant before its end is told.
    assert!((6..=11).contains(&most), "{most}");
    let (ran, one) = crate::report("permissive", &[], &[probe(), "threads", "5", "1"]);
    ran.ends_with(0);
    assert_eq!(one["tasks"], serde_json::json!({"most": 6, "total": 6}));
}

#[test]
fn an_execve_from_a_thread_makes_no_process_and_loses_no_task() {
    let command = [probe(), "exec-from-thread", "5", "true"];
    let (ran, report) = report("permissive", &[], &command);
    ran.ends_with(0);
    assert_eq!(report["processes"], 1);
    assert_eq!(report["tasks"], serde_json::json!({"most": 5, "total": 5}));
}

#[test]
fn the_clock_of_a_run_goes_from_its_start_to_its_last_process() {
    let (ran, report) = report("permissive", &[], &["sh", "-c", "sleep 0.4 &"]);
    ran.ends_with(0);
    let wall = report["wall"].as_f64().unwrap_or_default();
    assert!((0.4..10.0).contains(&wall), "{wall}");
    assert!(cpu(&report) < 0.4, "{report:#}");
}
