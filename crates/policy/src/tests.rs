//! Lists in, verdicts out; and the naive matcher that the table must agree with.

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use wire::name::Folded;

use crate::{
    Compiler, Decision, FAULTS_KEPT, Format, LINE_BYTES_MAX, LISTS_MAX, ListAction, ListInfo, ListReport, Match,
    Policy, Verdict,
};

fn info(name: &str, action: ListAction) -> ListInfo {
    ListInfo { name: name.into(), action, format: Format::Auto, ede: 15 }
}

fn name(text: &str) -> Folded {
    Folded::from_text(text).unwrap()
}

/// One list a line, `allow NAME: rule; rule` or `block NAME: rule; rule`.
fn compile(lists: &str) -> Policy {
    let mut compiler = Compiler::new(0x5eed);
    for line in lists.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, rules) = line.split_once(':').unwrap();
        let (action, list) = head.split_once(' ').unwrap();
        let action = if action == "allow" { ListAction::Allow } else { ListAction::Block };
        let rules = rules.replace(';', "\n");
        let report = compiler.add(info(list, action), rules.as_bytes()).unwrap();
        assert_eq!(report.faults, [], "{line}");
    }
    compiler.finish()
}

fn told(matched: &Option<Match>) -> String {
    matched.as_ref().map_or("-".to_owned(), |matched| format!("{}:{}", matched.list.name, matched.rule))
}

fn show(verdict: &Verdict) -> String {
    match verdict.decision {
        Decision::Pass => {
            assert_eq!((&verdict.by, &verdict.over), (&None, &None));
            "pass".to_owned()
        }
        Decision::Allow => format!("allow {} over {}", told(&verdict.by), told(&verdict.over)),
        Decision::Block => format!("block {} over {}", told(&verdict.by), told(&verdict.over)),
    }
}

fn check(lists: &str, verdicts: &str) {
    let policy = compile(lists);
    for line in verdicts.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (question, expected) = line.split_once(' ').unwrap();
        assert_eq!(show(&policy.judge(&name(question))), expected.trim(), "{question} under {lists}");
    }
}

#[test]
fn a_rule_matches_what_its_scope_says() {
    check(
        "block ads: and.example; *.below.example; =exact.example",
        "
        and.example          block ads:and.example over -
        a.b.AND.example.     block ads:and.example over -
        below.example        pass
        a.below.example      block ads:*.below.example over -
        exact.example        block ads:=exact.example over -
        a.exact.example      pass
        example              pass
        sand.example         pass
        and.example.org      pass
        .                    pass
        ",
    );
}

#[test]
fn the_longest_suffix_wins() {
    check(
        "
        block ads: .example; bad.ok.example
        allow mine: ok.example
        ",
        "
        a.example            block ads:example over -
        ok.example           allow mine:ok.example over ads:example
        a.ok.example         allow mine:ok.example over ads:example
        bad.ok.example       block ads:bad.ok.example over mine:ok.example
        x.bad.ok.example     block ads:bad.ok.example over mine:ok.example
        example.org          pass
        ",
    );
}

#[test]
fn exactly_this_name_is_more_precise_than_this_name_and_below() {
    check(
        "
        block ads: =a.example; b.example
        allow mine: a.example; =b.example
        ",
        "
        a.example            block ads:=a.example over mine:a.example
        x.a.example          allow mine:a.example over -
        b.example            allow mine:=b.example over ads:b.example
        x.b.example          block ads:b.example over -
        ",
    );
}

#[test]
fn allow_wins_a_tie_and_the_first_list_is_named() {
    check(
        "
        block one: a.example; b.example
        block two: a.example; =b.example
        allow three: a.example
        allow four: a.example
        ",
        "
        a.example            allow three:a.example over one:a.example
        b.example            block two:=b.example over -
        c.b.example          block one:b.example over -
        ",
    );
}

#[test]
fn an_exception_on_a_block_list_allows() {
    check(
        "block ads: ||shop.example^; @@||ok.shop.example^",
        "
        shop.example         block ads:shop.example over -
        ok.shop.example      allow ads:@@ok.shop.example over ads:shop.example
        ",
    );
}

