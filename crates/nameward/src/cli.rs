//! The command line: what one may say, and which exit code says what happened.
//!
//! 0 done · 1 failed · 2 said wrongly · 3 nothing found.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::client::{self, SEARCH_HELP, SearchArgs, TAIL_HELP, TailArgs};
use crate::config::{self, Config};
use crate::import::{self, ImportArgs};
use crate::key::{self, KeyCommand};
use crate::lab::{self, LabCommand};
use crate::list::{self, ListCommand};
use crate::log::{self, LogCommand};
use crate::zone::{self, ZoneCommand};
use crate::{code, demo, reference, serve};

/// Exit code when nothing was found.
const NOTHING_FOUND: u8 = 3;
/// File read when none is named and it exists.
const FILE_DEFAULT: &str = "/etc/nameward/nameward.toml";

/// Protective DNS you can question.
///
/// Answers DNS, refuses what policy forbids, and remembers every query with its exact return code and the reason for it.
#[derive(Debug, Parser)]
#[command(name = "nameward", version, max_term_width = 110, arg_required_else_help = true)]
struct Args {
    /// Configuration file [default: /etc/nameward/nameward.toml when it exists]
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer queries, keep the log, serve dashboard and API
    Serve,
    /// The whole product on a machine without a network: a small Internet on loopback, clients with realistic traffic
    Demo(DemoArgs),
    /// Find events in the log, newest first, or ask questions about them
    #[command(after_help = SEARCH_HELP)]
    Search(Box<SearchArgs>),
    /// Show events as they happen
    #[command(after_help = TAIL_HELP)]
    Tail(TailArgs),
    /// Look after the log: what is kept, whether it can be read
    #[command(subcommand)]
    Log(LogCommand),
    /// Keep the logs of others: dnstap, pcap, C-DNS, BIND, Unbound, Pi-hole, AdGuard Home, Zeek
    #[command(after_help = import::HELP)]
    Import(ImportArgs),
    /// Explain return codes and extended errors
    #[command(after_help = CODE_HELP)]
    Code(CodeArgs),
    /// Look at the zones held, check zone files
    #[command(subcommand)]
    Zone(ZoneCommand),
    /// Find out what the lists say of a name
    #[command(subcommand)]
    List(ListCommand),
    /// Make keys for signed messages
    #[command(subcommand)]
    Key(KeyCommand),
    /// Try out servers
    #[command(subcommand)]
    Lab(LabCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the reference pages that are made from the code
    #[command(hide = true)]
    Reference {
        /// Folder to write to
        #[arg(long)]
        folder: PathBuf,
    },
}

const CODE_HELP: &str = "\
Examples:
  nameward code                  every return code
  nameward code BADTRUNC         one: what it means, why it comes, what to do next
  nameward code 16               both codes with this number
  nameward code ede              every extended error
  nameward code ede 15           one of them, by number or name

Exit status: 0 explained, 2 no such code.";

#[derive(Debug, clap::Args)]
pub(crate) struct CodeArgs {
    /// Names or numbers of codes, or `ede` and the number or name of an extended error; the list when left out
    #[arg(value_name = "CODE")]
    pub(crate) what: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Queries a second the traffic makers send
    #[arg(long, default_value_t = 120)]
    pub(crate) rate: u32,
    /// Seed of the small Internet and its traffic
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Address to answer on [default: port 53 of 127.0.0.1, else 5353, else a free port]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns: Option<SocketAddr>,
    /// Address of dashboard and API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8053")]
    pub(crate) web: SocketAddr,
    /// Folder for the log; kept when named, else removed at the end
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Form of the output [default: table on a terminal, json in a pipe]
    #[arg(long, short = 'o', value_enum)]
    pub(crate) output: Option<Output>,
    /// One JSON object a line; the same as `-o json`
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Which server is asked.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArgs {
    /// The server's dashboard address [default: the one running here]
    #[arg(long, value_name = "URL", env = "NAMEWARD_SERVER")]
    pub(crate) server: Option<String>,
    /// The server's command-line token [default: read from its state folder]
    #[arg(long, value_name = "TOKEN", env = "NAMEWARD_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns for people
    Table,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether the file is right, and what is wrong where
    Check,
    /// Print the default file, every setting explained
    Default,
    /// Print every setting with its value and where it came from
    Show,
}

/// How a command ended well.
pub(crate) enum Ended {
    /// Done.
    Done,
    /// Nothing was found.
    Nothing,
    /// What the user said is wrong; it was already told.
    SaidWrong,
    /// Something is not as it should be; it was already told.
    Failed,
}

/// Runs the command line.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(&args) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Nothing) => ExitCode::from(NOTHING_FOUND),
        Ok(Ended::SaidWrong) => ExitCode::from(2),
        Ok(Ended::Failed) => ExitCode::FAILURE,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nameward: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &Args) -> anyhow::Result<Ended> {
    match &args.command {
        Command::Serve => match load(args)? {
            Some((config, file)) => serve::serve(config, file).map(|()| Ended::Done),
            None => Ok(Ended::SaidWrong),
        },
        Command::Demo(demo) => demo::demo(demo).map(|()| Ended::Done),
        Command::Search(search) => client::search(search, &states(args)),
        Command::Tail(tail) => client::tail(tail, &states(args)),
        Command::Log(command) => log::run(command, &states(args)),
        Command::Import(options) => match load(args)? {
            Some((config, _)) => import::import(options, serve::log_settings(&config)?),
            None => Ok(Ended::SaidWrong),
        },
        Command::Code(code) => code::code(code),
        Command::Zone(command) => zone::run(command, &states(args)),
        Command::List(command) => list::run(command, &states(args)),
        Command::Key(command) => key::run(command).map(|()| Ended::Done),
        Command::Lab(command) => lab::run(command),
        Command::Config(ConfigCommand::Default) => print(&config::default_file()).map(|()| Ended::Done),
        Command::Config(ConfigCommand::Check) => match load(args)? {
            Some((config, file)) => {
                let name = file.map_or_else(|| "no file, all defaults".to_owned(), |file| file.display().to_string());
                let (lists, upstreams) = (config.lists.len(), config.upstreams.len());
                let (zones, keys) = (config.zones.len(), config.keys.len());
                print(&format!(
                    "{name}: fine ({lists} lists, {upstreams} upstream sections, {zones} zones, {keys} keys)\n"
                ))
                .map(|()| Ended::Done)
            }
            None => Ok(Ended::SaidWrong),
        },
        Command::Config(ConfigCommand::Show) => match load(args)? {
            Some((config, file)) => {
                let name = file.map_or_else(String::new, |file| file.display().to_string());
                print(&config.show(&name)).map(|()| Ended::Done)
            }
            None => Ok(Ended::SaidWrong),
        },
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Args::command(), "nameward", &mut io::stdout());
            Ok(Ended::Done)
        }
        Command::Reference { folder } => reference::write(folder, &commands()).map(|()| Ended::Done),
    }
}

