//! Answers in short: one line of text for the log.
