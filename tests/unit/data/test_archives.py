"""An archive unfolds whole into its target, or leaves nothing; whatever it holds."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tapetum.data.archives import Bounds, extract
from tapetum.errors import DataError

PHOTOS = {"photos/cat/1.jpg": b"one", "photos/cat/2.jpg": b"two", "photos/dog/1.jpg": b"three"}
UNWRAPPED = {"cat/1.jpg": b"one", "cat/2.jpg": b"two", "dog/1.jpg": b"three"}
Pack = Callable[[Path, Mapping[str, bytes]], Path]


def zipped(path: Path, contents: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in contents.items():
            packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def tarred(path: Path, contents: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as packed:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def gzipped_tar(path: Path, contents: Mapping[str, bytes]) -> Path:
    return tarred(path, contents, "w:gz")


PACKERS = pytest.mark.parametrize("pack", [zipped, tarred, gzipped_tar])


def held(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def refuse(archive: Path, match: str, bounds: Bounds | None = None) -> None:
    """Nothing is left beside the archive, nor above it."""
    before = sorted(archive.parent.parent.rglob("*"))
    with pytest.raises(DataError, match=match):
        extract(archive, archive.parent / "pictures", bounds)
    assert sorted(archive.parent.parent.rglob("*")) == before


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Where to write an archive; its name says nothing of its kind."""
    (tmp_path / "deep").mkdir()
    return tmp_path / "deep" / "archive"


@PACKERS
def test_an_archive_is_known_by_its_content_and_its_wrapping_folder_left_away(archive, pack):
    extract(pack(archive, PHOTOS), archive.parent / "pictures")

    assert held(archive.parent / "pictures") == UNWRAPPED
    assert sorted(path.name for path in archive.parent.iterdir()) == ["archive", "pictures"]


@PACKERS
@pytest.mark.parametrize(
    "names",
    [["cat/1.jpg", "cat/2.JPG"], ["train/cat/1.jpg", "train/dog/1.jpg"], ["cat/1.jpg", "dog/1.jpg"]],
    ids=["a class", "a part", "two classes"],
)
def test_a_top_folder_that_means_something_is_kept(archive, pack, names):
    contents = dict.fromkeys(names, b"x")

    extract(pack(archive, contents), archive.parent / "pictures")

    assert held(archive.parent / "pictures") == contents


@PACKERS
def test_what_systems_leave_in_archives_is_ignored(archive, pack):
    junk = ["__MACOSX/photos/cat/._1.jpg", "photos/.DS_Store", "photos/cat/Thumbs.db", "photos/dog/._1.jpg"]

    extract(pack(archive, PHOTOS | dict.fromkeys(junk, b"junk")), archive.parent / "pictures")

    assert held(archive.parent / "pictures") == UNWRAPPED


@PACKERS
def test_names_with_spaces_and_of_any_script_stay_as_they_are(archive, pack):
    contents = {"кошка/мой кот.jpg": b"one", "犬/a..b.jpg": b"two"}

    extract(pack(archive, contents), archive.parent / "pictures")

    assert held(archive.parent / "pictures") == contents


def test_an_older_folder_is_replaced_whole(archive):
    target = archive.parent / "pictures"
    target.mkdir()
    (target / "old.jpg").write_bytes(b"old")

    extract(zipped(archive, PHOTOS), target)

    assert held(target) == UNWRAPPED


def test_work_is_followed_and_its_end_known_for_a_zip(archive):
    steps: list[tuple[str, int, int]] = []

    extract(zipped(archive, PHOTOS), archive.parent / "pictures", advance=lambda *step: steps.append(step))

    assert steps == [("unfold files", number, 3) for number in (1, 2, 3)]