#[test]
fn a_hosts_line_blocks_the_host_only() {
    check(
        "block hosts: 127.0.0.1 localhost; 0.0.0.0 ads.example www.ads.example",
        "
        ads.example          block hosts:=ads.example over -
        www.ads.example      block hosts:=www.ads.example over -
        a.ads.example        pass
        localhost            pass
        ",
    );
}

#[test]
fn a_policy_without_rules_passes_everything() {
    let policy = Policy::empty();
    assert_eq!(policy.rules(), 0);
    assert_eq!(show(&policy.judge(&name("a.example"))), "pass");
    assert_eq!(show(&policy.judge(&name("."))), "pass");
}

#[test]
fn names_as_deep_as_names_can_be_are_judged() {
    let deepest = ["a"; 127].join(".");
    let rule = format!("={deepest}");
    check(&format!("block ads: {rule}"), &format!("{deepest} block ads:{rule} over -"));
    check("block ads: a.a", &format!("{deepest} block ads:a.a over -"));
}

#[test]
fn an_answer_that_leads_to_a_blocked_name_is_blocked() {
    let policy = compile(
        "
        block ads: tracker.example
        allow mine: shop.example; fine.tracker.example
        ",
    );
    let screen = |question: &str, targets: &[&str]| {
        let targets: Vec<Folded> = targets.iter().map(|target| name(target)).collect();
        let screened = policy.screen(&policy.judge(&name(question)), &targets);
        screened.map(|found| format!("{} {}", found.target, show(&found.verdict)))
    };
    let blocked = |at: usize| Some(format!("{at} block ads:tracker.example over -"));
    assert_eq!(screen("news.example", &["edge.tracker.example"]), blocked(0));
    assert_eq!(screen("news.example", &["cdn.example", "tracker.example"]), blocked(1));
    assert_eq!(screen("news.example", &["cdn.example", "fine.tracker.example"]), None);
    assert_eq!(screen("news.example", &[]), None);
    assert_eq!(screen("www.shop.example", &["edge.tracker.example"]), None, "the question was allowed");
}

fn report(bytes: &[u8]) -> ListReport {
    Compiler::new(1).add(info("ads", ListAction::Block), bytes).unwrap()
}

#[test]
fn faults_are_counted_and_the_first_are_kept_with_line_and_reason() {
    let list = "\u{feff}ads.example\r\n\r\n# comment\r\nbad..example\r\n127.0.0.1 localhost\r\nlast.example";
    let report = report(list.as_bytes());
    assert_eq!((report.rules, report.rejected, report.skipped), (2, 1, 1));
    assert_eq!(report.faults.len(), 1);
    let fault = &report.faults[0];
    assert_eq!(
        (fault.line, fault.text.as_str(), fault.reason.as_str()),
        (4, "bad..example", "name with an empty label")
    );
}

#[test]
fn more_faults_than_are_kept_are_counted() {
    let report = report("a..b\n".repeat(FAULTS_KEPT + 5).as_bytes());
    assert_eq!((report.rejected, report.faults.len()), (FAULTS_KEPT as u64 + 5, FAULTS_KEPT));
}

#[test]
fn a_line_too_long_is_one_fault_and_the_next_line_is_read() {
    for over in [0, 1, 2, 10 * LINE_BYTES_MAX] {
        let list = format!("# {}\nads.example\n", "x".repeat(LINE_BYTES_MAX - 2 + over));
        let report = report(list.as_bytes());
        assert_eq!((report.rules, report.rejected), (1, u64::from(over > 0)), "{over} too many");
        for fault in report.faults {
            assert_eq!((fault.line, fault.text.len()), (1, 120));
            assert_eq!(fault.reason, "longer than 4096 bytes");
        }
    }
}

/// Gives some bytes, then fails.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("disk on fire")),
            len => Ok(len),
        }
    }
}

