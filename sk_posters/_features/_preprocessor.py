"""What a preprocessor_config.json of transformers asks to be done with an image."""

import json
from numbers import Integral, Real

import numpy as np

from sk_posters._base._regular import read_regular, stat_regular

__all__ = ["Preprocessor"]

# By the numbers of PIL.
INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
# A size as one number is that of the shortest edge for these, a square for others.
OF_SHORTEST_EDGE = ("CLIP", "ChineseCLIP", "Bit", "MobileNetV1", "MobileNetV2")
# What is refused, because it would change pixels in ways that are not built here.
SHAPING = ("do_pad", "do_thumbnail", "do_align_long_axis", "keep_aspect_ratio")
SHAPING += ("size_divisor", "crop_pct")
SCALING = ("do_flip_channel_order", "rescale_offset", "include_top")
MAX_BYTES = 1_000_000  # Real ones have one thousand.
MAX_SIDE = 10_000
# 2048 x 2048, sixteen of which are decoded at once.
MAX_PIXELS = 2**22


class Preprocessor:
    """The settings in a file; each is looked up only if a user leaves it open."""

    def __init__(self, path, name):
        self._name = name
        if stat_regular(path).st_size > MAX_BYTES:
            raise ValueError(
                f"The preprocessor_config.json of {name!r} is larger than "
                f"{MAX_BYTES:,} bytes: choose another repository or revision"
            )
        try:
            self._config = json.loads(read_regular(path).decode())
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"The preprocessor_config.json of {name!r} is not JSON ({error}): "
                "choose another repository or revision"
            ) from error
        if not isinstance(self._config, dict):
            raise self._refuse("a JSON object", self._config, "image_size, mean, std")
        kind = self._get("image_processor_type", None)
        self._kind = str(kind or self._get("feature_extractor_type", ""))

    def find_size(self):
        """Return image size, and what images are resized to before it is cut out."""
        parameter = "image_size=(height, width)"
        if not self._get("do_resize", True):
            raise self._refuse('"do_resize": true', "false", parameter)
        if self._kind.startswith("ConvNext"):
            return self._find_size_of_convnext(parameter)
        if self._kind.startswith("Levit"):
            raise self._refuse("another processor", self._kind, parameter)
        self._check_absent(SHAPING, parameter)
        is_square = not self._kind.startswith(OF_SHORTEST_EDGE)
        is_square = self._get("default_to_square", is_square)
        resized = self._read_size("size", is_edge=not is_square)
        has_crop = self._get("crop_size", None) is not None
        if self._get("do_center_crop", has_crop):
            crop = self._read_size("crop_size", is_edge=False)
            if isinstance(crop, tuple):
                return crop, None if resized == crop else resized
        elif isinstance(resized, tuple):
            return resized, None
        raise self._refuse(
            "images of one size", {"size": self._get("size", None)}, parameter
        )

    def _find_size_of_convnext(self, parameter):
        self._check_absent(set(SHAPING) - {"crop_pct"}, parameter)
        edge = self._read_size("size", is_edge=True)
        if not isinstance(edge, int):
            raise self._refuse('"shortest_edge"', self._get("size", None), parameter)
        if edge >= 384:  # As transformers does.
            return (edge, edge), None
        share = self._get("crop_pct", 224 / 256)
        if not isinstance(share, Real) or not edge / MAX_SIDE < share <= 1:
            raise self._refuse('a share as "crop_pct"', share, parameter)
        resized = int(edge / share)
        self._check_pixels(resized, resized, parameter)
        return (edge, edge), resized

    def find_interpolation(self):
        """Return the name of a way to resize."""
        number = self._get("resample", 2)
        if not isinstance(number, int) or not 0 <= number < len(INTERPOLATIONS):
            raise self._refuse('0 to 5 as "resample"', number, "interpolation")
        return INTERPOLATIONS[number]

    def find_scaling(self):
        """Return mean and std for pixels from 0 to 255."""
        self._check_absent(SCALING, "mean and std")
        is_rescaled = self._get("do_rescale", True)
        factor = self._get("rescale_factor", 1 / 255) if is_rescaled else 1
        mean, std = 0, 1
        if self._get("do_normalize", True):
            mean, std = self._get("image_mean", None), self._get("image_std", None)
        given = {"image_mean": mean, "image_std": std, "rescale_factor": factor}
        try:
            found = [np.asarray(value) for value in (factor, mean, std)]
            usable = all(value.dtype.kind in "fi" for value in found)
            factor, mean, std = (value.astype(float) for value in found)
            usable = usable and all(map(np.all, map(np.isfinite, (factor, mean, std))))
        except (OverflowError, TypeError, ValueError):
            usable = False
        if not usable or factor.ndim or factor <= 0:
            raise self._refuse("numbers to scale pixels by", given, "mean and std")
        return mean / factor, std / factor

    def _get(self, name, default):
        value = self._config.get(name)
        return default if value is None else value

    def _read_size(self, name, is_edge):
        """Return a shortest edge, or height and width."""
        size = self._get(name, None)
        if isinstance(size, dict):
            sides = {key: side for key, side in size.items() if side is not None}
            if sides.keys() == {"shortest_edge"}:
                size, is_edge = sides["shortest_edge"], True
            elif sides.keys() == {"height", "width"}:
                size = sides["height"], sides["width"]
        sides = size if isinstance(size, list | tuple) else [size]
        if not all(_is_side(side) for side in sides) or len(sides) > 2:
            expected = f'"shortest_edge", or "height" and "width", as "{name}"'
            raise self._refuse(expected, size, "image_size=(height, width)")
        self._check_pixels(sides[0], sides[-1], "image_size=(height, width)")
        if len(sides) == 2:
            return tuple(sides)
        return sides[0] if is_edge else (sides[0], sides[0])

    def _check_pixels(self, height, width, parameter):
        if height * width > MAX_PIXELS:
            expected = f"images of at most {MAX_PIXELS:,} pixels"
            raise self._refuse(expected, f"{height} x {width}", parameter)

    def _check_absent(self, names, parameter):
        found = {name: self._config[name] for name in names if self._get(name, False)}
        if found:
            raise self._refuse("none of these", found, parameter)

    def _refuse(self, expected, found, parameter):
        return ValueError(
            f"The preprocessor_config.json of {self._name!r} asks for what "
            f"PosterEncoder does not do: it takes {expected}; got {found!r}. Set "
            f"{parameter} yourself: your own values come first"
        )


def _is_side(side):
    is_number = isinstance(side, Integral) and not isinstance(side, bool)
    return is_number and 1 <= side <= MAX_SIDE
