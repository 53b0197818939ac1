"""The last lines of a text, read in pieces from its end, are those of the whole text."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.state import tail


@given(
    lines=st.lists(st.binary(min_size=1, max_size=30).map(lambda line: line.replace(b"\n", b"-")), max_size=30),
    torn=st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"-")),
    limit=st.integers(0, 40),
    first=st.integers(1, 50),
)
async def test_the_last_lines_are_those_of_the_whole(lines, torn, limit, first):
    text = b"".join(line + b"\n" for line in lines) + torn
    read_bytes = 0

    async def read(offset, length):
        nonlocal read_bytes
        assert offset >= 0
        assert offset + length == len(text)
        read_bytes += length
        return text[offset:]

    found = await tail.last_lines(len(text), read, limit, first_read_bytes=first)
    assert found == list(reversed(lines))[:limit]


async def test_a_large_journal_is_not_read_whole():
    size = 100 << 20
    asked = []

    async def read(offset, length):
        asked.append((offset, length))
        return b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * (length // 100)

    assert len(await tail.last_lines(size, read, 10)) == 10
    assert asked == [(size - tail.FIRST_READ_BYTES, tail.FIRST_READ_BYTES)]
