//! What workers alone read.

use std::num::{NonZeroU64, NonZeroUsize};

use evercal_config::reading::{optional, or_default};
use evercal_config::{About, DefaultValue, Kind, Setting, WORKER};

use crate::build_id::BuildId;

/// The build of this worker.
pub static BUILD_ID: Setting<Option<BuildId>> = Setting {
    about: About {
        name: "EVERCAL_BUILD_ID",
        read_by: WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Nothing("workers are not versioned"),
        example: "2026-11-26.1 or a commit's hash",
        meaning: "the build of this worker, which gets work once it was promoted",
    },
    read: optional,
};

/// Syncs at a time in one process.
pub static CONCURRENT_JOBS: Setting<NonZeroUsize> = Setting {
    about: About {
        name: "SYNC_CONCURRENT_JOBS",
        read_by: WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value("10"),
        example: "10",
        meaning: "syncs at a time in one process",
    },
    read: or_default,
};

/// How large the process may grow before it drops workflows from its memory, in MiB.
pub static MEMORY_MIB: Setting<NonZeroU64> = Setting {
    about: About {
        name: "EVERCAL_WORKER_MEMORY_MIB",
        read_by: WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value("180"),
        example: "180",
        meaning: "how large the process may grow, in MiB, before it lets go of workflows in memory, whose histories it then reads \
                  again when they have something to do",
    },
    read: or_default,
};

/// Whether the provider's own text of each event is kept.
pub static KEEP_RAW: Setting<bool> = Setting {
    about: About {
        name: "EVERCAL_KEEP_RAW",
        read_by: WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value("true"),
        example: "false",
        meaning: "whether the provider's own text of each event is kept; what is kept already goes with an event's next change",
    },
    read: or_default,
};
