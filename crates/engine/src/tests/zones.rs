//! Zones of our own on the walk.

use super::*;

#[test]
fn a_zone_answers_with_authority_whether_recursion_is_desired_or_not() {
    check(
        "
        zone example = www A 192.0.2.1; *.wild A 192.0.2.2; a.ent A 192.0.2.3
        ask wWw.Example A
        => NOERROR answered aa answer=[A 192.0.2.1] ttl=300 trace=[zone: example (serial 7) answers]
        ask www.example A nord
        => NOERROR answered aa answer=[A 192.0.2.1] ttl=300 trace=[zone: example (serial 7) answers]
        ask www.example A plain tcp
        => NOERROR answered aa answer=[A 192.0.2.1] ttl=300 trace=[zone: example (serial 7) answers]
        ask any.wild.example A
        => NOERROR answered aa answer=[A 192.0.2.2] ttl=300 trace=[zone: example (serial 7) answers]
        ask www.example MX
        => NOERROR nodata aa ttl=60 trace=[zone: example (serial 7) has the name but not the type]
        ask ent.example A
        => NOERROR nodata aa ttl=60 trace=[zone: example (serial 7) has the name but not the type]
        ask no.example A
        => NXDOMAIN error aa ttl=60 trace=[zone: example (serial 7) has no such name]
        ask other.test A nord
        => REFUSED error ede=20[ask with RD set] trace=[recursion: not desired, and nothing is served with authority]
        ask www.example A CH
        => REFUSED error ede=21[class CH is not served here] trace=[class: CH is not served here]
        ",
    );
}

#[test]
fn zones_win_over_lists_caches_and_special_names() {
    check(
        "
        block all = example
        upstream www.test A = 600 A 192.0.2.99
        ask www.test A
        => NOERROR answered answer=[A 192.0.2.99] ttl=600 cache=miss upstream=1x
        ask www.test A
        => NOERROR answered answer=[A 192.0.2.99] ttl=600 cache=hit upstream=0x
        ask www.test A
        => NOERROR answered answer=[A 192.0.2.99] ttl=600 cache=hit upstream=0x
        zone example = www A 192.0.2.1
        zone test = www A 192.0.2.2
        zone localhost = @ A 127.0.0.53
        ask www.example A
        => NOERROR answered aa answer=[A 192.0.2.1] ttl=300 trace=[zone: example (serial 7) answers]
        ask www.test A
        => NOERROR answered aa answer=[A 192.0.2.2] ttl=300 trace=[zone: test (serial 7) answers]
        ask localhost A
        => NOERROR answered aa answer=[A 127.0.0.53] ttl=300 trace=[zone: localhost (serial 7) answers]
        ",
    );
}