@PACKERS
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("/pictures/evil.jpg", "an absolute path"),
        ("../evil.jpg", r"a path with \.\."),
        ("cat/../../evil.jpg", r"a path with \.\."),
        ("cat\\..\\..\\evil.jpg", r"a path with \.\."),
        ("C:evil.jpg", "a path with a drive letter"),
        ("c:/evil.jpg", "a path with a drive letter"),
        ("cat\\evil.jpg", "a path with a backslash"),
        ("\\\\host\\evil.jpg", "a path with a backslash"),
    ],
)
def test_a_member_that_would_escape_is_refused_by_name(archive, pack, name, fault):
    refuse(pack(archive, {"cat/1.jpg": b"x", name: b"evil"}), rf"evil\.jpg', {fault}, which may be an attack")


def test_a_name_cut_by_a_zero_byte_is_refused(archive):
    zipped(archive, {"cat/1.jpg": b"x", "cat/evil_.jpg": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"evil_", b"evil\0"))

    refuse(archive, r"evil\\x00\.jpg', a path with a zero byte")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a fifo"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
    ],
)
def test_a_tar_member_that_is_no_file_is_refused(archive, kind, fault):
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as packed:
        packed.addfile(tarfile.TarInfo("cat"))
        info = tarfile.TarInfo("evil")
        info.type, info.linkname = kind, "../outside"
        packed.addfile(info)

    refuse(archive, f"'evil', {fault}, which may be an attack")


@pytest.mark.parametrize(("mode", "fault"), [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "fifo")])
def test_a_zip_member_that_is_no_file_is_refused(archive, mode, fault):
    with zipfile.ZipFile(archive, "w") as packed:
        info = zipfile.ZipInfo("evil")
        info.external_attr = (mode | 0o777) << 16
        packed.writestr(info, "../outside")

    refuse(archive, f"'evil', a {fault}, which may be an attack")


@PACKERS
def test_a_file_that_stands_where_a_folder_should_is_refused(archive, pack):
    refuse(pack(archive, {"cat": b"x", "cat/1.jpg": b"x"}), "'cat/1.jpg' twice")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_is_refused(archive):
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("cat/1.jpg", "one")
        packed.writestr("cat/1.jpg", "two")

    refuse(archive, "'cat/1.jpg' twice")


@PACKERS
def test_more_members_than_the_bound_are_refused(archive, pack):
    refuse(pack(archive, PHOTOS), "holds more than 2 members", Bounds(max_members=2))


@PACKERS
def test_more_bytes_than_the_bound_are_refused(archive, pack):
    refuse(pack(archive, {"cat/1.jpg": bytes(50_000)}), "unfolds to more than 40,000", Bounds(max_bytes=40_000))


@pytest.mark.parametrize("pack", [zipped, gzipped_tar])
def test_a_bomb_is_refused_by_its_ratio(archive, pack):
    pack(archive, {"cat/1.jpg": bytes(3_000_000)})
    allowed = f"{archive.stat().st_size * 100:,}"

    refuse(archive, f"unfolds to more than {allowed}", Bounds(harmless_bytes=0))


def test_a_bomb_in_what_is_ignored_is_refused_too(archive):
    gzipped_tar(archive, {"__MACOSX/x": bytes(3_000_000), "cat/1.jpg": b"x"})

    refuse(archive, "unfolds to more than", Bounds(harmless_bytes=0))


def test_a_small_archive_may_unfold_to_what_is_harmless(archive):
    gzipped_tar(archive, {"cat/1.jpg": bytes(3_000_000), "dog/1.jpg": b"x"})

    extract(archive, archive.parent / "pictures")

    assert len(held(archive.parent / "pictures")["cat/1.jpg"]) == 3_000_000


