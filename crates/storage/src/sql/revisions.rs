//! SQL of what readers see of a mirror, in numbers.

/// Numbers that are kept. After as many new ones the older ones are dropped.
pub const KEPT: i64 = 128;
/// By so many times [`KEPT`] the next number is larger, at most. A calendar can change thirty million times before its numbers
/// are more than JavaScript counts exactly.
pub const LEAPS_MAX: u32 = 1 << 22;

pub const LAST: &str = "SELECT COALESCE(MAX(revision), 0) FROM mirror_revisions WHERE calendar_id = $1";

/// Dropping is told apart from changing nothing: whoever knew a number that is gone is given the last one that was dropped.
pub const DROP_OLD: &str = "DELETE FROM mirror_revisions WHERE calendar_id = $1 AND revision < (SELECT MIN(revision) FROM \
     (SELECT DISTINCT revision FROM mirror_revisions WHERE calendar_id = $1 ORDER BY revision DESC LIMIT $2) AS kept)";

/// Overlap as in `reading::OCCURRENCES`: `$2` and `$3` are instants, `$4` and `$5` the midnights of dates.
pub const OF_RANGE: &str = "SELECT COALESCE((SELECT revision FROM mirror_revisions WHERE calendar_id = $1 \
     AND ((NOT all_day AND from_us < $3 AND to_us > $2) OR (all_day AND from_us < $5 AND to_us > $4)) \
     ORDER BY revision DESC LIMIT 1), \
     (SELECT MIN(revision) - 1 FROM mirror_revisions WHERE calendar_id = $1), 0)";
