//! The description of an event. We ask for text; where HTML comes all the same, it becomes text.

use evercal_domain::limits::DESCRIPTION_BYTES_SHOWN_MAX;
use serde::Deserialize;

/// HTML in bytes that is read: several times what is kept of the text in it.
const HTML_BYTES_MAX: usize = 16 * DESCRIPTION_BYTES_SHOWN_MAX;
/// Columns of a line of text. Lines of a description are not broken where there is no need.
const COLUMNS: usize = 10_000;

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
        let (content, is_html_cut) =
            cut(self.content.unwrap_or_default(), if is_html { HTML_BYTES_MAX } else { usize::MAX });
        let text = if is_html { text_of(&content) } else { content };
        let (text, is_cut) = cut(text.trim().to_owned(), DESCRIPTION_BYTES_SHOWN_MAX);
        Description { is_cut: is_cut || is_html_cut, text: (!text.is_empty()).then_some(text) }
    }
}

fn cut(mut text: String, bytes_max: usize) -> (String, bool) {
    if text.len() <= bytes_max {
        return (text, false);
    }
    text.truncate(text.floor_char_boundary(bytes_max));
    (text, true)
}

/// What a reader of the page would read. What no parser can read is shown as it came.
fn text_of(html: &str) -> String {
    html2text::config::plain_no_decorate()
        .string_from_read(html.as_bytes(), COLUMNS)
        .unwrap_or_else(|_| html.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(content_type: &str, content: &str) -> Description {
        WireBody { content_type: Some(content_type.into()), content: Some(content.into()) }.into_description()
    }

    #[test]
    fn html_becomes_the_text_that_is_in_it() {
        let page = "<html><head><style>p {color: red}</style></head><body><p>Bring &amp; share.</p><div>Room&nbsp;5</div>\
                    <script>alert(1)</script></body></html>";
        let text = described("html", page).text.unwrap();
        assert!(text.contains("Bring & share."), "{text}");
        assert!(text.contains("Room"), "{text}");
        for markup in ["<", "color", "alert"] {
            assert!(!text.contains(markup), "{text}");
        }
        assert_eq!(described("html", "<html><body> \r\n </body></html>"), Description::default());
    }

    #[test]
    fn text_stays_as_it_is_and_ends_at_its_limit() {
        assert_eq!(described("text", "a < b\nand b > c\n").text.as_deref(), Some("a < b\nand b > c"));
        assert_eq!(described("text", ""), Description::default());
        let long = described("text", &"é".repeat(DESCRIPTION_BYTES_SHOWN_MAX));
        assert!(long.is_cut);
        assert_eq!(long.text.unwrap().len(), DESCRIPTION_BYTES_SHOWN_MAX);
        let page = format!("<p>{}</p>", "x".repeat(2 * HTML_BYTES_MAX));
        assert!(described("html", &page).is_cut);
    }
}
