//! Tests the limits with tables; all times are in milliseconds after the start.

use super::*;

const RATES: Rates = Rates { provision: 2, proxy: 3, other: 4, floor: 6 };
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

fn limits(speed: u32) -> Limits {
    Limits::new(RATES, speed, at(0))
}

#[test]
fn windows_are_fixed_and_reset_exactly_at_their_edge() {
    let mut limits = limits(1);
    let cases = [
        (0, Ok(())),
        (59_000, Ok(())),
        (59_000, Err(RetryAfter(1))),
        (59_999, Err(RetryAfter(1))),
        (60_000, Ok(())),
        (60_000, Ok(())),
        (60_000, Err(RetryAfter(60))),
        (60_001, Err(RetryAfter(60))),
        (61_000, Err(RetryAfter(59))),
        (61_001, Err(RetryAfter(59))),
        (119_999, Err(RetryAfter(1))),
        (120_000, Ok(())),
        (600_000, Ok(())),
    ];
    for (ms, expected) in cases {
        assert_eq!(limits.admit_class(Class::Provision, at(ms)), expected, "at {ms} ms");
    }
}

#[test]
fn classes_and_addresses_are_counted_apart() {
    let mut limits = limits(1);
    let full =
        |limits: &mut Limits, class| (0..).take_while(|_| limits.admit_class(class, at(0)).is_ok()).count();
    assert_eq!(full(&mut limits, Class::Provision), 2);
    assert_eq!(full(&mut limits, Class::Proxy), 3);
    assert_eq!(full(&mut limits, Class::Other), 4);
    assert!((0..100).all(|_| limits.admit_class(Class::Floor, at(0)).is_ok()));
    for address in ["127.0.0.1", "127.0.0.2"] {
        let address = address.parse().unwrap();
        assert_eq!((0..).take_while(|_| limits.admit_address(address, at(0)).is_ok()).count(), 6);
    }
    assert!(limits.admit_address(HERE, at(60_000)).is_ok());
}

#[test]
fn speed_divides_the_window_and_retry_after_stays_in_real_seconds() {
    let mut limits = limits(60);
    for (ms, expected) in [
        (0, Ok(())),
        (999, Ok(())),
        (999, Err(RetryAfter(1))),
        (1000, Ok(())),
        (1000, Ok(())),
        (1000, Err(RetryAfter(1))),
    ] {
        assert_eq!(limits.admit_class(Class::Provision, at(ms)), expected, "at {ms} ms");
    }
}

#[test]
fn zero_means_no_limit() {
    let mut limits = Limits::new(Rates { provision: 0, proxy: 0, other: 0, floor: 0 }, 1, at(0));
    assert!((0..10_000).all(|_| {
        limits.admit_class(Class::Provision, at(0)).is_ok() && limits.admit_address(HERE, at(0)).is_ok()
    }));
}

#[test]
fn alignment_moves_the_edge_and_forgets_the_counts() {
    let mut limits = limits(1);
    for _ in 0..2 {
        limits.admit_class(Class::Provision, at(100)).unwrap();
    }
    limits.align(TimeDelta::milliseconds(59_500), at(100)).unwrap();
    let cases = [(100, Ok(())), (599, Ok(())), (599, Err(RetryAfter(1))), (600, Ok(())), (60_599, Ok(()))];
    for (ms, expected) in cases {
        assert_eq!(limits.admit_class(Class::Provision, at(ms)), expected, "at {ms} ms");
    }
    assert_eq!(limits.admit_class(Class::Provision, at(60_599)), Err(RetryAfter(1)));
    assert!(limits.align(TimeDelta::milliseconds(60_000), at(0)).is_err());
    assert!(limits.align(TimeDelta::milliseconds(-1), at(0)).is_err());
}

#[test]
fn windows_show_what_was_counted() {
    let mut limits = limits(1);
    limits.admit_class(Class::Proxy, at(10)).unwrap();
    limits.admit_address(HERE, at(10)).unwrap();
    let shown = limits.windows(at(2_500));
    assert_eq!((shown.window_ms, shown.elapsed_ms), (60_000, 2_500));
    assert_eq!(shown.limits, [("provision", 2), ("proxy", 3), ("other", 4), ("floor", 6)].into());
    assert_eq!(shown.used, [("provision", 0), ("proxy", 1), ("other", 0), ("floor", 1)].into());
}
