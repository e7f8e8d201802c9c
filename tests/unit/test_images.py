"""Pictures that users send, good and bad."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from meshseek.errors import ImageError
from meshseek.images import FORMATS, MAX_IMAGE_BYTES, MAX_SIDE, read_image
from meshseek.untrusted.pictures import DAMAGED

Colour = tuple[int, int, int]


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def pixel(picture: Image.Image, x: int = 0, y: int = 0) -> Colour:
    """The colour at a place."""
    value = picture.getpixel((x, y))
    assert isinstance(value, tuple)
    red, green, blue = value
    return int(red), int(green), int(blue)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_its_colours_as_rgb(form: str) -> None:
    """The six formats decode to nearly the colour that was encoded."""
    picture = read_image(encoded(Image.new("RGB", (20, 10), (200, 50, 20)), form))

    assert (picture.mode, picture.size) == ("RGB", (20, 10))
    assert pixel(picture, 5, 5) == pytest.approx((200, 50, 20), abs=4)


@pytest.mark.parametrize(("mode", "expected"), [("L", 91), ("1", 255), ("LA", 91), ("P", None), ("CMYK", None)])
def test_every_colour_mode_becomes_rgb(mode: str, expected: int | None) -> None:
    """Grey, two-coloured, palette and print pictures keep their colours."""
    colour = (200, 50, 20) if expected != 255 else (255, 255, 255)
    form = "TIFF" if mode == "CMYK" else "PNG"
    drawing = Image.new("RGB", (4, 4), colour)
    picture = read_image(encoded(drawing.quantize() if mode == "P" else drawing.convert(mode), form))

    assert pixel(picture) == pytest.approx((expected,) * 3 if expected else colour, abs=4)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled(form: str) -> None:
    """A 16-bit grey ramp keeps its range instead of turning white."""
    ramp = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    grey = np.asarray(read_image(encoded(Image.fromarray(ramp), form)))[..., 0]

    assert np.array_equal(grey, np.arange(256).reshape(16, 16))


def test_transparent_pixels_show_a_white_background() -> None:
    """Half-transparent red is mixed with white, and what is wholly transparent is white whatever its colour."""
    drawing = Image.new("RGBA", (2, 1), (255, 0, 0, 128))
    drawing.putpixel((1, 0), (0, 0, 255, 0))
    picture = read_image(encoded(drawing))

    assert pixel(picture) == pytest.approx((255, 127, 127), abs=1)
    assert pixel(picture, 1) == (255, 255, 255)


def test_a_transparent_palette_colour_is_white() -> None:
    """GIF and PNG palettes mark one colour as transparent."""
    drawing = Image.new("P", (2, 1), 0)
    drawing.putpalette([0, 0, 0, 0, 200, 0])
    drawing.putpixel((1, 0), 1)
    picture = read_image(encoded(drawing, "GIF", transparency=0))

    assert [pixel(picture), pixel(picture, 1)] == [(255, 255, 255), (0, 200, 0)]


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (3, 1)), (6, (1, 0)), (8, (0, 3))])
def test_a_photo_is_turned_upright(orientation: int, corner: tuple[int, int]) -> None:
    """The EXIF orientation is applied: the red corner goes where the camera says it belongs."""
    drawing = Image.new("RGB", (4, 2), (0, 0, 255))
    drawing.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_image(encoded(drawing, exif=exif))

    assert picture.size == ((4, 2) if orientation in (1, 3) else (2, 4))
    assert pixel(picture, *corner) == (255, 0, 0)


@pytest.mark.parametrize("orientation", [2, 4, 5, 7])
def test_a_mirrored_photo_is_turned_as_pillow_does(orientation: int) -> None:
    """The orientations that mirror, which few cameras write, agree with the library's own function."""
    drawing = Image.effect_noise((7, 5), 90)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(drawing, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))

    assert read_image(content).tobytes() == expected.convert("RGB").tobytes()


