//! The kernel's answers on disk.

use crate::agreement::Answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Answers by subject, in a file of JSON lines. An answer counts as long as the subject is the one it
/// was given about, and the kernel the one that gave it.
pub struct Cache {
    path: PathBuf,
    release: String,
    known: BTreeMap<String, (u64, Value, Answer)>,
    changed: bool,
}

impl Cache {
    /// Reads the file, if there is one; lines of another kernel are passed over.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn open(path: &Path, release: &str) -> io::Result<Self> {
        let mut this = Self {
            path: path.into(),
            release: release.into(),
            known: BTreeMap::new(),
            changed: false,
        };
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(this),
            Err(err) => return Err(err),
        };
        for line in BufReader::new(file).lines() {
            let Ok(value) = serde_json::from_str::<Value>(&line?) else { continue };
            let key = value["hash"].as_u64().zip(value["name"].as_str().map(str::to_string));
            let answer = Answer::from_json(&value["kernel"]);
            if let Some(((hash, name), answer)) = key.zip(answer)
                && value["release"] == this.release.as_str()
            {
                this.known.insert(name, (hash, value["subject"].clone(), answer));
            }
        }
        Ok(this)
    }

    /// The answer about the subject of this name, if it has not changed since.
    #[must_use]
    pub fn get(&self, name: &str, hash: u64) -> Option<&Answer> {
        self.known.get(name).filter(|known| known.0 == hash).map(|known| &known.2)
    }

    /// Remembers an answer, with a description of the subject for readers of the file.
    pub fn put(&mut self, name: &str, hash: u64, subject: Value, answer: Answer) {
        self.known.insert(name.into(), (hash, subject, answer));
        self.changed = true;
    }

    /// Writes the file anew, in the order of names.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let mut out = io::BufWriter::new(fs::File::create(&new)?);
        for (name, (hash, subject, answer)) in &self.known {
            let line = json!({
                "name": name,
                "subject": subject,
                "kernel": answer.to_json(),
                "hash": hash,
                "release": self.release,
            });
            writeln!(out, "{line}")?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(new, &self.path)
    }
}
