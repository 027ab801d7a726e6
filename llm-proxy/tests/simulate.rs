//! The command as it is typed.

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};

    fn start(args: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llm-proxy"));
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn it_names_its_providers_and_ends_when_told() {
        let mut child = start(&["simulate", "--port-base", "0"]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let names = ["openai", "anthropic", "gemini", "cohere", "ollama"];
        for name in names {
            let line = lines.next().unwrap().unwrap();
            let (vendor, url) = line.split_once(' ').unwrap();
            assert_eq!(vendor, name);
            let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
            let mut socket = TcpStream::connect(host).unwrap();
            let ask = format!("GET /__sim HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            socket.write_all(ask.as_bytes()).unwrap();
            let mut got = String::new();
            socket.read_to_string(&mut got).unwrap();
            assert!(got.contains(&format!("\"provider\":\"{name}\"")), "{got}");
        }
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }

    #[test]
    fn a_busy_port_is_said_and_ends_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let out = start(&["simulate", "--port-base", &port]).wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(2));
        assert!(out.stdout.is_empty());
        let said = String::from_utf8(out.stderr).unwrap();
        assert!(said.contains(&port) && said.contains("--port-base"), "{said}");
    }

    #[test]
    fn wrong_usage_is_said() {
        let out = start(&["simulate", "--nope"]).wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(2));
    }
}
