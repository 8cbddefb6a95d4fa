//! The commands that ask a running evercal: `connect`, `accounts`, `calendars`, `events`, `status`, `sync`,
//! `refresh`, `disconnect`.
//!
//! A command calls the API and returns its whole output as text; only [`run`] prints. Tables are for people; `--json`
//! gives the API's own answer. Not for running anything (`dev/`, `main.rs`), and never past the API into the store.

pub mod answers;
mod client;
mod commands;
mod error;
pub mod progress;
mod resolve;
pub mod table;
pub mod target;
pub mod times;

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{NonEmptyStringValueParser, PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand};
use evercal_domain::{Profile, SystemClock};
use evercal_providers::registry;

use client::ApiClient;
use commands::Session;
pub use commands::pretty;
pub use error::{CliError, Failure};
use table::Screen;
use target::Target;
use times::WindowEdge;

/// Shown below every `--help`.
pub const HELP: &str = "\
Which evercal is asked:
  the one of --data-dir, else of EVERCAL_API and EVERCAL_API_KEY, else of `evercal dev` in .evercal

With --json:
  stdout holds one indented JSON document, the API's answer; a list has all its pages in one
  errors, but for those in the command line itself, are one line on stderr:
  {\"error\":{\"kind\":…,\"exit_code\":…,\"message\":…,\"next\":…}}

Exit codes:
  0  done
  1  error
  2  usage: arguments or settings that cannot be meant, or a name that fits several calendars
  3  no such calendar or account
  4  the API key is not accepted
  5  evercal does not answer, or cannot serve now

Colours only on a terminal, and not when NO_COLOR is set.";

/// Occurrences that `events` shows when nobody says how many.
const EVENTS_DEFAULT: u32 = 100;

/// A command that asks the API.
#[derive(Subcommand)]
pub enum Command {
    /// Begin to connect an account: prints the address of its provider's consent page
    #[command(after_help = HELP)]
    Connect(ConnectOptions),
    /// List the connected accounts
    #[command(after_help = HELP)]
    Accounts(ListOptions),
    /// List the mirrored calendars
    #[command(after_help = HELP)]
    Calendars(ListOptions),
    /// List a calendar's events, series as single occurrences, by start
    #[command(after_help = HELP)]
    Events(EventsOptions),
    /// Show how a calendar's mirror and subscription are doing
    #[command(after_help = HELP)]
    Status(CalendarOptions),
    /// Sync a calendar now and wait for the end
    #[command(after_help = HELP)]
    Sync(CalendarOptions),
    /// Read an account's list of calendars now: new, renamed and re-zoned ones show
    #[command(after_help = HELP)]
    Refresh(AccountOptions),
    /// Disconnect an account: stop its channels, erase its tokens
    #[command(after_help = HELP)]
    Disconnect(DisconnectOptions),
}

/// What every command takes.
#[derive(Args)]
pub struct Options {
    /// Print the API's JSON
    #[arg(long)]
    json: bool,
    /// Ask the `evercal dev` that runs on this folder
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// Which account to connect.
#[derive(Args)]
pub struct ConnectOptions {
    /// Where the account lives
    #[arg(value_parser = PossibleValuesParser::new(registry::profiles().map(provider_value)))]
    provider: String,
    /// A name for people
    #[arg(long)]
    label: Option<String>,
    /// The user's address, to preselect it at the provider; not stored
    #[arg(long)]
    login_hint: Option<String>,
    /// Connect this account again, after it lost its grant
    #[arg(long, value_name = "ACCOUNT_ID")]
    account_id: Option<String>,
    /// Connect the user although another account connects them already; their calendars are then mirrored twice
    #[arg(long)]
    allow_duplicate: bool,
    #[command(flatten)]
    options: Options,
}

/// A provider as help and errors list it.
fn provider_value(profile: &'static Profile) -> PossibleValue {
    PossibleValue::new(profile.provider.as_str()).help(profile.title)
}

/// What lists take.
#[derive(Args)]
pub struct ListOptions {
    /// At most so many [default: all]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    options: Options,
}

/// Which calendar.
#[derive(Args)]
pub struct CalendarOptions {
    /// Its id, the beginning of its id, or a part of its title, if only one calendar has it
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    calendar: String,
    #[command(flatten)]
    options: Options,
}

/// Which events.
#[derive(Args)]
pub struct EventsOptions {
    /// The first moment: a date, in the calendar's zone, or a time (RFC 3339) [default: today]
    #[arg(long)]
    from: Option<WindowEdge>,
    /// The moment before which they begin: a date, whose day is not included, or a time [default: 7 days after --from]
    #[arg(long)]
    to: Option<WindowEdge>,
    /// At most so many
    #[arg(long, default_value_t = EVENTS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    calendar: CalendarOptions,
}

/// Which account.
#[derive(Args)]
pub struct AccountOptions {
    /// Its id, the beginning of its id, or a part of its label
    account: String,
    #[command(flatten)]
    options: Options,
}

/// Which account, and whether to ask.
#[derive(Args)]
pub struct DisconnectOptions {
    /// Its id, the beginning of its id, or a part of its label, if only one account has it
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    account: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    options: Options,
}

impl Command {
    fn options(&self) -> &Options {
        match self {
            Self::Connect(command) => &command.options,
            Self::Accounts(command) | Self::Calendars(command) => &command.options,
            Self::Events(command) => &command.calendar.options,
            Self::Status(command) | Self::Sync(command) => &command.options,
            Self::Refresh(command) => &command.options,
            Self::Disconnect(command) => &command.options,
        }
    }
}

/// Runs a command and prints its answer. `find` looks an environment variable up.
pub async fn run(command: Command, find: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let json = command.options().json;
    match answer(command, find).await.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(json),
    }
}

async fn answer(command: Command, find: &dyn Fn(&str) -> Option<String>) -> Result<String, CliError> {
    let options = command.options();
    let session = Session {
        api: ApiClient::new(Target::find(options.data_dir.as_deref(), find)?)?,
        clock: &SystemClock,
        screen: Screen::detect(find),
        json: options.json,
    };
    match command {
        Command::Connect(command) => session.connect(&command).await,
        Command::Accounts(command) => session.accounts(command.limit).await,
        Command::Calendars(command) => session.calendars(command.limit).await,
        Command::Events(command) => session.events(&command).await,
        Command::Status(command) => session.status(&command.calendar).await,
        Command::Sync(command) => session.sync(&command.calendar).await,
        Command::Refresh(command) => session.refresh(&command.account).await,
        Command::Disconnect(command) => session.disconnect(&command.account, command.yes).await,
    }
}

/// Writes to stdout.
pub fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough, as in `evercal events work | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError::new(
            Failure::Error,
            format!("the output cannot be written: {error}"),
            "see where stdout leads, and whether the disk is full",
        )),
        Ok(()) => Ok(()),
    }
}
