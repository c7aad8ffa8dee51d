//! Tables of names.

/// Numbers and their names.
pub(crate) type Toks = [(usize, &'static str)];

/// The name of a number.
pub(crate) fn tok(table: &'static Toks, value: usize) -> Option<&'static str> {
    table.iter().find(|(number, _)| *number == value).map(|(_, name)| *name)
}

/// Writes the name of a number, or else a text that holds it.
macro_rules! tok {
    ($cx:expr, $table:expr, $value:expr, $($or:tt)+) => {
        match crate::tok::tok($table, $value) {
            Some(name) => $cx.s(name),
            None => put!($cx, $($or)+),
        }
    };
}

/// Writes formatted text.
macro_rules! put {
    ($cx:expr, $($arg:tt)+) => {
        $cx.fmt(format_args!($($arg)+))
    };
}