/// Reads the file named, or the usual one, or none. `None`: the file is wrong, and it was told.
fn load(args: &Args) -> anyhow::Result<Option<(Config, Option<PathBuf>)>> {
    let file = match &args.config {
        Some(file) => Some(file.clone()),
        None => Some(PathBuf::from(FILE_DEFAULT)).filter(|file| file.exists()),
    };
    let text = match &file {
        Some(file) => read_file(file)?,
        None => String::new(),
    };
    match config::read(&text, &default_state()) {
        Ok(config) => Ok(Some((config, file))),
        Err(faults) => {
            let name = file.unwrap_or_default();
            for fault in faults {
                eprintln!("{}: {fault}", name.display());
            }
            Ok(None)
        }
    }
}

/// Reads a configuration file, at most as much as one may have.
pub(crate) fn read_file(file: &Path) -> anyhow::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let limit = config::FILE_BYTES_MAX as u64 + 1;
    std::fs::File::open(file)
        .and_then(|open| open.take(limit).read_to_string(&mut text))
        .with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text)
}

/// State folder when the file names none: the system's for root, else the user's own.
pub(crate) fn default_state() -> PathBuf {
    let system = PathBuf::from("/var/lib/nameward");
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match variable("HOME") {
        Some(home) if home != Path::new("/root") => {
            variable("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("nameward")
        }
        _ => system,
    }
}

/// State folders in which a running server may have left its key for the command line.
fn states(args: &Args) -> Vec<PathBuf> {
    let configured = load(args).ok().flatten().map(|(config, _)| config.state);
    configured.into_iter().chain([default_state()]).collect()
}

/// Prints to standard output; a closed pipe is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

/// Every command with its help, for the reference.
fn commands() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    collect("nameward", Args::command(), &mut pages);
    pages
}

fn collect(name: &str, mut command: clap::Command, pages: &mut Vec<(String, String)>) {
    command = command.bin_name(name).term_width(100);
    pages.push((name.to_owned(), command.render_long_help().to_string()));
    let below: Vec<clap::Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
    for sub in below {
        let name = format!("{name} {}", sub.get_name());
        collect(&name, sub, pages);
    }
}
