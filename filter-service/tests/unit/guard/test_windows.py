"""Windows over a text: a model's tokenizer sees every character of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stile_filter.guard.scanners.windows import UnseenError, cut


class Pieces:
    """A tokenizer of the kind that matters: words of up to four letters a token, two special tokens."""

    is_fast = True

    def __call__(self, text, *, add_special_tokens=True, return_offsets_mapping=False, **_):
        offsets = []
        for start, char in enumerate(text):
            if char.isspace():
                continue
            if offsets and offsets[-1][1] == start and start - offsets[-1][0] < 4:
                offsets[-1] = (offsets[-1][0], start + 1)
            else:
                offsets.append((start, start + 1))
        special = 2 if add_special_tokens else 0
        encoded = {"input_ids": [0] * (len(offsets) + special)}
        return encoded | ({"offset_mapping": offsets} if return_offsets_mapping else {})


@given(st.text(st.sampled_from("ab \n."), max_size=300), st.integers(4, 20))
def test_windows_cover_the_text(text, limit):
    """Put together without their overlaps the windows are the text, and none is too long for the model."""
    windows = cut(text, Pieces(), limit)
    assert all(len(Pieces()(window)["input_ids"]) <= limit for window in windows)
    seen = 0
    for window in windows:
        at = next(start for start in range(seen, -1, -1) if text.startswith(window, start))
        assert at <= seen
        seen = max(seen, at + len(window))
    assert seen == len(text)


def test_what_stands_across_a_cut_is_whole_in_a_window():
    """The overlap keeps a sentence together that a cut would part."""
    text = " ".join(f"w{number:02}" for number in range(80))
    windows = cut(text, Pieces(), 22)
    for number in range(76):
        assert any(" ".join(f"w{n:02}" for n in range(number, number + 4)) in window for window in windows)


def test_a_tokenizer_without_offsets_is_an_error_where_the_text_is_long():
    """What can't be cut is scanned whole where it fits, and is an error where it does not."""
    slow = Pieces()
    slow.is_fast = False
    assert cut("short", slow, 10) == ["short"]
    with pytest.raises(UnseenError):
        cut("long " * 100, slow, 10)


def test_a_limit_that_no_window_fits_is_an_error():
    """A model that takes special tokens only sees nothing."""
    with pytest.raises(UnseenError):
        cut("some words here", Pieces(), 2)
