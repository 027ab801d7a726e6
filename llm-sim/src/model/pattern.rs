//! An example of a regular expression: the shortest text that its plain reading matches.
//!
//! Understood: literals, escapes, classes, groups, alternatives, `?`, `*`, `+`, `{m,n}` and the
//! two anchors. Look-around and back references are not; such a pattern gives `None`.

/// Repetitions beyond this are no example any more.
const REPEAT_MAX: u32 = 1_000;
/// Groups inside groups.
const NEST_MAX: usize = 32;

/// A text that the pattern matches.
pub(crate) fn example(pattern: &str) -> Option<String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0 };
    let text = reader.alternatives(0)?;
    (reader.at == chars.len()).then_some(text)
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    /// The first alternative counts; the others are read so that the end is found.
    fn alternatives(&mut self, depth: usize) -> Option<String> {
        if depth > NEST_MAX {
            return None;
        }
        let first = self.sequence(depth)?;
        while self.eat('|') {
            self.sequence(depth)?;
        }
        Some(first)
    }

    fn sequence(&mut self, depth: usize) -> Option<String> {
        let mut out = String::new();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            self.at += 1;
            let atom = match c {
                '^' | '$' => continue,
                '(' => self.group(depth)?,
                '[' => self.class()?.to_string(),
                '.' => "a".to_owned(),
                '\\' => escape(self.next()?)?,
                '*' | '+' | '?' | '{' => return None,
                c => c.to_string(),
            };
            let times = self.times()?;
            out.push_str(&atom.repeat(times as usize));
        }
        Some(out)
    }

    fn group(&mut self, depth: usize) -> Option<String> {
        if self.eat('?') {
            match self.next()? {
                ':' => {}
                'P' | '<' => {
                    // A named group; look-behind (`<=`, `<!`) is not understood.
                    while let Some(c) = self.next() {
                        match c {
                            '>' => break,
                            '=' | '!' => return None,
                            _ => {}
                        }
                    }
                }
                _ => return None,
            }
        }
        let text = self.alternatives(depth + 1)?;
        self.eat(')').then_some(text)
    }

    fn class(&mut self) -> Option<char> {
        let negated = self.eat('^');
        let mut first = None;
        let mut listed = Vec::new();
        loop {
            let c = match self.next()? {
                ']' if first.is_some() => break,
                '\\' => escape(self.next()?)?.chars().next()?,
                c => c,
            };
            first = first.or(Some(c));
            let mut end = c;
            if self.peek() == Some('-') && self.chars.get(self.at + 1) != Some(&']') {
                self.at += 1;
                end = self.next()?;
            }
            listed.push((c, end));
        }
        if !negated {
            return first;
        }
        let free = |c: &char| !listed.iter().any(|(a, b)| (a..=b).contains(&c));
        "aA0_ -z".chars().find(free)
    }

    fn times(&mut self) -> Option<u32> {
        let times = match self.peek() {
            Some('*' | '?') => {
                self.at += 1;
                0
            }
            Some('+') => {
                self.at += 1;
                1
            }
            Some('{') => {
                self.at += 1;
                let mut least = String::new();
                while let Some(c) = self.peek().filter(char::is_ascii_digit) {
                    least.push(c);
                    self.at += 1;
                }
                while self.next()? != '}' {}
                least.parse().unwrap_or(0)
            }
            _ => return Some(1),
        };
        self.eat('?');
        (times <= REPEAT_MAX).then_some(times)
    }
}

fn escape(c: char) -> Option<String> {
    Some(match c {
        'd' => "1".to_owned(),
        'w' => "a".to_owned(),
        's' => " ".to_owned(),
        'D' | 'S' => "a".to_owned(),
        'W' => "-".to_owned(),
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        'b' | 'B' => String::new(),
        c if c.is_ascii_alphanumeric() => return None,
        c => c.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_short_and_fit() {
        let cases = [
            ("^[A-Z]{3}-\\d{2,4}$", Some("AAA-11")),
            ("^(red|blue)?x+$", Some("x")),
            ("[^a]b", Some("Ab")),
            ("^(?:a|b)(?<n>c)$", Some("ac")),
            ("(?=x)y", None),
            ("a{99999}", None),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(example(pattern).as_deref(), wanted, "{pattern}");
        }
    }
}
