//! SQL of work that one process does for all.

/// Taken when nobody holds it (any more), or by its holder once more; then it is begun anew. Also taken from who holds it
/// for longer than anybody would (`$5`): their clock was ahead, and the work would rest until that time comes.
pub const TAKE: &str = "INSERT INTO claims (name, holder, held_until, begun, done) VALUES ($1, $2, $4, 1, 0) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until, \
     begun = claims.begun + 1 WHERE claims.held_until <= $3 OR claims.held_until > $5 \
     OR claims.holder = excluded.holder RETURNING begun";

pub const KEEP: &str = "UPDATE claims SET held_until = $4 WHERE name = $1 AND holder = $2 AND begun = $3";

pub const FINISH: &str = "UPDATE claims SET held_until = $4, done = $3 WHERE name = $1 AND holder = $2 AND begun = $3";

pub const READ: &str = "SELECT begun, done FROM claims WHERE name = $1";
