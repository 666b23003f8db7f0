//! Columns of text.

/// Lays out rows in columns as wide as their widest cell, two spaces apart, without trailing spaces.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let rows = rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    std::iter::once(line(header)).chain(rows).collect()
}

/// A length of time in its two largest units: `2 d 3 h`, `5 min 10 s`.
pub(crate) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, table};

    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "idle".to_owned()], ["longer".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "STAGE"], &rows), "NAME    STAGE\na       idle\nlonger\n");
    }

    #[test]
    fn durations_have_two_units() {
        let table = [(59, "59 s"), (310, "5 min 10 s"), (3_660, "1 h 1 min"), (97_200, "1 d 3 h")];
        for (seconds, text) in table {
            assert_eq!(duration(seconds), text);
        }
    }
}