#[test]
fn a_zone_not_in_service_says_why() {
    check(
        "
        zone broken.example = !24 line 3: no such type \"AX\"
        ask www.broken.example A
        => SERVFAIL error ede=24[line 3: no such type \"AX\"] trace=[zone: broken.example is not in service: line 3: no such type \"AX\"]
        zone ahead.example = www CNAME www.broken.example.
        ask www.ahead.example A
        => SERVFAIL error ede=24[line 3: no such type \"AX\"] trace=[zone: ahead.example (serial 7) leads to www.broken.example / zone: broken.example is not in service: line 3: no such type \"AX\"]
        ",
    );
}

#[test]
fn strangers_may_ask_for_zones_that_let_them() {
    check(
        "
        zone example query=192.0.2.0/24 = www A 192.0.2.1; out CNAME www.inner.test.; far CNAME www.far.test.
        zone inner.test = www A 192.0.2.2
        ask 192.0.2.9 www.example A
        => NOERROR answered aa answer=[A 192.0.2.1] ttl=300 trace=[zone: example (serial 7) answers]
        ask 192.0.2.9 out.example A
        => NOERROR answered aa answer=[CNAME www.inner.test] trace=[zone: example (serial 7) leads to www.inner.test]
        ask 192.0.2.9 far.example A
        => NOERROR answered aa answer=[CNAME www.far.test] trace=[zone: example (serial 7) leads to www.far.test]
        ask 192.0.2.9 www.inner.test A
        => REFUSED error ede=18[this client may not ask for this zone] action=refuse trace=[zone: 192.0.2.9 may not ask for inner.test]
        ask 192.0.2.9 www.far.test A
        => REFUSED error ede=18[this client may not ask here] action=refuse trace=[admission: 192.0.2.9 is in no admitted network]
        ask 203.0.113.9 www.example A
        => REFUSED error ede=18[this client may not ask for this zone] action=refuse trace=[zone: 203.0.113.9 may not ask for example]
        ",
    );
}

#[test]
fn chains_lead_through_our_zones_and_out_of_them() {
    check(
        "
        zone example = a CNAME b.other.example.; d DNAME other.example.; loop CNAME loop.other.example.
        zone other.example = b CNAME c; c CNAME www.far.test.; here A 192.0.2.1; loop CNAME loop.example.; up CNAME x.localhost.; gone CNAME no.far.test.
        upstream www.far.test A = 60 CNAME edge.far.test, 40 A 192.0.2.7
        ask a.example A
        => NOERROR answered aa answer=[CNAME b.other.example, CNAME c.other.example, CNAME www.far.test, CNAME edge.far.test, A 192.0.2.7] ttl=40 cache=miss upstream=1x trace=[zone: example (serial 7) leads to b.other.example / zone: other.example (serial 7) leads to www.far.test]
        wait 10
        ask a.example A
        => NOERROR answered aa answer=[CNAME b.other.example, CNAME c.other.example, CNAME www.far.test, CNAME edge.far.test, A 192.0.2.7] ttl=30 cache=hit upstream=0x trace=[zone: example (serial 7) leads to b.other.example / zone: other.example (serial 7) leads to www.far.test]
        ask a.example A nord
        => NOERROR answered aa answer=[CNAME b.other.example, CNAME c.other.example, CNAME www.far.test] trace=[zone: example (serial 7) leads to b.other.example / zone: other.example (serial 7) leads to www.far.test]
        ask a.example CNAME
        => NOERROR answered aa answer=[CNAME b.other.example] ttl=300 trace=[zone: example (serial 7) answers]
        ask here.d.example A
        => NOERROR answered aa answer=[DNAME other.example, CNAME here.other.example, A 192.0.2.1] ttl=300 trace=[zone: example (serial 7) leads to here.other.example / zone: other.example (serial 7) answers]
        ask gone.other.example A
        => NXDOMAIN error aa answer=[CNAME no.far.test] ttl=300 cache=miss upstream=1x trace=[zone: other.example (serial 7) leads to no.far.test]
        ask up.other.example A
        => NOERROR answered aa answer=[CNAME x.localhost, A 127.0.0.1] ttl=300 trace=[zone: other.example (serial 7) leads to x.localhost / special name: localhost is this machine (RFC 6761)]
        ",
    );
}

#[test]
fn a_loop_across_zones_ends() {
    check(
        "
        zone example = loop CNAME loop.other.test.
        zone other.test = loop CNAME loop.example.
        ask loop.example A
        => SERVFAIL error ede=0[the aliases lead through too many zones] trace=[zone: example (serial 7) leads to loop.other.test / zone: other.test (serial 7) leads to loop.example / zone: example (serial 7) leads to loop.other.test / zone: other.test (serial 7) leads to loop.example / zone: example (serial 7) leads to loop.other.test / zone: other.test (serial 7) leads to loop.example / zone: example (serial 7) leads to loop.other.test / zone: other.test (serial 7) leads to loop.example / zone: the aliases lead through too many zones]
        ",
    );
}

#[test]
fn policy_judges_where_a_chain_leaves_our_zones() {
    check(
        "
        zone example = ad CNAME x.ads.test.; cdn CNAME cdn.test.
        block ads = ads.test
        upstream cdn.test A = 60 CNAME y.ads.test, 60 A 192.0.2.7
        ask ad.example A
        => NXDOMAIN error ttl=10 ede=15[list=ads rule=ads.test] action=block list=ads rule=ads.test trace=[zone: example (serial 7) leads to x.ads.test / answer screen: CNAME x.ads.test blocked by ads.test on ads]
        ask cdn.example A
        => NXDOMAIN error ttl=10 ede=15[list=ads rule=ads.test] action=block list=ads rule=ads.test cache=miss upstream=1x trace=[zone: example (serial 7) leads to cdn.test / answer screen: CNAME y.ads.test blocked by ads.test on ads]
        ask cdn.example A
        => NXDOMAIN error ttl=10 ede=15[list=ads rule=ads.test] action=block list=ads rule=ads.test cache=hit upstream=0x trace=[zone: example (serial 7) leads to cdn.test / answer screen: CNAME y.ads.test blocked by ads.test on ads]
        ",
    );
}

#[test]
fn what_cannot_be_found_behind_a_chain_fails_as_a_whole_or_is_old() {
    check(
        "
        zone example = www CNAME www.far.test.
        upstream www.far.test A = 60 A 192.0.2.7
        ask www.example A
        => NOERROR answered aa answer=[CNAME www.far.test, A 192.0.2.7] ttl=60 cache=miss upstream=1x trace=[zone: example (serial 7) leads to www.far.test]
        wait 100
        upstream www.far.test A = SERVFAIL
        ask www.example A
        => NOERROR answered aa answer=[CNAME www.far.test, A 192.0.2.7] ttl=30 ede=3[] cache=stale upstream=1x trace=[zone: example (serial 7) leads to www.far.test]
        upstream www.far.test AAAA = SERVFAIL
        ask www.example AAAA
        => SERVFAIL error cache=miss upstream=1x trace=[zone: example (serial 7) leads to www.far.test]
        upstream www.far.test MX = slow
        ask www.example MX
        => SERVFAIL error ede=0[upstreams are slow] cache=miss trace=[zone: example (serial 7) leads to www.far.test]
        ",
    );
}

#[test]
fn names_below_a_delegation_are_referred_or_looked_up() {
    check(
        "
        zone example = sub NS ns.sub; ns.sub A 192.0.2.8; into CNAME www.sub; held NS ns.held; ns.held A 192.0.2.9; to CNAME www.held
        zone held.example = www A 192.0.2.10
        upstream www.sub.example A = 60 A 192.0.2.11
        ask www.sub.example A nord
        => NOERROR referral trace=[zone: example (serial 7) delegates the name]
        ask www.sub.example A
        => NOERROR answered answer=[A 192.0.2.11] ttl=60 cache=miss upstream=1x
        ask into.example A
        => NOERROR answered aa answer=[CNAME www.sub.example, A 192.0.2.11] ttl=60 cache=hit upstream=0x trace=[zone: example (serial 7) leads to www.sub.example]
        ask to.example A
        => NOERROR answered aa answer=[CNAME www.held.example, A 192.0.2.10] ttl=300 trace=[zone: example (serial 7) leads to www.held.example / zone: held.example (serial 7) answers]
        ask to.example A nord
        => NOERROR answered aa answer=[CNAME www.held.example, A 192.0.2.10] ttl=300 trace=[zone: example (serial 7) leads to www.held.example / zone: held.example (serial 7) answers]
        ",
    );
}

#[test]
fn ds_belongs_to_the_parent() {
    check(
        "
        zone example = held NS ns.held; ns.held A 192.0.2.9; held DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000
        zone held.example = www A 192.0.2.10
        upstream example DS = 60 DS example
        ask held.example DS
        => NOERROR answered aa answer=[DS \\# 36] ttl=300 trace=[zone: example (serial 7) answers]
        ask example DS nord
        => NOERROR nodata aa ttl=60 trace=[zone: example (serial 7) has the name but not the type]
        ask example DS
        => NOERROR answered answer=[DS \\# 9] ttl=60 cache=miss upstream=1x
        ",
    );
}

#[test]
fn any_gets_one_set() {
    check(
        "
        zone example = www A 192.0.2.1; www A 192.0.2.2; www TXT text
        ask www.example ANY
        => NOERROR answered aa answer=[A 192.0.2.1, A 192.0.2.2] ttl=300 trace=[zone: example (serial 7) answers]
        ask no.example ANY
        => NXDOMAIN error aa ttl=60 trace=[zone: example (serial 7) has no such name]
        ",
    );
}

#[test]
fn a_name_grown_too_long_is_yxdomain() {
    let label = "a".repeat(60);
    check(&format!(
        "
        zone example = d DNAME {label}.{label}.{label}.test.
        ask {label}.{label}.d.example A
        => YXDOMAIN error aa answer=[DNAME {label}.{label}.{label}.test] trace=[zone: example (serial 7) rewrites it to a name that is too long]
        "
    ));
}

#[test]
fn what_does_not_fit_is_fetched_over_tcp_and_unasked_addresses_are_left_out() {
    let text = |count: usize| (0..count).map(|at| format!("; big TXT \"{at:0200}\"")).collect::<String>();
    let hosts = (0..60).map(|at| format!("; @ NS ns{at}; ns{at} A 192.0.2.{at}")).collect::<String>();
    check(&format!(
        "
        zone example = www A 192.0.2.1{}
        zone many.example = www A 192.0.2.1{hosts}
        ask big.example TXT
        => NOERROR truncated aa trace=[zone: example (serial 7) answers]
        ",
        text(8)
    ));
    let mut world = World::new();
    world.zone(&format!("many.example = www A 192.0.2.1{hosts}"));
    let (reply, _) = world.walk(&query(&["many.example", "NS", "tcp"]), source(Transport::Tcp));
    let whole = wire::message::Message::read(&reply).unwrap();
    let (reply, _) = world.walk(&query(&["many.example", "NS"]), source(Transport::Udp));
    let cut = wire::message::Message::read(&reply).unwrap();
    assert_eq!((whole.answer.len(), cut.answer.len()), (61, 61));
    assert_eq!(cut.flags & 0x0200, 0, "what was asked for fits");
    assert!(reply.len() <= 1_232 && cut.additional.len() < whole.additional.len());
}

fn source(transport: Transport) -> Source {
    Source { peer: ([10, 0, 0, 7], 5_000).into(), transport }
}

#[test]
fn an_update_is_seen_by_the_next_question() {
    let mut world = World::new();
    world.zone("example = www A 192.0.2.1");
    for address in ["192.0.2.1", "192.0.2.2"] {
        for _ in 0..3 {
            let got = world.ask("www.example A");
            assert_eq!(
                got,
                format!("NOERROR answered aa answer=[A {address}] ttl=300 trace=[zone: example (serial 7) answers]")
            );
        }
        world.zones[0].set(zone_state(&Folded::from_text("example").unwrap(), "www A 192.0.2.2"));
    }
}
