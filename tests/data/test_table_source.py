"""Files are unpacked and decoded, or it is said what they are."""

import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from funclearn.data._table_source import open_source

TEXT = "größe,y\n1,2\n"


def zipped(*members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in members:
            archive.writestr(name, TEXT.encode())
    return packed.getvalue()


def text(source):
    return "".join(source.lines())


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"],
)
def test_encodings_are_found(tmp_path, encoding):
    path = tmp_path / "table.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert text(open_source(path)) == TEXT


def test_what_no_page_of_windows_has_is_read_as_latin_1(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"\x81,y\n1,2\n")
    assert text(open_source(path)) == "\x81,y\n1,2\n"


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda _: zipped("table.csv"),
        lambda _: zipped("folder/", "folder/table.csv", "__MACOSX/._table.csv"),
    ],
)
def test_packed_files_are_unpacked_whatever_they_are_called(tmp_path, pack):
    path = tmp_path / "table.csv"
    path.write_bytes(pack(TEXT.encode()))
    source = open_source(path)
    assert text(source) == TEXT
    assert source.path is None


def test_only_bytes_that_lie_in_a_file_have_its_path(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"x\n1\n")
    assert open_source(path).path == str(path)
    path.write_bytes(b"\xef\xbb\xbfx\n1\n")
    assert open_source(path).path is None
    assert open_source(io.BytesIO(b"x\n1\n")).path is None


def test_open_files_have_names_in_messages(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TEXT, encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        assert open_source(file).name == str(path)
    assert open_source(io.StringIO(TEXT)).name == "the file"


@pytest.mark.parametrize(
    "content, message",
    [
        (zipped("a.csv", "b.csv"), "must hold one file; got 2: a.csv, b.csv"),
        (zipped(), "must hold one file; got 0: none"),
        (zipped("xl/workbook.xml", "b.xml"), "is a workbook .* save its sheet as CSV"),
        (zipped("mimetype", "content.xml"), "is a workbook"),
        (b"PK\x03\x04 and no more", "cannot be unpacked"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-9], "is damaged"),
        (b"BZh91AY&SY and no more", "is damaged"),
        (lzma.compress(TEXT.encode())[:-9], "is damaged"),
        (b"\xd0\xcf\x11\xe0", "is an Excel workbook; save its sheet as CSV"),
        (b"PAR1", "is a Parquet file"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b"\x93NUMPY", "is an array of NumPy; read it with numpy.load"),
        (b"\x28\xb5\x2f\xfd", "is packed by Zstandard; unpack it first"),
        (b"7z\xbc\xaf\x27\x1c", "is an archive; unpack it first"),
        (b"%PDF-1.7", "is a PDF"),
        (b'<?xml version="1.0"?>', "is a web page or XML"),
        (b'[\n  {"x": 1}]', "is JSON; write it as CSV"),
        (b"x,y\n1,\x002\n", "line 2: a NUL"),
        ("größe\n1\n\0\n".encode(), "line 3: a NUL"),
        (b"\xff\xfea\x00b", "is no text in utf-16-le"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        open_source(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"download https://a\.org/b\.csv first"):
        open_source("https://a.org/b.csv")
    with pytest.raises(ValueError, match=r"pass io\.StringIO\(text\)"):
        open_source("x,y\n1,2\n")
    with pytest.raises(TypeError, match="path must be a path or an open file; got int"):
        open_source(3)
    with pytest.raises(OSError, match=str(tmp_path)):
        open_source(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_source(tmp_path / "nowhere.csv")