#[test]
fn a_list_that_breaks_off_is_taken_back() {
    let mut compiler = Compiler::new(1);
    let broken = BufReader::new(Broken(b"half.example\n"));
    assert_eq!(compiler.add(info("half", ListAction::Block), broken).unwrap_err().to_string(), "disk on fire");
    compiler.add(info("whole", ListAction::Block), &b"whole.example\n"[..]).unwrap();
    let policy = compiler.finish();
    assert_eq!(show(&policy.judge(&name("half.example"))), "pass");
    assert_eq!(show(&policy.judge(&name("whole.example"))), "block whole:whole.example over -");
}

#[test]
fn the_255th_list_is_the_last() {
    let mut compiler = Compiler::new(1);
    for index in 0..LISTS_MAX {
        let rule = format!("l{index}.example");
        compiler.add(info(&format!("list{index}"), ListAction::Block), rule.as_bytes()).unwrap();
    }
    let error = compiler.add(info("one more", ListAction::Block), &b"x.example"[..]).unwrap_err();
    assert_eq!(error.to_string(), "more than 255 lists");
    let policy = compiler.finish();
    assert_eq!(show(&policy.judge(&name("l254.example"))), "block list254:l254.example over -");
}

#[test]
fn rules_count_once_for_each_list() {
    let policy = compile("block one: a.example; a.example; A.example.\nblock two: a.example");
    assert_eq!(policy.rules(), 2);
}

/// A data file shared by all tests; `None`, and a note, where it is not at hand.
fn shared(file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("NAMEWARD_SHARED")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into(), PathBuf::from);
    let path = folder.join("data").join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there; set NAMEWARD_SHARED", path.display());
    None
}

fn unpacked(path: &PathBuf) -> impl BufRead {
    BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()))
}

#[test]
fn the_list_of_throw_away_mail_loads_and_blocks() {
    let (Some(listed), Some(benign)) = (shared("list_disposable_mail.txt.gz"), shared("benign_free_mail.txt.gz"))
    else {
        return;
    };
    let mut compiler = Compiler::new(0x5eed);
    let report = compiler.add(info("mail", ListAction::Block), unpacked(&listed)).unwrap();
    assert_eq!((report.rules, report.faults), (85_108, vec![]));
    let policy = compiler.finish();
    for line in unpacked(&listed).lines() {
        let verdict = policy.judge(&name(&format!("mx.{}", line.unwrap())));
        assert_eq!(verdict.decision, Decision::Block);
    }
    let passed = unpacked(&benign).lines().filter(|line| {
        let line = line.as_ref().unwrap();
        Folded::from_text(line).is_some_and(|name| policy.judge(&name).decision == Decision::Pass)
    });
    assert!(passed.count() > 7_700, "names of ordinary providers pass");
    assert!(policy.memory_bytes() <= 24 * 85_108, "{} bytes", policy.memory_bytes());
}

/// The simple way: every rule compared with every name.
struct Naive {
    rules: Vec<(Arc<ListInfo>, NaiveRule)>,
}

#[derive(Clone, Debug)]
struct NaiveRule {
    mark: &'static str,
    exception: bool,
    labels: Vec<String>,
}

impl NaiveRule {
    fn text(&self) -> String {
        format!("{}{}{}", if self.exception { "@@" } else { "" }, self.mark, self.labels.join("."))
    }

    /// As a line that `Format::Auto` reads.
    fn line(&self) -> String {
        let exception = if self.exception { "@@" } else { "" };
        let name = self.labels.join(".");
        match self.mark {
            "=" => format!("{exception}|{name}^"),
            "*." => format!("{exception}||*.{name}^"),
            _ => format!("{exception}||{name}^"),
        }
    }

    fn precision(&self, name: &[String]) -> Option<(usize, bool)> {
        let matches = name.ends_with(&self.labels)
            && match self.mark {
                "=" => name.len() == self.labels.len(),
                "*." => name.len() > self.labels.len(),
                _ => true,
            };
        matches.then_some((self.labels.len(), self.mark == "="))
    }
}

