//! Prints what the product's codecs read out of recorded exchanges, one JSON line a case, for a
//! judge that knows nothing of the product.
//!
//! `wire DIR [--render openai|anthropic] [--no-usage] [--cut N|whole]`

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use llm_core::dialect::DialectId;
use llm_sim::testkit::reading::Cut;
use llm_sim::testkit::{corpus, reading, rendering};

struct Options {
    dir: PathBuf,
    render: Option<DialectId>,
    include_usage: bool,
    cut: Cut,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("wire: {problem}");
            eprintln!("usage: wire DIR [--render openai|anthropic] [--no-usage] [--cut N|whole]");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(count) => {
            eprintln!("wire: {count} cases");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("wire: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut dir, mut render, mut include_usage, mut cut) = (None, None, true, Cut::AsRecorded);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--render" => {
                render = Some(match args.next().as_deref() {
                    Some("openai") => DialectId::OpenaiChat,
                    Some(name) => DialectId::parse(name).ok_or("no such dialect to render")?,
                    None => return Err("--render needs a dialect".into()),
                });
            }
            "--no-usage" => include_usage = false,
            "--cut" => {
                cut = match args.next().as_deref() {
                    Some("whole") => Cut::Whole,
                    Some(n) => match n.parse() {
                        Ok(n) if n > 0 => Cut::Every(n),
                        _ => return Err("--cut needs a positive number or `whole`".into()),
                    },
                    None => return Err("--cut needs a value".into()),
                };
            }
            flag if flag.starts_with("--") => return Err(format!("no such option: {flag}")),
            _ if dir.is_some() => return Err("only one folder".into()),
            path => dir = Some(PathBuf::from(path)),
        }
    }
    Ok(Options { dir: dir.ok_or("which folder?")?, render, include_usage, cut })
}

fn run(options: &Options) -> Result<usize, String> {
    let caller = match options.render {
        Some(id) => Some(llm_dialects::caller(id).ok_or(format!("nobody calls in {id}"))?),
        None => None,
    };
    let cases = corpus::read(&options.dir).map_err(|e| e.to_string())?;
    let mut out = BufWriter::new(io::stdout().lock());
    for case in &cases {
        let line = match caller {
            // Only conversations (and refusals of them) are rendered: the other operations have
            // no contract to be held against.
            Some(_) if case.operation != llm_core::call::Operation::Chat && !case.error => continue,
            Some(caller) => rendering::line(case, caller, options.cut, options.include_usage),
            None => reading::line(case, options.cut),
        };
        writeln!(out, "{line}").map_err(|e| e.to_string())?;
    }
    out.flush().map_err(|e| e.to_string())?;
    Ok(cases.len())
}
