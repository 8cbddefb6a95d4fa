//! SQL of signs of life.

/// Never moves backwards: two processes of one service may report in any order.
pub const BEAT: &str = "INSERT INTO heartbeats (service, at) VALUES ($1, $2) \
     ON CONFLICT (service) DO UPDATE SET at = excluded.at WHERE excluded.at > heartbeats.at";

pub const LAST_BEAT: &str = "SELECT at FROM heartbeats WHERE service = $1";
