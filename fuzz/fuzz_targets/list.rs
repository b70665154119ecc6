//! A list by somebody else: every line is taken or counted as rejected, and the snapshot judges names.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use policy::{Compiler, Decision, FAULTS_KEPT, Format, ListAction, ListInfo};
use wire::name::Folded;

fuzz_target!(|bytes: &[u8]| {
    for format in [Format::Auto, Format::Hosts, Format::Domains, Format::Adblock] {
        let info = ListInfo { name: Arc::from("fuzz"), action: ListAction::Block, format, ede: 15 };
        let mut compiler = Compiler::new(7);
        let Ok(report) = compiler.add(info, bytes) else { panic!("a slice of bytes cannot fail to be read") };
        assert!(report.faults.len() <= FAULTS_KEPT);
        assert!(report.faults.len() as u64 <= report.rejected);
        let policy = compiler.finish();
        assert!(policy.rules() <= report.rules);
        for line in bytes.split(|octet| *octet == b'\n').take(64) {
            if let Some(name) = std::str::from_utf8(line).ok().and_then(Folded::from_text) {
                let verdict = policy.judge(&name);
                assert_eq!(verdict.decision == Decision::Pass, verdict.by.is_none());
            }
        }
    }
});
