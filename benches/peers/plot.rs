//! The plot: for each work a bar for each peer, as long as its ratio to unjailed, on a logarithmic scale.

use crate::Cells;
use crate::peers::Peer;
use crate::works::WORKS;
use std::fmt::Write;

/// In the order of the peers. Colours that are told apart also by people who do not see all of them.
const COLOURS: [&str; 8] = [
    "#999999", "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#f0e442",
];
const LABELS: f64 = 170.0;
const WIDTH: f64 = 760.0;
const BAR: f64 = 15.0;
const TITLE: f64 = 24.0;

pub fn svg(peers: &[Peer], cells: &Cells) -> String {
    let ratios = cells
        .iter()
        .flatten()
        .flatten()
        .map(|cell| cell.ratio.median);
    let largest = ratios.fold(10.0_f64, f64::max);
    // Ratios below 1 are noise, and as long as 1.
    let length = |ratio: f64| ratio.max(1.0).log10() / largest.log10() * (WIDTH - LABELS - 70.0);
    let mut body = String::new();
    let mut y = 8.0;
    for (work, row) in WORKS.iter().zip(cells) {
        let _ = writeln!(
            body,
            "<text x=\"8\" y=\"{:.0}\" font-weight=\"bold\">{}</text>",
            y + 14.0,
            plain(work.title)
        );
        y += TITLE;
        for (index, (peer, cell)) in peers.iter().zip(row).enumerate().skip(1) {
            let Some(cell) = cell else { continue };
            let (ratio, middle) = (cell.ratio.median, y + BAR - 4.0);
            let long = length(ratio).max(1.0);
            let _ = writeln!(
                body,
                "<text x=\"{:.0}\" y=\"{middle:.0}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LABELS:.0}\" y=\"{:.0}\" width=\"{long:.1}\" height=\"{:.0}\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{middle:.0}\">{ratio:.2}</text>",
                LABELS - 8.0,
                plain(peer.name),
                y,
                BAR - 3.0,
                COLOURS[index % COLOURS.len()],
                LABELS + long + 6.0,
            );
            y += BAR;
        }
        y += 10.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>Times as ratios to unjailed, logarithmic</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}\
         <text x=\"8\" y=\"{foot:.0}\">Times as ratios to unjailed, medians, on a logarithmic scale</text>\n</svg>\n",
        height = y + 24.0,
        foot = y + 12.0,
    )
}

/// Without the characters that SVG reads.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('`', "")
}