def test_a_zip_that_declares_less_than_it_holds_is_refused(archive):
    """The size in both headers says 10; what unfolds is counted and checked, not believed."""
    size = 3_000_000
    zipped(archive, {"cat/1.jpg": bytes(size)})
    archive.write_bytes(archive.read_bytes().replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little")))

    refuse(archive, "damaged or incomplete .*CRC")


@pytest.mark.parametrize("size", [10_000, 8**11 - 1])
def test_a_tar_whose_header_claims_more_than_follows_is_refused(archive, size):
    info = tarfile.TarInfo("cat/1.jpg")
    info.size = size
    archive.write_bytes(info.tobuf() + bytes(1024))

    refuse(archive, "damaged or incomplete .*unexpected end")


def test_a_tar_header_that_claims_gigabytes_of_attributes_is_refused(archive):
    info = tarfile.TarInfo("attributes")
    info.type, info.size = tarfile.XHDTYPE, 4_000_000_000
    archive.write_bytes(info.tobuf() + bytes(1024))

    refuse(archive, "a header that claims 4,000,000,000 bytes")


@PACKERS
def test_a_truncated_archive_leaves_nothing(archive, pack):
    pack(archive, {f"cat/{number}.jpg": number.to_bytes(2, "big") * 999 for number in range(50)})
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])

    refuse(archive, "damaged or incomplete")


def test_a_tar_cut_between_two_members_is_not_taken_for_complete(archive):
    tarred(archive, {"cat/1.jpg": b"x", "dog/1.jpg": b"x"})
    archive.write_bytes(archive.read_bytes()[:1024])

    refuse(archive, "lacks the end mark of a tar")


def test_a_tar_damaged_between_two_members_is_not_taken_for_complete(archive):
    tarred(archive, {"cat/1.jpg": b"x", "dog/1.jpg": b"x"})
    content = bytearray(archive.read_bytes())
    content[1024:1034] = b"scribbles!"
    archive.write_bytes(content)

    refuse(archive, "lacks the end mark of a tar")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_a_zip_damaged_in_its_compressed_bytes_is_refused(archive, method):
    with zipfile.ZipFile(archive, "w", method) as packed:
        packed.writestr("cat/1.jpg", bytes(range(256)) * 8)
    content = bytearray(archive.read_bytes())
    start = content.index(b"cat/1.jpg") + len(b"cat/1.jpg")
    content[start + 9 : start + 40] = b"\xff" * 31
    archive.write_bytes(content)

    refuse(archive, "is damaged or incomplete")


@pytest.mark.parametrize("name", [b"\xa3at/1.jpg", b"\x00at/1.jpg"], ids=["no text", "empty"])
def test_a_zip_with_a_damaged_name_is_refused(archive, name):
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo("éat/1.jpg"), b"one")
    archive.write_bytes(archive.read_bytes().replace("éat/1.jpg".encode(), name + b"x"))

    refuse(archive, "is damaged or incomplete|which may be an attack")


def test_a_zip_whose_table_points_before_its_start_is_refused(archive):
    zipped(archive, PHOTOS)
    content = bytearray(archive.read_bytes())
    table = content.rindex(b"PK\x05\x06") + 16
    content[table : table + 4] = struct.pack("<I", struct.unpack_from("<I", content, table)[0] + 1000)
    archive.write_bytes(content)

    refuse(archive, "is damaged or incomplete")


def test_a_wrong_checksum_of_gzip_is_noticed(archive):
    gzipped_tar(archive, PHOTOS)
    content = bytearray(archive.read_bytes())
    content[-8] ^= 1
    archive.write_bytes(content)

    refuse(archive, "damaged or incomplete .*CRC")


def test_a_zip_with_a_password_says_what_to_do(archive):
    zipped(archive, {"cat/1.jpg": b"x"})
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # the flags, in the member's header and in the directory
    content[content.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(content)

    refuse(archive, "password required.*: pack it anew, plainly and without password")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"<!DOCTYPE html>", r"no archive, its first bytes are b'<!DOCTYPE html>': expected \.zip"),
        (b"", "no archive, its first bytes are b''"),
        (gzip.compress(b"a picture, not a tar", mtime=0), "damaged or incomplete"),
    ],
)
def test_a_file_that_is_no_archive_is_named_with_its_first_bytes(archive, content, fault):
    archive.write_bytes(content)

    refuse(archive, fault)


@PACKERS
def test_an_archive_without_files_is_refused(archive, pack):
    refuse(pack(archive, {"__MACOSX/x": b"junk"}), "holds no files")
