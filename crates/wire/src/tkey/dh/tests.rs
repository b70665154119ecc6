use super::*;

const ALICE: [u8; PRIVATE_LEN] = [0x11; PRIVATE_LEN];
const BOB: [u8; PRIVATE_LEN] = [0xa5; PRIVATE_LEN];

/// A prime of 2048 bits is not known here; any odd number serves the arithmetic.
fn odd(octets: usize) -> Vec<u8> {
    let mut number = vec![0xc3; octets];
    number[octets - 1] |= 1;
    number
}

fn rdata(prime: &[u8], generator: &[u8], value: &[u8]) -> Vec<u8> {
    let mut rdata = vec![2, 0, 3, 2];
    for field in [prime, generator, value] {
        rdata.extend((field.len() as u16).to_be_bytes());
        rdata.extend(field);
    }
    rdata
}

#[test]
fn both_sides_get_the_same_secret() {
    let mut groups: Vec<Group> = (1..=3).map(|number| Group::well_known(number).unwrap()).collect();
    groups.push(Group::explicit(&odd(256), &[5]).unwrap());
    groups.push(Group::explicit(&odd(512), &[0, 0, 2]).unwrap());
    for group in groups {
        let client = Exchange::begin(&group, &ALICE).unwrap();
        let (reply, server_secret) = answer(&client.public().rdata(), b"query", b"server", &BOB).unwrap();
        let theirs = Public::read(&reply).unwrap();
        assert!(theirs.group.is_same(&group));
        let client_secret = client.agree(&theirs, b"query", b"server").unwrap();
        assert_eq!(client_secret, server_secret, "{} bits", group.bits());
        assert!(client_secret.len() <= crate::tsig::SECRET_LEN_MAX);
        // Each nonce and each private value makes another secret.
        let again = |query: &[u8], server: &[u8], random| {
            let client = Exchange::begin(&group, &ALICE).unwrap();
            answer(&client.public().rdata(), query, server, random).unwrap().1
        };
        assert_eq!(again(b"query", b"server", &BOB), server_secret);
        for other in
            [again(b"Query", b"server", &BOB), again(b"query", b"Server", &BOB), again(b"query", b"server", &ALICE)]
        {
            assert_ne!(other, server_secret);
        }
    }
}

#[test]
fn numbered_groups_are_named_by_their_number() {
    for (number, bits) in [(1, 768), (2, 1_024), (3, 1_536)] {
        let group = Group::well_known(number).unwrap();
        assert_eq!(group.bits(), bits);
        let public = Exchange::begin(&group, &ALICE).unwrap().public().clone();
        assert_eq!(public.rdata()[..9], [2, 0, 3, 2, 0, 1, number as u8, 0, 0]);
        assert_eq!(Public::read(&public.rdata()), Ok(public.clone()));
        // In two octets, with the generator said again, and in full: the same group.
        let two = rdata(&number.to_be_bytes(), &[2], &public.value);
        assert_eq!(Public::read(&two), Ok(public.clone()));
        let full = Public::read(&rdata(&group.prime, &[2], &public.value)).unwrap();
        assert!(full.group.is_same(&group));
        assert_eq!(full.value, public.value);
        assert_eq!(Public::read(&full.rdata()), Ok(full));
    }
}

#[test]
fn keys_not_to_be_used_say_why() {
    let prime = &PRIME_768[..];
    let less = |by: u8| {
        let mut number = prime.to_vec();
        number[95] -= by;
        number
    };
    let even = less(1);
    for (case, key, expected) in [
        ("nothing", vec![], Fault::Malformed { at: 0 }),
        ("a header alone", vec![2, 0, 3, 2], Fault::Malformed { at: 4 }),
        ("no prime", rdata(&[], &[2], &[3]), Fault::Malformed { at: 4 }),
        ("octets behind", [rdata(&[1], &[], &[3]), vec![0]].concat(), Fault::Malformed { at: 12 }),
        ("cut short", rdata(&[1], &[], &[3])[..11].to_vec(), Fault::Malformed { at: 11 }),
        ("an RSA key", vec![2, 0, 3, 8, 1], Fault::NotDiffieHellman { algorithm: 8 }),
        ("a record that says there is no key", vec![0xc2, 0, 3, 2], Fault::NotDiffieHellman { algorithm: 2 }),
        ("group 0", rdata(&[0], &[], &[3]), Fault::UnknownGroup(0)),
        ("group 300", rdata(&[1, 44], &[], &[3]), Fault::UnknownGroup(300)),
        ("group 1 with a generator of its own", rdata(&[1], &[3], &[3]), Fault::TrivialGroup),
        ("a small prime", rdata(&[0xff; 95], &[2], &[3]), Fault::PrimeSize { bits: 760 }),
        ("a small prime behind zeros", rdata(&[&[0; 95][..], &[7]].concat(), &[2], &[3]), Fault::PrimeSize { bits: 3 }),
        ("zeros", rdata(&[0; 100], &[2], &[3]), Fault::PrimeSize { bits: 0 }),
        ("a large prime", rdata(&[0xff; 513], &[2], &[3]), Fault::PrimeSize { bits: 4_104 }),
        ("an even prime", rdata(&even, &[2], &[3]), Fault::TrivialGroup),
        ("no generator", rdata(prime, &[], &[3]), Fault::TrivialGroup),
        ("generator 1", rdata(prime, &[0, 1], &[3]), Fault::TrivialGroup),
        ("generator -1", rdata(prime, &even, &[3]), Fault::TrivialGroup),
        ("no value", rdata(&[1], &[], &[]), Fault::TrivialValue),
        ("value 0", rdata(&[1], &[], &[0]), Fault::TrivialValue),
        ("value 1", rdata(&[1], &[], &[0, 0, 1]), Fault::TrivialValue),
        ("value -1", rdata(&[1], &[], &even), Fault::TrivialValue),
        ("the prime as value", rdata(&[1], &[], prime), Fault::TrivialValue),
        ("a value beyond the prime", rdata(&[1], &[], &[0xff; 97]), Fault::TrivialValue),
    ] {
        assert_eq!(Public::read(&key), Err(expected), "{case}");
        assert_eq!(answer(&key, b"", b"", &BOB).map(|_| ()), Err(expected), "{case}");
    }
    assert!(Public::read(&rdata(&[1], &[], &less(2))).is_ok());
    assert!(Public::read(&rdata(&[1], &[], &[2])).is_ok());
}

#[test]
fn sides_with_different_groups_do_not_agree() {
    let of = |number| Exchange::begin(&Group::well_known(number).unwrap(), &BOB).unwrap();
    let theirs = of(2).public().clone();
    assert_eq!(of(1).agree(&theirs, b"", b""), Err(Fault::OtherGroup));
}

#[test]
fn keying_material_is_padded_on_the_right() {
    // MD5("ab") and MD5("cb"), computed elsewhere.
    let digests = crate::testing::unhex("187ef4436122d1cc2f40dc2b92f0eba0 d0d7fdb6977b26929fb68c6083c0b439");
    let short = keying_material(b"b", b"a", b"c");
    assert_eq!(short.len(), 32);
    assert_eq!(short[0], digests[0] ^ b'b');
    assert_eq!(short[1..], digests[1..]);
    let long = keying_material(&[0; 40], b"a", b"c");
    assert_eq!((long.len(), &long[32..]), (40, &[0; 8][..]));
}
