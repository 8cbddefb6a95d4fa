//! Where a store is.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::error::{StoreError, StoreErrorKind};

const SQLITE_EXAMPLE: &str = "sqlite:///var/lib/evercal/evercal.db";
const POSTGRES_EXAMPLE: &str = "postgres://evercal@localhost/evercal";

/// Where a store is: `sqlite:///absolute/path`, `sqlite:relative/path`, or a PostgreSQL URL with the parameters of libpq
/// (<https://www.postgresql.org/docs/current/libpq-connect.html>) that sqlx knows, `sslmode` and `sslrootcert` among them.
///
/// It is shown without what it may hold of a password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A database of a server.
    Postgres(Box<PgConnectOptions>),
}

impl DatabaseUrl {
    /// The store in a SQLite file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(path.into())
    }
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(wrong("the database URL has no scheme", SQLITE_EXAMPLE));
        };
        match scheme {
            "sqlite" => sqlite_path(rest).map(|path| Self::Sqlite(path.to_owned())),
            "postgres" | "postgresql" => {
                // The parser's message may quote the URL, and so the password.
                let options = url.parse::<PgConnectOptions>();
                let options = options.map_err(|_| wrong("the PostgreSQL URL cannot be read", POSTGRES_EXAMPLE))?;
                // Statements of many rows are long texts that no reader of a log needs.
                Ok(Self::Postgres(Box::new(options.application_name("evercal").disable_statement_logging())))
            }
            // The rest is not shown: it may hold a password.
            _ => Err(wrong(
                &format!("the database URL has the scheme `{scheme}`, which is not supported"),
                SQLITE_EXAMPLE,
            )),
        }
    }
}

impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite://{}", path.display()),
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or(options.get_username());
                write!(formatter, "postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
        }
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DatabaseUrl({self})")
    }
}

/// The file that a SQLite URL names, after its scheme.
fn sqlite_path(rest: &str) -> Result<&Path, StoreError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return Err(wrong("the SQLite URL must name a file, without parameters", SQLITE_EXAMPLE));
    }
    Ok(Path::new(path))
}

fn wrong(problem: &str, example: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Configuration, format!("{problem}; expected for example {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_url_names_an_absolute_or_a_relative_file() {
        for (url, file) in
            [("sqlite:///data/evercal.db", "/data/evercal.db"), ("sqlite:data/evercal.db", "data/evercal.db")]
        {
            let DatabaseUrl::Sqlite(path) = url.parse().unwrap() else { panic!("{url} is a file") };
            assert_eq!(path, Path::new(file));
        }
    }

    #[test]
    fn a_postgres_url_is_shown_without_its_user_and_password() {
        for scheme in ["postgres", "postgresql"] {
            let url: DatabaseUrl =
                format!("{scheme}://ada:marker@db.example:5433/mirror?sslmode=require").parse().unwrap();
            assert_eq!(url.to_string(), "postgres://db.example:5433/mirror");
            assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://db.example:5433/mirror)");
        }
    }

    #[test]
    fn another_url_is_refused_with_an_example_and_without_its_password() {
        for url in [
            "mysql://ada:marker@db/evercal",
            "postgres://ada:marker@db:port/evercal",
            "/data/marker.db",
            "sqlite::memory:",
            "sqlite:",
            "sqlite://",
        ] {
            let error = url.parse::<DatabaseUrl>().unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Configuration);
            assert!(error.to_string().contains("expected for example"), "{error}");
            assert!(!error.to_string().contains("marker"), "{error}");
        }
    }
}
