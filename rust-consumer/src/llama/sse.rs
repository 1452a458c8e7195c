//! Server-sent events, as far as llama.cpp writes them
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>).
//!
//! Only `data` matters: comments, event names, ids and retry times are passed over.

/// Puts events together out of a body that arrives in pieces of any size.
///
/// The pieces are bytes until a whole line is there, so a character may be cut anywhere.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    ended_in_return: bool,
}

impl Parser {
    /// Reads the next piece of the body; returns the data of every event that is complete now.
    pub fn feed(&mut self, mut piece: &[u8]) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        while let Some((&first, rest)) = piece.split_first() {
            if std::mem::take(&mut self.ended_in_return) && first == b'\n' {
                piece = rest;
                continue;
            }
            let Some(end) = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(piece);
                break;
            };
            let (line, rest) = piece.split_at(end);
            self.line.extend_from_slice(line);
            self.ended_in_return = rest.first() == Some(&b'\r');
            piece = rest.get(1..).unwrap_or_default();
            events.extend(self.end_line());
        }
        events
    }

    /// How many bytes are kept of an event that is not complete.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.line.len() + self.data.len()
    }

    fn end_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then_some(data);
        }
        let value = match line.strip_prefix(b"data") {
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            Some([]) => &[],
            _ => return None,
        };
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut parser = Parser::default();
        pieces
            .into_iter()
            .flat_map(|piece| parser.feed(piece))
            .map(|event| String::from_utf8(event).unwrap())
            .collect()
    }

    /// What llama.cpp writes, with the comments that it sends while it reads a long prompt.
    #[test]
    fn events_are_read_and_comments_are_not() {
        let body =
            b": ping\n\ndata: {\"a\":1}\n\n:\n\nevent: x\nid: 7\ndata:two\n\ndata: [DONE]\n\n";
        assert_eq!(parse([&body[..]]), ["{\"a\":1}", "two", "[DONE]"]);
    }

    /// Several lines of data are one event; a line's end may be LF, CR or both; an unfinished event
    /// is none.
    #[test]
    fn lines_are_joined_whatever_ends_them() {
        let body = b"data: a\r\ndata: b\r\n\r\ndata: c\rdata\r\rdata: unfinished";
        assert_eq!(parse([&body[..]]), ["a\nb", "c\n"]);
    }

    proptest! {
        /// However the network cuts the body, the events are the same.
        #[test]
        fn cuts_do_not_matter(
            texts in prop::collection::vec("[^\r\n]{0,20}", 0..6),
            end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
            size in 1_usize..9,
        ) {
            let body = texts
                .iter()
                .fold(String::new(), |body, text| body + ":" + text + end + "data: " + text + end + end);
            prop_assert_eq!(parse(body.as_bytes().chunks(size)), texts);
        }

        /// No bytes whatever make it fail, and it keeps no more than it was given.
        #[test]
        fn any_bytes_are_taken(body: Vec<u8>) {
            let mut parser = Parser::default();
            let read: usize = parser.feed(&body).iter().map(Vec::len).sum();
            prop_assert!(read + parser.pending() <= body.len());
        }
    }
}
