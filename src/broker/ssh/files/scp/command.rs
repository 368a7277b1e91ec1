//! The command that a client's scp runs on the other side: `scp -r -t -- path`.
//!
//! Pure. Strict: one plain command with the options that scp itself sends, and paths in
//! which a shell does no more than expand names. It can be written again so that every
//! shell reads it the same.

/// What runs on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `-f`: the target sends.
    Source,
    /// `-t`: the target receives.
    Sink,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScpCommand {
    pub side: Side,
    options: Vec<u8>,
    /// Whether the path must be a folder.
    pub into_folder: bool,
    pub paths: Vec<Word>,
}

/// One word of a command, with what in it a shell would expand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    letters: Vec<(u8, Meaning)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Itself,
    /// Stands for names on the target.
    Pattern,
}

/// More is no command of scp's.
const LONGEST: usize = 32 * 1024;

impl ScpCommand {
    /// None if it is anything but scp's own server side.
    pub fn parse(command: &[u8]) -> Option<Self> {
        let words = split(command)?;
        let (name, arguments) = words.split_first()?;
        if name.plain()? != b"scp" {
            return None;
        }
        let (mut side, mut options, mut paths) = (None, Vec::new(), Vec::new());
        let mut arguments = arguments.iter();
        for argument in arguments.by_ref() {
            let option = match argument.letters.first() {
                Some((b'-', Meaning::Itself)) => argument.plain()?,
                _ => {
                    paths.push(argument.clone());
                    break;
                }
            };
            if option == b"--" {
                break;
            }
            for letter in option.get(1..).filter(|letters| !letters.is_empty())? {
                match letter {
                    b'f' if side.is_none() => side = Some(Side::Source),
                    b't' if side.is_none() => side = Some(Side::Sink),
                    b'r' | b'p' | b'd' | b'v' | b'q' => options.push(*letter),
                    _ => return None,
                }
            }
        }
        paths.extend(arguments.cloned());
        let side = side?;
        let enough = match side {
            Side::Sink => paths.len() == 1,
            Side::Source => !paths.is_empty(),
        };
        // GNU's option parser would look for options behind a path as well.
        let all_paths = paths.iter().skip(1).all(|path| !path.begins_with(b'-'));
        (enough && all_paths).then(|| Self {
            side,
            into_folder: options.contains(&b'd') || paths[0].is_folder(),
            options,
            paths,
        })
    }

    /// The same command, in words that no shell reads otherwise.
    pub fn canonical(&self) -> Vec<u8> {
        let mut command = b"scp".to_vec();
        for option in &self.options {
            command.extend_from_slice(&[b' ', b'-', *option]);
        }
        command.extend_from_slice(match self.side {
            Side::Source => b" -f --",
            Side::Sink => b" -t --",
        });
        for path in &self.paths {
            command.push(b' ');
            path.quote(&mut command);
        }
        command
    }
}

impl Word {
    /// As typed, without its quotes.
    pub fn bytes(&self) -> Vec<u8> {
        self.letters.iter().map(|(letter, _)| *letter).collect()
    }

    pub fn is_pattern(&self) -> bool {
        self.letters
            .iter()
            .any(|(_, meaning)| *meaning == Meaning::Pattern)
    }

    /// Without a pattern in it.
    fn plain(&self) -> Option<Vec<u8>> {
        (!self.is_pattern()).then(|| self.bytes())
    }

    fn begins_with(&self, letter: u8) -> bool {
        self.letters
            .first()
            .is_some_and(|(first, _)| *first == letter)
    }

    /// Whether it can name nothing but a folder.
    fn is_folder(&self) -> bool {
        let bytes = self.bytes();
        matches!(&bytes[..], b"" | b"." | b".." | b"~")
            || [&b"/"[..], b"/.", b"/.."]
                .iter()
                .any(|end| bytes.ends_with(end))
    }

    fn quote(&self, into: &mut Vec<u8>) {
        if self.letters.is_empty() {
            into.extend_from_slice(b"''");
        }
        for (letter, meaning) in &self.letters {
            let plain = letter.is_ascii_alphanumeric()
                || b"_./@%+,:-".contains(letter)
                || *letter >= 0x80
                || *meaning == Meaning::Pattern;
            if !plain {
                into.push(b'\\');
            }
            into.push(*letter);
        }
    }
}

/// The words of one plain command, as POSIX sh splits them (XCU 2.2, 2.3). None for
/// anything that would run, assign, substitute or redirect, and for a newline anywhere.
fn split(command: &[u8]) -> Option<Vec<Word>> {
    if command.len() > LONGEST || command.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r')) {
        return None;
    }
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut bytes = command.iter().copied();
    while let Some(byte) = bytes.next() {
        if matches!(byte, b' ' | b'\t') {
            words.extend(word.take());
            continue;
        }
        let at_start = word.is_none();
        let letters = &mut word.get_or_insert_default().letters;
        match byte {
            b'\'' => loop {
                match bytes.next()? {
                    b'\'' => break,
                    letter => letters.push((letter, Meaning::Itself)),
                }
            },
            b'"' => loop {
                match bytes.next()? {
                    b'"' => break,
                    b'\\' => match bytes.next()? {
                        letter @ (b'"' | b'\\' | b'$' | b'`') => {
                            letters.push((letter, Meaning::Itself));
                        }
                        letter => {
                            letters.push((b'\\', Meaning::Itself));
                            letters.push((letter, Meaning::Itself));
                        }
                    },
                    b'$' | b'`' => return None,
                    letter => letters.push((letter, Meaning::Itself)),
                }
            },
            b'\\' => letters.push((bytes.next()?, Meaning::Itself)),
            b'*' | b'?' | b'[' | b']' => letters.push((byte, Meaning::Pattern)),
            b'~' if at_start => letters.push((byte, Meaning::Pattern)),
            b'#' if at_start => return None,
            b'|' | b'&' | b';' | b'<' | b'>' | b'(' | b')' | b'$' | b'`' | b'!' | b'{' | b'}'
            | b'^' | b'=' => return None,
            byte if byte < 0x20 || byte == 0x7f => return None,
            byte => letters.push((byte, Meaning::Itself)),
        }
    }
    words.extend(word);
    Some(words)
}
