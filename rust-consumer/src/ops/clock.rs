//! Whether this machine's clock agrees with nats-server's. Pure: no clock of its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock may be off by this much. Deadlines are minutes away, and clocks that are set over the
/// network agree within less than a second.
const TOLERANCE: Duration = Duration::from_secs(30);

/// By how many seconds this machine's clock is off; `None` if that is within the tolerance.
///
/// The server wrote `server_time` between `asked` and `answered`, which are this machine's times of
/// the request and of its answer. So the way of the message, and a pause of this process, count as
/// no difference.
#[must_use]
pub fn seconds_off(
    asked: SystemTime,
    answered: SystemTime,
    server_time: SystemTime,
) -> Option<u64> {
    let since = |later: SystemTime, earlier| later.duration_since(earlier).unwrap_or_default();
    let off = since(asked, server_time).max(since(server_time, answered));
    (off > TOLERANCE).then_some(off.as_secs())
}

/// Milliseconds since the Unix epoch. `None` before 1970, which only a clock that is off can show.
#[must_use]
pub fn millis(time: SystemTime) -> Option<u64> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since_epoch.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Ahead or behind, a clock that is off by more than 30 s is off by what is certain; one that
    /// may be right is not.
    #[test]
    fn a_clock_is_off_by_what_is_certain() {
        for (asked, answered, server_time, off) in [
            (1000, 1000, 1000, None),
            (1000, 1002, 1001, None),
            (1030, 1030, 1000, None),
            (1000, 1000, 1030, None),
            (1031, 1031, 1000, Some(31)),
            (1000, 1000, 1031, Some(31)),
            (1000, 1100, 1020, None), // paused for 100 s
            (1000, 1100, 1140, Some(40)),
            (10_640, 10_641, 10_000, Some(640)),
            (0, 0, 1_700_000_000, Some(1_700_000_000)), // no clock chip
        ] {
            let seconds = seconds_off(at(asked), at(answered), at(server_time));
            assert_eq!(seconds, off, "{asked} {answered} {server_time}");
        }
    }
}