@pytest.mark.parametrize(
    "tag",
    [
        struct.pack("<HHI4s", 0x011A, 2, 4, b"abc\0"),  # a resolution that is a text
        struct.pack("<HHII", 0x8769, 3, 1, 7),  # the offset of a directory that is none
        struct.pack("<HHII", 0x0110, 5, 1000, 9999),  # fractions beyond the end
        struct.pack("<HHI4s", 0x0112, 2, 4, b"six\0"),  # an orientation that is a text
    ],
    ids=["text", "directory", "beyond", "orientation"],
)
@pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning")
def test_a_wrongly_typed_exif_tag_does_no_harm(tag: bytes) -> None:
    """A photo with damaged notes is still a photo, and turned upright where that can be told."""
    turned = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + turned + tag + struct.pack("<I", 0)
    picture = read_image(encoded(Image.new("RGB", (4, 2), (9, 9, 9)), "JPEG", exif=exif))

    assert sorted(picture.size) == [2, 4]


@pytest.mark.parametrize("error", DAMAGED)
def test_whatever_a_decoder_raises_is_told_in_one_line(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoders raise many things on damaged input; none of them escapes."""

    def load(*_: object) -> None:
        raise error("broken")

    monkeypatch.setattr(PngImageFile, "load", load)
    with pytest.raises(ImageError, match="damaged"):
        read_image(encoded(Image.new("RGB", (4, 2))))


def test_one_pixel_is_a_picture() -> None:
    """The smallest picture is read as it is."""
    picture = read_image(encoded(Image.new("RGB", (1, 1), (1, 2, 3))))

    assert (picture.size, pixel(picture)) == ((1, 1), (1, 2, 3))


def test_a_large_picture_is_made_smaller_in_proportion() -> None:
    """What no model looks at is not kept in memory."""
    assert read_image(encoded(Image.new("L", (3 * MAX_SIDE, MAX_SIDE // 2)))).size == (MAX_SIDE, MAX_SIDE // 6)


def test_a_file_is_read_like_bytes(tmp_path: Path) -> None:
    """A path gives the same pixels, and the file is closed again."""
    content = encoded(Image.effect_noise((30, 20), 50))
    (tmp_path / "a picture.png").write_bytes(content)

    assert read_image(tmp_path / "a picture.png").tobytes() == read_image(content).tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that claims many pixels."""
    header = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9999))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [7_072, 9_500, 15_000, 65_000])
def test_a_decompression_bomb_is_refused_unopened(side: int) -> None:
    """Few bytes that claim more than 50 million pixels, on either side of Pillow's own limits, are refused."""
    with pytest.raises(ImageError, match=r"pixels; send one of at most 50 million$"):
        read_image(bomb(side, side))


def test_bombs_in_threads_leave_pictures_alone() -> None:
    """Reading in many threads does not confuse good and bad."""
    good, found = encoded(Image.new("RGB", (9, 9), (9, 9, 9))), []

    def read() -> None:
        for _ in range(20):
            with pytest.raises(ImageError):
                read_image(bomb(9_500, 9_500))
            found.append(read_image(good).size)

    threads = [Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [(9, 9)] * 80


@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_picture_is_refused(form: str) -> None:
    """Half a file is no picture."""
    content = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), form)
    with pytest.raises(ImageError, match=r"^cannot read the upload: damaged.*send a JPEG, PNG"):
        read_image(content[: len(content) // 2])


@pytest.mark.parametrize(
    "content", [b"", b"hello", "椅子".encode(), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF"]
)
def test_what_is_not_a_picture_is_refused(content: bytes) -> None:
    """Text, an empty upload and formats that run programs are refused in one line."""
    with pytest.raises(ImageError, match=r"^cannot read the upload: damaged or not a picture; send a [^\n]+$"):
        read_image(content)


def test_more_than_ten_megabytes_are_refused(tmp_path: Path) -> None:
    """The message says how large it is and how large it may be, from a file as from an upload."""
    message = r"has 10\.1 MB; send a picture of at most 10 MB$"
    content = encoded(Image.new("RGB", (1, 1))) + bytes(MAX_IMAGE_BYTES + 100_000)
    (tmp_path / "big.png").write_bytes(content)
    with pytest.raises(ImageError, match=f"^the upload {message}"):
        read_image(content)
    with pytest.raises(ImageError, match=rf"^big\.png {message}"):
        read_image(tmp_path / "big.png")


def test_just_ten_megabytes_are_read() -> None:
    """The limit itself is allowed: bytes after the picture's end do no harm."""
    content = encoded(Image.new("RGB", (1, 1)))
    assert read_image(content + bytes(MAX_IMAGE_BYTES - len(content))).size == (1, 1)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    """The system's reason is in the message."""
    with pytest.raises(ImageError, match=r"cannot read none\.png: No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="Is a directory"):
        read_image(tmp_path)
