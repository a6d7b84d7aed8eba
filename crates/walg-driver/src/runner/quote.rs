use super::Job;
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// Text for a POSIX shell, put together from pieces that are quoted and pieces that are not.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<u8>);

impl Script {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Text of ours.
    pub(super) fn text(mut self, text: impl AsRef<OsStr>) -> Self {
        self.0.extend_from_slice(text.as_ref().as_bytes());
        self
    }

    /// One word, that comes out of the shell as it is here.
    pub(super) fn word(mut self, word: impl AsRef<OsStr>) -> Result<Self> {
        let word = word.as_ref();
        // Only a NUL byte cannot be said in a shell; no path or argument has one either.
        let quoted = shlex::bytes::try_quote(word.as_bytes()).map_err(|_| Error::NulByte)?;
        self.0.extend_from_slice(&quoted);
        Ok(self)
    }

    /// Words, each after a blank.
    pub(super) fn words<T: AsRef<OsStr>>(self, words: impl IntoIterator<Item = T>) -> Result<Self> {
        words.into_iter().try_fold(self, |script, word| script.text(" ").word(word))
    }

    pub(super) fn done(self) -> OsString {
        OsString::from_vec(self.0)
    }
}

/// A job as a simple command, in the environment that the shell has.
pub(super) fn command_of(job: &Job) -> Result<OsString> {
    let mut script = Script::new().text("env");
    // 'env' takes no option behind a setting: it would look for a program of that name.
    for (name, _) in job.settings.iter().filter(|(_, value)| value.is_none()) {
        script = script.text(" -u ").word(name)?;
    }
    for (name, value) in &job.settings {
        if let Some(value) = value {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            script = script.text(" ").word(setting)?;
        }
    }
    // 'env' takes a word with '=' in it for a setting.
    if job.program.as_bytes().contains(&b'=') {
        return Err(Error::ProgramName(job.program.to_string_lossy().into_owned()));
    }
    Ok(script.words([&job.program])?.words(&job.args)?.done())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn argument() -> impl Strategy<Value = OsString> {
        let hostile = prop_oneof![
            proptest::collection::vec(1u8..=255, 0..24),
            "[ '\"\\\\$`!*?~#;&|<>(){}\\n\\t=-]{0,12}".prop_map(String::into_bytes),
        ];
        hostile.prop_map(OsString::from_vec)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever a path or a value holds, the program gets it unchanged: also through a shell within a shell.
        #[test]
        fn a_real_shell_gives_back_what_was_quoted(args in proptest::collection::vec(argument(), 0..5), value in argument()) {
            let job = Job::new("sh").args(["-c", "printf '%s\\0' \"$SETTING\" \"$@\"", "sh"]).args(&args).set("SETTING", &value);
            let once = command_of(&job).unwrap();
            let twice = Script::new().text("exec sh -c").words([&once]).unwrap().done();
            for script in [once, twice] {
                let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
                let mut expected: Vec<u8> = [value.as_bytes(), b"\0"].concat();
                for arg in &args {
                    expected.extend([arg.as_bytes(), b"\0"].concat());
                }
                prop_assert_eq!(output.stdout, expected);
            }
        }
    }

    #[test]
    fn what_no_shell_can_say_is_refused() {
        assert_eq!(Script::new().word("a\0b").unwrap_err().code(), "nul-byte");
        assert_eq!(command_of(&Job::new("a=b")).unwrap_err().code(), "program-name");
    }

    #[test]
    fn settings_are_set_and_unset() {
        let job = Job::new("wal-g").args(["backup-push", "/a b"]).set("B", "x y").unset("A").unset("C");
        assert_eq!(command_of(&job).unwrap(), "env -u A -u C 'B=x y' wal-g backup-push '/a b'");
        let job = Job::new("sh").args(["-c", "echo $B${C-}"]).set("B", "x").unset("C");
        let output =
            Command::new("sh").arg("-c").arg(command_of(&job).unwrap()).env("C", "y").output().unwrap();
        assert_eq!(output.stdout, b"x\n", "{}", String::from_utf8_lossy(&output.stderr));
    }
}
