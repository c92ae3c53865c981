//! Counts as text.

/// `1 bridge`, `2 bridges`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// `10,000`.
pub fn thousands(n: usize) -> String {
    grouped(&n.to_string())
}

/// Inserts a comma before each group of three digits.
pub fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