impl Naive {
    fn best(&self, name: &[String], action: ListAction) -> Option<((usize, bool), String)> {
        let mut best: Option<((usize, bool), String)> = None;
        for (list, rule) in &self.rules {
            let does = if rule.exception { ListAction::Allow } else { list.action };
            let Some(precision) = rule.precision(name).filter(|_| does == action) else { continue };
            if best.as_ref().is_none_or(|(there, _)| precision > *there) {
                let mark = if does == list.action { rule.text().replace("@@", "") } else { rule.text() };
                best = Some((precision, format!("{}:{mark}", list.name)));
            }
        }
        best
    }

    fn judge(&self, name: &[String]) -> String {
        match (self.best(name, ListAction::Allow), self.best(name, ListAction::Block)) {
            (None, None) => "pass".to_owned(),
            (Some(allow), Some(block)) if block.0 > allow.0 => format!("block {} over {}", block.1, allow.1),
            (Some(allow), block) => format!("allow {} over {}", allow.1, block.map_or("-".into(), |block| block.1)),
            (None, Some(block)) => format!("block {} over -", block.1),
        }
    }
}

/// Few labels, so that names and rules meet often.
fn labels() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c-1"]).prop_map(str::to_owned), 1..5)
}

fn rule() -> impl Strategy<Value = NaiveRule> {
    (prop::sample::select(vec!["", "=", "*."]), prop::bool::weighted(0.1), labels())
        .prop_map(|(mark, exception, labels)| NaiveRule { mark, exception, labels })
}

proptest! {
    #[test]
    fn the_table_judges_like_the_naive_matcher(
        lists in prop::collection::vec((any::<bool>(), prop::collection::vec(rule(), 0..20)), 0..5),
        names in prop::collection::vec(labels(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut compiler = Compiler::new(seed);
        let mut naive = Naive { rules: Vec::new() };
        for (index, (allows, mut rules)) in lists.into_iter().enumerate() {
            let action = if allows { ListAction::Allow } else { ListAction::Block };
            let list = info(&format!("list{index}"), action);
            let lines: String = rules.iter().map(|rule| rule.line() + "\n").collect();
            let report = compiler.add(list.clone(), lines.as_bytes()).unwrap();
            prop_assert_eq!(report.rules, rules.len() as u64);
            // Of rules that are equally good, the one written with `@@` is the same as without on an allow list; and
            // "and below" is named before "below only".
            rules.sort_by_key(|rule| (rule.mark == "*.", rule.mark.is_empty()));
            let list = Arc::new(list);
            naive.rules.extend(rules.into_iter().map(|rule| (Arc::clone(&list), rule)));
        }
        let policy = compiler.finish();
        for labels in names {
            prop_assert_eq!(show(&policy.judge(&name(&labels.join(".")))), naive.judge(&labels));
        }
    }

    #[test]
    fn rules_as_they_are_shown_read_back(rule in rule().prop_filter("a word alone", |rule| rule.labels.len() > 1)) {
        let text = NaiveRule { exception: false, ..rule.clone() }.text();
        let policy = compile(&format!("block ads: {text}"));
        let below = name(&format!("x.{}", rule.labels.join(".")));
        let itself = name(&rule.labels.join("."));
        let verdict = if rule.mark == "*." { policy.judge(&below) } else { policy.judge(&itself) };
        prop_assert_eq!(show(&verdict), format!("block ads:{text} over -"));
    }

    #[test]
    fn strangers_bytes_are_counted_and_never_panic(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\n\r.*|^@#$/=: a0".to_vec())], 0..2000),
        format in prop::sample::select(vec![Format::Auto, Format::Hosts, Format::Domains, Format::Adblock]),
    ) {
        let mut compiler = Compiler::new(3);
        let list = ListInfo { format, ..info("any", ListAction::Block) };
        let report = compiler.add(list, &bytes[..]).unwrap();
        let lines = bytes.split(|&byte| byte == b'\n').count() as u64;
        prop_assert!(report.rejected + report.skipped <= lines);
        prop_assert!(report.faults.len() <= FAULTS_KEPT);
        prop_assert!(compiler.finish().rules() <= report.rules);
    }
}
