"""Colours of any profile brought to sRGB, by LittleCMS (`PIL.ImageCms`); a damaged profile leaves pixels as they are.

Profiles are those of ICC.1:2001-04 (version 2) and later. A PNG without one may name its gamma and chromaticities
instead (ISO/IEC 15948, 11.3.3.1 and 11.3.3.2): they are written as a profile and take the same way.
"""

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

SAME_LEVELS = 2  # of 255: a profile that moves no colour further is sRGB; its pixels stay exactly as they are
SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}  # Pillow's mode and the profile's colour space
SRGB_GAMMA = 1 / 2.2
SRGB_CHROMATICITY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue: x and y
D50_XYZ = (0.9642, 1.0, 0.8249)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
FloatArray = npt.NDArray[np.float64]


def to_srgb(picture: Image.Image, info: dict[str, Any]) -> Image.Image:
    """A picture of mode RGB, L or CMYK in sRGB, mode RGB; the picture itself where `info` names no usable profile.

    Args:
        info: as Pillow names it: `icc_profile`, or `gamma` and `chromaticity`; `srgb` says that nothing is to be done.
    """
    profile = _profile_of(info)
    if profile is None or picture.mode not in SPACES:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != SPACES[picture.mode]:
            return picture
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), picture.mode, "RGB")
        return picture if _changes_nothing(transform, picture.mode) else _applied(transform, picture)
    except Exception:  # a profile comes with a file from anywhere, and its parser may raise anything: pixels go first
        return picture


def lab_to_rgb(picture: Image.Image) -> Image.Image:
    """A picture of mode LAB, which Pillow itself does not convert, in sRGB."""
    transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    return _applied(transform, picture)


def _applied(transform: ImageCms.ImageCmsTransform, picture: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(picture, transform)
    assert converted is not None  # it is None only where the picture itself is changed
    return converted


def _profile_of(info: dict[str, Any]) -> bytes | None:
    if profile := info.get("icc_profile"):
        return bytes(profile)
    gamma = info.get("gamma")
    if info.get("srgb") or not isinstance(gamma, float) or not 0.1 < gamma <= 2:
        return None
    chromaticity = info.get("chromaticity", SRGB_CHROMATICITY)
    usual = np.allclose(chromaticity, SRGB_CHROMATICITY, atol=0.002) and abs(gamma - SRGB_GAMMA) < 0.005
    return None if usual else matrix_profile(1 / gamma, chromaticity)


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    if mode == "CMYK":
        return False
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(18, -1, 3)
    before = Image.fromarray(grid if mode == "RGB" else grid[..., 0])
    after = np.asarray(_applied(transform, before), np.int16)
    return bool(np.abs(after - np.asarray(before.convert("RGB"), np.int16)).max() <= SAME_LEVELS)


def matrix_profile(gamma: float, chromaticity: tuple[float, ...]) -> bytes | None:
    """An ICC profile of version 2 for RGB of this gamma; None where the chromaticities span no colours.

    Args:
        chromaticity: x and y of white, red, green and blue.
    """
    xy = np.array(chromaticity, np.float64).reshape(4, 2)
    if (xy[:, 1] < 1e-3).any():
        return None
    xyz = np.column_stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(axis=1)) / xy[:, 1]])
    white, primaries = xyz[0], xyz[1:].T  # (3,) and (3, 3), a column a primary
    if abs(np.linalg.det(primaries)) < 1e-3:
        return None
    to_xyz = primaries * np.linalg.solve(primaries, white)
    cones = BRADFORD @ np.array(D50_XYZ) / (BRADFORD @ white)
    columns = (np.linalg.inv(BRADFORD) @ (cones[:, None] * (BRADFORD @ to_xyz))).T
    curve = b"curv" + struct.pack(">4xIH2x", 1, round(gamma * 256))
    tags = {b"wtpt": _xyz(D50_XYZ)}
    for name, column in zip((b"r", b"g", b"b"), columns, strict=True):
        tags |= {name + b"XYZ": _xyz(column), name + b"TRC": curve}
    return _packed(tags)


def _xyz(values: Any) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _packed(tags: dict[bytes, bytes]) -> bytes:
    """Header, table and tags; every tag's length is a multiple of four."""
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    header += struct.pack(">3i", *(round(value * 65536) for value in D50_XYZ))
    return header.ljust(128, b"\0") + table + body
