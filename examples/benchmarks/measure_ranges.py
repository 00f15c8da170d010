"""Between which values do the feature maps lie that ReLU6 does not bound?

Writes the table that the backbones' eight-bit graphs are made with, from drawn posters
at the sizes of the recipes: nothing is learned from the posters of any benchmark. Give
another folder to look at the ranges of other images.
"""

import argparse
import json
import re
import tempfile
from pathlib import Path

import numpy as np

from sk_posters._features import _quantized
from sk_posters._features._efficientnet import BACKBONES, backbone_onnx

SIZES = {
    "efficientnet_lite0": (320, 224),
    "efficientnet_lite1": (352, 240),
    "efficientnet_lite2": (448, 320),
}
N_POSTERS = 64


def measure(name, images):
    """Return the least and the greatest value of each such map over some images."""
    import onnx
    import onnxruntime

    model = onnx.load_from_string(backbone_onnx(name))
    names = [
        output
        for node in model.graph.node
        for output in node.output
        if output.endswith(("_project_conv", "_sum"))
    ]
    del model.graph.output[:]
    for output in names:
        described = onnx.helper.make_tensor_value_info(output, 1, None)
        model.graph.output.append(described)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    limits = []
    for image in images:
        maps = session.run(names, {"images": image[None]})
        limits.append([(float(each.min()), float(each.max())) for each in maps])
    limits = np.array(limits)
    return {
        output.removesuffix("_sum").removesuffix("_conv"): [
            round(float(low), 3),
            round(float(high), 3),
        ]
        for output, low, high in zip(
            names, limits[..., 0].min(axis=0), limits[..., 1].max(axis=0), strict=True
        )
    }


def as_table(found):
    """Return JSON with a line for each map."""
    text = json.dumps(found, indent=1)
    return re.sub(r"\[\s+(\S+)\s+(\S+)\s+\]", r"[\1 \2]", text) + "\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-samples", type=int, default=N_POSTERS)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(_quantized.__file__).with_name("activation_ranges.json"),
        help="the table (default: that of the package)",
    )
    options = parser.parse_args(arguments)
    from sk_posters import PosterImageLoader
    from sk_posters.datasets import make_posters

    with tempfile.TemporaryDirectory() as folder:
        posters = make_posters(
            options.n_samples, n_labels=25, random_state=0, data_home=folder
        )
        found = {}
        for name in BACKBONES:
            images = PosterImageLoader(image_size=SIZES[name]).transform(posters.data)
            found[name] = measure(name, images[:].read())
            print(f"{name}: {len(found[name])} maps", flush=True)
    options.output.write_text(as_table(found))


if __name__ == "__main__":
    main()
