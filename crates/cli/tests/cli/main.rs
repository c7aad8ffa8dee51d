//! The command as people use it: what it prints, what it writes, how it ends.

mod bin;
mod captures;
mod dump;
mod dump_any;
mod dump_arguments;
mod dump_counts;
mod dump_files;
mod dump_names;
mod dump_rotate;
mod dump_text;
mod endings;
mod golden;
mod machines;
mod tools;
mod types;
