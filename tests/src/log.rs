//! Finds the lines of a server's log that no test may cause.

/// SQLSTATEs, or their beginnings, of faults in the server or the extension.
const FAULTS: [&str; 2] = ["XX", "40P01"];

/// What PostgreSQL says about its own workers when the machine stands still or its clock is set.
const OF_THE_MACHINE: [&str; 2] =
    ["autovacuum worker took too long to start", "autovacuum worker started without a worker entry"];

/// The lines with a crash, a fault, a deadlock or a warning, such as that of a leak, without those that contain expected words.
pub fn unexpected<'a>(log: &'a str, expected: &[&str]) -> Vec<&'a str> {
    let is_expected = |line: &&str| expected.iter().any(|words| line.contains(words));
    log.lines().filter(|line| is_unexpected(line) && !is_expected(line)).collect()
}

fn is_unexpected(line: &str) -> bool {
    if line.contains("PANIC:") || line.contains("TRAP:") || line.contains("terminated by signal") {
        return true;
    }
    // 2026-01-31 10:20:30.123 UTC [42] 42501 ERROR:  permission denied
    let Some((_, line)) = line.split_once("] ") else { return false };
    let Some((state, said)) = line.split_once(' ') else { return false };
    FAULTS.iter().any(|fault| state.starts_with(fault)) && !said.starts_with("LOG:")
        || said.starts_with("WARNING:") && !OF_THE_MACHINE.iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_unexpected_and_a_clock_that_was_set_is_not() {
        let log = "2026-01-31 10:20:30.123 UTC [42] 01000 WARNING:  snapshot 0x55d still active
2026-01-31 10:20:30.123 UTC [42] 01000 WARNING:  autovacuum worker took too long to start; canceled
2026-01-31 10:10:30.123 UTC [43] 01000 WARNING:  autovacuum worker started without a worker entry";
        assert_eq!(unexpected(log, &[]), log.lines().take(1).collect::<Vec<_>>());
    }
}
