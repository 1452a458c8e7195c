//! Settings: flags, or environment variables, read once.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use async_nats::ServerAddr;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use reqwest::Url;
use tracing::level_filters::LevelFilter;

use crate::bus::tls::Tls;
use crate::llama::key::KeySource;
use crate::worker::approval::Keys;

/// Has llama.cpp answer approved chat requests, one at a time.
#[derive(Debug, Clone, Parser)]
#[command(name = "stile-consumer", version)]
pub struct Config {
    /// The bus; several addresses of a cluster are parted by commas
    #[arg(
        long,
        env = "STILE_NATS_URL",
        value_name = "STILE_NATS_URL",
        default_value = "nats://127.0.0.1:4222",
        value_delimiter = ','
    )]
    pub nats_url: Vec<ServerAddr>,

    /// File that holds this service's nkey seed; without it, no authentication
    #[arg(long = "nats-nkey-file", env = "STILE_NATS_NKEY_FILE", value_name = "STILE_NATS_NKEY_FILE", value_parser = read_seed)]
    pub seed: Option<Seed>,

    /// TLS on the way to the bus.
    #[command(flatten)]
    pub nats_tls: Tls,

    /// File that holds the filter's public keys; without it, approvals are not checked
    #[arg(long, env = "STILE_APPROVAL_KEYS", value_name = "STILE_APPROVAL_KEYS", value_parser = Keys::open)]
    pub approval_keys: Option<Keys>,

    /// llama.cpp's server, http only
    #[arg(long, env = "STILE_LLAMA_URL", value_name = "STILE_LLAMA_URL", default_value = "http://127.0.0.1:11434", value_parser = http_url)]
    pub llama_url: Url,

    /// llama.cpp's key.
    #[command(flatten)]
    pub llama_key: KeySource,

    /// Address of /healthz, /readyz and /metrics
    #[arg(
        long,
        env = "STILE_CONSUMER_HOST",
        value_name = "STILE_CONSUMER_HOST",
        default_value = "127.0.0.1"
    )]
    pub host: IpAddr,

    /// Port of /healthz, /readyz and /metrics
    #[arg(
        long,
        env = "STILE_CONSUMER_PORT",
        value_name = "STILE_CONSUMER_PORT",
        default_value_t = 8080
    )]
    pub port: u16,

    /// Requests answered at the same time; llama.cpp needs as many slots
    #[arg(long, env = "STILE_CONCURRENCY", value_name = "STILE_CONCURRENCY", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,

    /// Seconds that a request is held while llama.cpp refuses connections or loads its model
    #[arg(long = "llama-gone-seconds", env = "STILE_LLAMA_GONE_SECONDS", value_name = "STILE_LLAMA_GONE_SECONDS", default_value = "120", value_parser = seconds)]
    pub llama_gone: Duration,

    /// Seconds after which a slot of llama.cpp that no request of ours holds must be free, and
    /// llama.cpp, if it says nothing, hangs
    #[arg(long = "slot-seconds", env = "STILE_SLOT_SECONDS", value_name = "STILE_SLOT_SECONDS", default_value = "30", value_parser = seconds)]
    pub slot: Duration,

    /// Seconds that the filters have for one check of an answer; then the answer ends in an error
    #[arg(long = "answer-check-seconds", env = "STILE_ANSWER_CHECK_SECONDS", value_name = "STILE_ANSWER_CHECK_SECONDS", default_value = "10", value_parser = seconds)]
    pub answer_check: Duration,

    /// Seconds that SIGTERM leaves to the request in hand
    #[arg(long = "shutdown-seconds", env = "STILE_SHUTDOWN_SECONDS", value_name = "STILE_SHUTDOWN_SECONDS", default_value = "20", value_parser = seconds)]
    pub shutdown: Duration,

    /// error, warn, info, debug or trace
    #[arg(long, env = "STILE_LOG_LEVEL", value_name = "STILE_LOG_LEVEL", default_value = "info", value_parser = level)]
    pub log_level: LevelFilter,

    /// How log lines are written
    #[arg(
        long,
        env = "STILE_LOG_FORMAT",
        value_name = "STILE_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

