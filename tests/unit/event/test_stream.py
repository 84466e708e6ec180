"""Streams between routines, from memory and files."""

from __future__ import annotations

import io

import pytest
from support.poller import run_scheduler

from vlcp.event.stream import FileStream, FileWriter, MemoryStream, Stream, StreamDataEvent


def written(*chunks, **options):
    stream = Stream(**options)

    async def write(container):
        for chunk in chunks[:-1]:
            await stream.write(chunk, container)
        await stream.write(chunks[-1], container, True)

    return (stream, write)


def test_what_is_written_is_read_and_then_the_end_is_reported():
    async def main(container):
        stream, write = written(b"one", b"two", b"three")
        container.subroutine(write(container))
        assert await stream.read(container) == b"onetwothree"
        with pytest.raises(EOFError):
            await stream.read(container)

    run_scheduler(main)


def test_read_with_a_size_gives_less_only_at_the_end():
    async def main(container):
        stream, write = written(b"abcdef", b"ghij", writebufferlimit=1)
        container.subroutine(write(container))
        assert [await stream.read(container, 4) for _ in range(3)] == [b"abcd", b"efgh", b"ij"]
        with pytest.raises(EOFError):
            await stream.read(container, 1)

    run_scheduler(main)


def test_lines_are_put_together_from_chunks_and_cut_at_a_size():
    async def main(container):
        stream, write = written(b"first li", b"ne\nsecond\nlong long line\nrest", writebufferlimit=1)
        container.subroutine(write(container))
        assert await stream.readline(container) == b"first line\n"
        assert await stream.readline(container) == b"second\n"
        assert await stream.readline(container, 4) == b"long"
        assert await stream.readline(container) == b" long line\n"
        assert await stream.readline(container) == b"rest"
        with pytest.raises(EOFError):
            await stream.readline(container)

    run_scheduler(main)


def test_small_writes_wait_in_the_buffer_and_large_ones_are_split():
    async def main(container):
        stream = Stream(writebufferlimit=10, splitsize=8)
        sizes = []

        async def read():
            while True:
                event = await StreamDataEvent.createMatcher(stream)
                event.canignore = True
                sizes.append(len(event.data))

        container.subroutine(read(), daemon=True)
        await stream.write(b"12345", container)
        await container.do_events()
        assert sizes == []
        await stream.write(b"1234567890123", container)
        await container.do_events()
        assert sizes == [8, 8, 2]
        await stream.write(b"x", container, buffering=False)
        await stream.write(b"y" * 20, container, buffering=False, split=False)
        await container.do_events()
        assert sizes == [8, 8, 2, 1, 20]

    run_scheduler(main)


def test_an_error_of_the_writer_reaches_the_reader():
    async def main(container):
        stream = Stream()
        await stream.write(b"lost with the error", container)
        container.subroutine(stream.error(container))
        with pytest.raises(OSError, match="broken"):
            await stream.read(container)

    run_scheduler(main)


def test_a_closed_reader_stops_the_writer_unless_it_may_go_on():
    async def main(container):
        stream = Stream()
        container.scheduler.queue.addSubQueue(1, StreamDataEvent.createMatcher(stream), "s", 1)
        outcome = []

        async def write():
            try:
                while True:
                    await stream.write(b"data", container, buffering=False)
            except OSError as error:
                outcome.append(error)

        container.subroutine(write())
        await container.wait_with_timeout(0.02)
        assert not outcome
        stream.close(container.scheduler)
        await container.wait_with_timeout(0.02)
        assert outcome
        await stream.write(b"data", container, ignoreexception=True, buffering=False)
        polite = Stream()
        polite.close(container.scheduler, True)
        await polite.write(b"data", container, buffering=False)

    run_scheduler(main)


def test_encoders_see_every_chunk_and_the_end():
    async def main(container):
        seen = []

        def encode(data, is_eof):
            seen.append(is_eof)
            return data.upper() + (b"!" if is_eof else b"")

        stream, write = written(b"a", b"b", encoders=[encode], writebufferlimit=1)
        container.subroutine(write(container))
        assert await stream.read(container) == b"AB!"
        assert seen[-1] is True and seen.count(True) == 1
        text = MemoryStream(b"bytes", [lambda data, is_eof: data.decode()], True)
        assert await text.read() == "bytes"

    run_scheduler(main)


def test_copy_passes_data_end_and_errors_on():
    async def main(container):
        target = Stream()
        container.subroutine(MemoryStream(b"x" * 100000).copy_to(target, container))
        assert await target.read(container) == b"x" * 100000

        broken, sink = Stream(), Stream()

        async def copy():
            with pytest.raises(OSError):
                await broken.copyTo(sink, container)

        container.subroutine(copy())
        container.subroutine(broken.error(container))
        with pytest.raises(OSError):
            await sink.read(container)

    run_scheduler(main)


def test_memory_streams_know_their_size_and_type():
    async def main(container):
        assert len(MemoryStream(b"12345")) == 5
        assert await MemoryStream("text").read() == "text"
        with pytest.raises(EOFError):
            await MemoryStream(b"").read()
        stream = MemoryStream(b"12345")
        await stream.prepareRead()
        assert (stream.readonce(2), stream.readonce()) == (b"12", b"345")
        with pytest.raises(OSError, match="cannot be written"):
            await stream.write(b"x", container)

    run_scheduler(main)


def test_files_are_read_in_chunks_up_to_a_size_and_written(tmp_path):
    async def main(container):
        source, copy = tmp_path / "source", tmp_path / "copy"
        source.write_bytes(b"0123456789" * 10)
        stream = FileStream(source.open("rb"), size=45, readlimit=7)
        assert len(stream) == 45
        await stream.copy_to(FileWriter(copy.open("wb")), container)
        assert copy.read_bytes() == (b"0123456789" * 10)[:45]
        assert len(FileStream(source.open("rb"))) == 100
        assert await FileStream(io.StringIO("text")).read() == "text"
        with pytest.raises(TypeError):
            len(FileStream(io.StringIO("text")))

    run_scheduler(main)
