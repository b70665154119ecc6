use proptest::prelude::*;

use super::*;

fn sample() -> Tkey {
    Tkey {
        algorithm: Folded::from_text("hmac-sha256").unwrap(),
        inception: 1_700_000_000,
        expiration: 1_700_086_400,
        mode: mode::DIFFIE_HELLMAN,
        error: 0,
        key: b"nonce".to_vec(),
        other: Vec::new(),
    }
}

#[test]
fn data_that_is_cut_or_goes_on_says_where() {
    let rdata = sample().rdata();
    let name_len = sample().algorithm.wire().len();
    assert_eq!(rdata.len(), name_len + 12 + 2 + 5 + 2);
    for len in 0..rdata.len() {
        assert_eq!(Tkey::read(&rdata[..len]).unwrap_err(), len, "cut at {len}");
    }
    assert_eq!(Tkey::read(&[&rdata[..], &[0]].concat()), Err(rdata.len()));
    assert_eq!(Tkey::read(&[0xc0, 12]), Err(0), "a compressed name");
}

#[test]
fn data_too_long_for_a_record_is_cut() {
    let long = Tkey { key: vec![7; 70_000], other: vec![8; 70_000], ..sample() };
    let read = Tkey::read(&long.rdata()).unwrap();
    assert_eq!((read.key.len(), read.other.len()), (DATA_LEN_MAX, DATA_LEN_MAX));
    assert!(long.rdata().len() < usize::from(u16::MAX));
}

proptest! {
    #[test]
    fn records_are_read_back(
        (inception, expiration, mode, error) in any::<(u32, u32, u16, u16)>(),
        key in proptest::collection::vec(any::<u8>(), 0..200),
        other in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let tkey = Tkey { inception, expiration, mode, error, key, other, ..sample() };
        prop_assert_eq!(Tkey::read(&tkey.rdata()), Ok(tkey));
    }

    #[test]
    fn strangers_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(tkey) = Tkey::read(&bytes) {
            prop_assert_eq!(Tkey::read(&tkey.rdata()), Ok(tkey));
        }
        let _ = dh::Public::read(&bytes);
        let _ = dh::Public::read(&[&[2, 0, 3, 2], &bytes[..]].concat());
    }
}
