//! Random classic programs.
