//! The order in which people read ids: `old_2` before `old_10`.

use std::cmp::Ordering;

/// Compares digits as numbers and everything else byte by byte. Only equal texts are equal.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        let (m, n) = (digits(x), digits(y));
        let order = match (x.first(), y.first()) {
            (None, None) => return a.cmp(b),
            _ if m > 0 && n > 0 => {
                let (left, right) = (significant(&x[..m]), significant(&y[..n]));
                left.len().cmp(&right.len()).then(left.cmp(right))
            }
            (left, right) => left.cmp(&right),
        };
        if order != Ordering::Equal {
            return order;
        }
        (x, y) = (&x[m.max(1)..], &y[n.max(1)..]);
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn significant(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == b'0').count()..]
}

/// A text in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Natural<'a>(pub &'a str);

impl Ord for Natural<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        natural(self.0, other.0)
    }
}

impl PartialOrd for Natural<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let sorted = [
            "", "-1", "01", "1", "2", "9", "10", "a", "a1b2", "a1b10", "a2", "a10", "old_1", "old_2",
            "old_10", "é",
        ];
        let mut turned = sorted;
        turned.reverse();
        turned.sort_by(|a, b| natural(a, b));
        assert_eq!(turned, sorted);
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[a01]{0,6}", b in "[a01]{0,6}", c in "[a01]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b).is_lt() && natural(&b, &c).is_lt() {
                prop_assert!(natural(&a, &c).is_lt());
            }
        }
    }
}
