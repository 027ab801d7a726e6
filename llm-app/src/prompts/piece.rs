//! One text of a JSON object that comes bit by bit, as far as it has come.

/// The letters of a text at the top of an object, before the object is whole.
#[derive(Debug)]
pub(super) struct Pieces {
    name: &'static str,
    state: State,
    depth: u32,
    /// The name or text that is being read.
    text: String,
    /// The name whose value comes.
    key: String,
    /// Letters of an escape that has not ended.
    escape: String,
    /// The first half of a letter that is written as two.
    half: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Between texts.
    Out,
    /// In a name, or in a text that nobody wants.
    Skip,
    /// In the text that is wanted.
    In,
    /// Behind it.
    Over,
}

impl Pieces {
    /// Of the text of that name.
    pub(super) fn of(name: &'static str) -> Self {
        Self {
            name,
            state: State::Out,
            depth: 0,
            text: String::new(),
            key: String::new(),
            escape: String::new(),
            half: None,
        }
    }

    /// What of the text is in this.
    pub(super) fn more(&mut self, bytes: &str) -> String {
        let mut out = String::new();
        for letter in bytes.chars() {
            match self.state {
                State::Over => break,
                State::Out => self.outside(letter),
                State::Skip | State::In => self.inside(letter, &mut out),
            }
        }
        out
    }

    fn outside(&mut self, letter: char) {
        match letter {
            '{' | '[' => self.depth = self.depth.saturating_add(1),
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            ':' if self.depth == 1 => self.key = std::mem::take(&mut self.text),
            ',' if self.depth == 1 => self.key.clear(),
            '"' => {
                self.text.clear();
                let wanted = self.depth == 1 && self.key == self.name;
                self.state = if wanted { State::In } else { State::Skip };
            }
            _ => {}
        }
    }

    fn inside(&mut self, letter: char, out: &mut String) {
        if !self.escape.is_empty() {
            self.escape.push(letter);
            return self.escaped(out);
        }
        match (letter, self.state) {
            ('\\', _) => self.escape.push(letter),
            ('"', State::In) => self.state = State::Over,
            ('"', _) => self.state = State::Out,
            (letter, State::In) => out.push(letter),
            // Names are short: what is longer is none that is looked for.
            (letter, _) if self.text.len() <= self.name.len() => self.text.push(letter),
            _ => {}
        }
    }

    fn escaped(&mut self, out: &mut String) {
        let mut letters = self.escape.chars();
        letters.next();
        let letter = match letters.next() {
            Some('u') if self.escape.len() < 6 => return,
            Some('u') => {
                let code = u32::from_str_radix(letters.as_str(), 16).unwrap_or(0xfffd);
                self.escape.clear();
                match self.pair(code) {
                    Some(letter) => letter,
                    None => return,
                }
            }
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some(other) => other,
            None => return,
        };
        self.escape.clear();
        if self.state == State::In {
            out.push(letter);
        }
    }

    fn pair(&mut self, code: u32) -> Option<char> {
        match (self.half.take(), code) {
            (Some(high), 0xdc00..=0xdfff) => {
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00))
            }
            (_, 0xd800..=0xdbff) => {
                self.half = Some(code);
                None
            }
            (_, code) => Some(char::from_u32(code).unwrap_or('\u{fffd}')),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str, cut: usize) -> String {
        let letters: Vec<char> = text.chars().collect();
        let mut pieces = Pieces::of("prompt");
        letters.chunks(cut).map(|some| pieces.more(&some.iter().collect::<String>())).collect()
    }

    proptest! {
        #[test]
        fn the_text_comes_as_it_is_however_it_is_cut(prompt in ".{0,40}", cut in 1usize..7) {
            let value = json!({"changes": [{"prompt": "no", "why": "{\"prompt\":\"no\"}"}],
                "prompt": prompt, "questions": ["prompt"]});
            for written in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(read(&written, cut), prompt.clone());
            }
        }

        #[test]
        fn nothing_ends_it(text in "\\PC{0,60}", cut in 1usize..5) {
            let _ = read(&text, cut);
        }
    }

    #[test]
    fn letters_in_two_halves_are_one() {
        assert_eq!(read(r#"{"prompt":"a\ud83d\ude00\uac00\n\"b"}"#, 3), "a😀가\n\"b");
    }
}
