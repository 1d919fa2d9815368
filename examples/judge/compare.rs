//! Whether an output is the expected one: white space at the ends of lines and of the text is nothing.

/// Where the output first differs: the line's number, from 1; `None` if it is as expected.
pub fn difference(output: &[u8], expected: &[u8]) -> Option<usize> {
    let (output, expected) = (lines(output), lines(expected));
    let longest = output.len().max(expected.len());
    (0..longest)
        .find(|&line| output.get(line) != expected.get(line))
        .map(|line| line + 1)
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.trim_ascii_end()
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .collect()
}
