//! Logs of the kernel's verifier: every text is a refusal or an error that says why not.

use skep::explain_log;
use skep::verifier::read_log;

/// Input: a text.
pub fn check(data: &[u8]) {
    match read_log(&String::from_utf8_lossy(data)) {
        Ok(log) => {
            let explained = explain_log(&log).expect("a refusal can be explained");
            assert!(!explained.diagnostic.title.is_empty());
            assert!(!log.rejection.reject.kernel.is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
