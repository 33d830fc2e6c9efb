//! Prints a configuration as TOML, secrets as `"****"`.

use super::values::Setting;

/// The text so far.
#[derive(Default)]
pub struct Printer(String);

impl Printer {
    /// Starts a section, `[fetch]` or `[[mount]]`, after an empty line.
    pub fn section(&mut self, header: &str) {
        self.0.push_str(&format!("\n{header}\n"));
    }

    pub fn key(&mut self, key: &str, value: &impl Setting) {
        self.text(key, &value.print());
    }

    /// Writes a key whose value is TOML already.
    pub fn text(&mut self, key: &str, value: &str) {
        self.0.push_str(&format!("{key} = {value}\n"));
    }

    pub fn finish(self) -> String {
        self.0
    }
}
