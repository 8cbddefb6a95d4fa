//! What series become inside a window: by hand, against another implementation, and under hostile rules.

#![expect(clippy::unwrap_used, reason = "a test whose events cannot be written has failed")]
#![expect(clippy::print_stderr, reason = "a test that fails says with what")]

mod exceptions;
mod following;
mod fuzz;
mod hostile;
mod object_oracle;
mod objects;
mod oracle;
mod rolling;
mod series;
mod support;
