//! What a page of a provider does to a mirror, decided in one place: [`plan`] takes the page and what the store has of whatever
//! the page touches, and says which rows are written and deleted, what goes into the change feed, and which occurrences there are.
//! Pure: no I/O, no clock. The store carries a plan out in one transaction and decides nothing.
//!
//! Not for: SQL (`crates/storage`), reading pages (`crates/providers`), the rules of recurrence (`crates/recurrence`).

mod changes;
mod content;
mod occurrences;
mod plan;
mod row;

pub use changes::{NewChange, VisibleChange};
pub use content::Unreadable;
pub use evercal_recurrence::Window;
pub use occurrences::{Expansion, OwnerOccurrences, expand_stored};
pub use plan::{Ends, Named, Plan, Snapshot, answered_ids, plan, touched_ids};
pub use row::{NewBody, NewRow, RowKind, RowState, StoredBody, StoredRow};
