//! SQL of signs of life.

/// Never moves backwards: two processes of one service may report in any order.
pub const BEAT: &str = "INSERT INTO heartbeats (service, at) VALUES ($1, $2) \
     ON CONFLICT (service) DO UPDATE SET at = excluded.at WHERE excluded.at > heartbeats.at";

pub const LAST_BEAT: &str = "SELECT at FROM heartbeats WHERE service = $1";

/// `$1` is the kind with a slash behind it, `$2` the first text that is beyond all that begin so.
pub const BEATS_OF: &str =
    "SELECT service, at FROM heartbeats WHERE service >= $1 AND service < $2 ORDER BY at DESC LIMIT $3";

pub const FORGET_BEATS: &str = "DELETE FROM heartbeats WHERE service >= $1 AND service < $2 AND at < $3";

pub const FORGET_BEAT: &str = "DELETE FROM heartbeats WHERE service = $1";