impl Config {
    /// Reads the command line and the environment. An empty variable is as if it were not set.
    ///
    /// # Errors
    /// [`clap::Error`]: help is asked for, or a value cannot be used; it names the variable.
    pub fn read() -> Result<Self, clap::Error> {
        let command = Self::command().mut_args(|argument| {
            let value = argument.get_env().and_then(std::env::var_os);
            if value.is_some_and(|value| value.is_empty()) {
                argument.env(None::<&'static str>)
            } else {
                argument
            }
        });
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// An nkey seed: a secret, shown to nobody.
#[derive(Clone)]
pub struct Seed(String);

impl Seed {
    /// The secret itself, for the NATS client alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

fn read_seed(path: &str) -> Result<Seed, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let seed = text.trim();
    if seed.starts_with("SU") && seed.len() == 58 {
        Ok(Seed(seed.to_owned()))
    } else {
        Err("the file holds no user's nkey seed".to_owned())
    }
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme() != "http" || url.host().is_none() {
        return Err(
            "must begin with http:// (put a TLS proxy on this machine for a server far away)"
                .to_owned(),
        );
    }
    Ok(url)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

fn level(text: &str) -> Result<LevelFilter, String> {
    match text.to_ascii_lowercase().as_str() {
        "critical" | "error" => Ok(LevelFilter::ERROR),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err("one of error, warn, info, debug, trace".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        Config::try_parse_from([&["stile-consumer"], arguments].concat())
    }

    /// The flags hang together as clap demands, and the defaults are readable by their own parsers.
    #[test]
    fn the_command_line_is_well_formed() {
        Config::command().debug_assert();
        assert_eq!(parse(&[]).unwrap().concurrency, 1);
    }

    /// The servers of a cluster are separated by commas, as in the environment.
    #[test]
    fn several_servers_are_named() {
        let config = parse(&["--nats-url=nats://a:1,nats://b:2,tls://c:3"]).unwrap();
        let servers: Vec<_> = config
            .nats_url
            .iter()
            .map(|url| (url.host(), url.port()))
            .collect();
        assert_eq!(servers, [("a", 1), ("b", 2), ("c", 3)]);
    }

    /// A bad value stops the start, and the message names the variable.
    #[test]
    fn a_bad_value_names_its_variable() {
        for (flag, value, variable) in [
            ("--nats-url", "nats://[", "STILE_NATS_URL"),
            ("--nats-nkey-file", "/nowhere", "STILE_NATS_NKEY_FILE"),
            ("--nats-tls-ca", "", "STILE_NATS_TLS_CA"),
            ("--nats-tls-cert", "", "STILE_NATS_TLS_CERT"),
            ("--nats-tls-key", "", "STILE_NATS_TLS_KEY"),
            ("--approval-keys", "/nowhere", "STILE_APPROVAL_KEYS"),
            ("--llama-url", "https://llama", "STILE_LLAMA_URL"),
            ("--llama-url", "llama:1", "STILE_LLAMA_URL"),
            ("--host", "example", "STILE_CONSUMER_HOST"),
            ("--port", "70000", "STILE_CONSUMER_PORT"),
            ("--concurrency", "0", "STILE_CONCURRENCY"),
            ("--llama-gone-seconds", "-1", "STILE_LLAMA_GONE_SECONDS"),
            ("--llama-key-file", "/nowhere", "STILE_LLAMA_KEY_FILE"),
            ("--slot-seconds", "-1", "STILE_SLOT_SECONDS"),
            ("--shutdown-seconds", "soon", "STILE_SHUTDOWN_SECONDS"),
            ("--log-level", "loud", "STILE_LOG_LEVEL"),
            ("--log-format", "xml", "STILE_LOG_FORMAT"),
        ] {
            let error = parse(&[&format!("{flag}={value}")]).unwrap_err();
            assert!(error.to_string().contains(variable), "{error}");
        }
    }

    /// The seed is read from its file, and neither shown nor quoted in an error.
    #[test]
    fn the_seed_is_shown_to_nobody() {
        let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{seed}").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let config = parse(&["--nats-nkey-file", &path]).unwrap();
        assert_eq!(config.seed.as_ref().unwrap().reveal(), seed);
        assert!(!format!("{config:?}").contains(seed));

        writeln!(file, "more").unwrap();
        let error = parse(&["--nats-nkey-file", &path]).unwrap_err();
        assert!(!error.to_string().contains(seed));
    }
}
