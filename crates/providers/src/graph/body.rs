//! The description of an event. We ask for text; where HTML comes all the same, it becomes text.
//!
//! Anybody who sends an invitation writes a page that is read here. So it is read tag by tag, in time and memory that grow with it
//! and no faster: whatever builds a tree of a page takes minutes for one of a hundred thousand open tags.

use evercal_domain::limits::DESCRIPTION_BYTES_SHOWN_MAX;
use html5gum::Tokenizer;
use html5gum::emitters::default::{DefaultEmitter, Token};
use serde::Deserialize;

/// Tags that begin a new line.
const BLOCKS: [&[u8]; 24] = [
    b"address",
    b"article",
    b"blockquote",
    b"br",
    b"dd",
    b"div",
    b"dl",
    b"dt",
    b"footer",
    b"form",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"header",
    b"hr",
    b"li",
    b"ol",
    b"p",
    b"section",
    b"tr",
    b"ul",
];
/// Tags whose content nobody reads.
const HIDDEN: [&[u8]; 5] = [b"script", b"style", b"template", b"textarea", b"title"];
/// Tags that stand beside each other.
const CELLS: [&[u8]; 2] = [b"td", b"th"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireBody {
    content_type: Option<String>,
    content: Option<String>,
}

/// A description, and whether it is all of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) text: Option<String>,
    pub(super) is_cut: bool,
}

impl WireBody {
    pub(super) fn into_description(self) -> Description {
        let is_html = self.content_type.is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
        let content = self.content.unwrap_or_default();
        let text = if is_html { text_of(&content) } else { content };
        let (text, is_cut) = cut(text.trim().to_owned(), DESCRIPTION_BYTES_SHOWN_MAX);
        Description { is_cut, text: (!text.is_empty()).then_some(text) }
    }
}

fn cut(mut text: String, bytes_max: usize) -> (String, bool) {
    if text.len() <= bytes_max {
        return (text, false);
    }
    text.truncate(text.floor_char_boundary(bytes_max));
    (text, true)
}

/// What a reader of the page would read, as far as it is kept and a little more.
fn text_of(html: &str) -> String {
    let mut emitter = DefaultEmitter::<()>::default();
    // Else a script would be read as tags.
    emitter.naively_switch_states(true);
    let mut page = Page::default();
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) if HIDDEN.contains(&tag.name.as_slice()) && !tag.self_closing => page.hidden += 1,
            Token::EndTag(tag) if HIDDEN.contains(&tag.name.as_slice()) => page.hidden = page.hidden.saturating_sub(1),
            Token::StartTag(tag) => page.tag(&tag.name),
            Token::EndTag(tag) => page.tag(&tag.name),
            Token::String(text) if page.hidden == 0 => page.write(&String::from_utf8_lossy(&text.value)),
            Token::String(_) | Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
        if page.text.trim_end().len() > DESCRIPTION_BYTES_SHOWN_MAX {
            break;
        }
    }
    page.text
}

/// The text of a page, as far as it was read.
#[derive(Default)]
struct Page {
    text: String,
    /// How many tags are open whose content nobody reads.
    hidden: u32,
    /// Whether something separates what comes from what was there.
    is_apart: bool,
}

impl Page {
    fn tag(&mut self, name: &[u8]) {
        if BLOCKS.contains(&name) {
            self.new_line();
        } else if CELLS.contains(&name) {
            self.is_apart = true;
        }
    }

    /// At most one empty line stands between two others.
    fn new_line(&mut self) {
        self.is_apart = false;
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// However much space a page has between two words, readers see one.
    fn write(&mut self, text: &str) {
        for word in text.split_inclusive(char::is_whitespace) {
            let bare = word.trim_end_matches(char::is_whitespace);
            if !bare.is_empty() {
                if self.is_apart && !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push(' ');
                }
                self.text.push_str(bare);
                self.is_apart = false;
            }
            self.is_apart |= bare.len() < word.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(content_type: &str, content: &str) -> Description {
        WireBody { content_type: Some(content_type.into()), content: Some(content.into()) }.into_description()
    }

    #[test]
    fn html_becomes_the_text_that_is_in_it() {
        let page = "<html><head><title>No</title><style>p > a {color: red}</style></head><body><p>Bring &amp;\r\n share.</p>\
                    <div>Room&nbsp;5, <b>sec</b>ond\tfloor</div><script>if (a < b) { alert('<p>x</p>') }</script>\
                    <table><tr><td>Monday</td><td>9:00</td></tr></table><!-- no --><br>Kim</body></html>";
        let text = described("html", page).text.unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, ["Bring & share.", "Room 5, second floor", "Monday 9:00", "Kim"]);
        assert_eq!(described("html", "<html><body> \r\n </body></html>"), Description::default());
        assert_eq!(described("html", "a < b <not closed").text.as_deref(), Some("a < b"));
    }

    #[test]
    fn a_page_that_somebody_made_to_be_slow_or_huge_is_read_like_any_other() {
        let repeated = |piece: &str| piece.repeat(1024 * 1024 / piece.len());
        for piece in
            ["<div>", "<blockquote>", "<ul><li>", "<b>", "<table><tr><td>", "<hr>", "<script>", "<!--", "&", "<a b=c>"]
        {
            let page = repeated(piece) + "the end";
            let text = described("html", &page).text.unwrap_or_default();
            assert!(text.len() <= DESCRIPTION_BYTES_SHOWN_MAX, "{piece}");
        }
        assert!(described("html", &repeated("<p>word</p>")).is_cut);
    }

    #[test]
    fn text_stays_as_it_is_and_ends_at_its_limit() {
        assert_eq!(described("text", "a < b\nand b > c\n").text.as_deref(), Some("a < b\nand b > c"));
        assert_eq!(described("text", ""), Description::default());
        let long = described("text", &"é".repeat(DESCRIPTION_BYTES_SHOWN_MAX));
        assert!(long.is_cut);
        assert_eq!(long.text.unwrap().len(), DESCRIPTION_BYTES_SHOWN_MAX);
    }
}
