//! Every built-in policy's filter, run without a kernel against the judge and the reference.

use crate::cbpf::agreement::{HOSTS, assert_agreement};
use crate::cbpf::reference::sayings;
use jail::internal::plan::Plan;
use jail::internal::policy::{Policy, presets};

#[test]
fn each_preset_filters_as_it_is_judged() {
    for preset in presets() {
        let policy = Policy::preset(preset.name).unwrap();
        for host in &HOSTS {
            assert_agreement(&policy, host, 400, |name, args| {
                sayings(&policy, name, args)
            });
        }
    }
}

#[test]
fn each_preset_leaves_room_in_the_filter() {
    for preset in presets() {
        let policy = Policy::preset(preset.name).unwrap();
        let plan = Plan::new(&policy, &HOSTS[1]).unwrap();
        let len = plan.filter.len();
        assert!(
            len < 2048,
            "{} takes {len} of 4096 instructions",
            preset.name
        );
    }
}
