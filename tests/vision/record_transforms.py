"""Writes transforms.json: what torchvision's transforms make of a small image. Needs torchvision 0.28."""

import json
import os
import random

import numpy as np
import torch
import torchvision.transforms as transforms
from torchvision.transforms import InterpolationMode
from transform_cases import SEEDS, cases, flat, pixels, seed_of

tensor = torch.tensor(pixels(), dtype=torch.uint8)
images = {"tensor": tensor, "pil": transforms.functional.to_pil_image(tensor)}
record = {}
for case in cases():
    transform = eval(case, {**vars(transforms), "I": InterpolationMode})
    record[case] = {"repr": repr(transform)}
    for kind, image in images.items():
        made = []
        for seed in SEEDS:
            random.seed(seed_of(case) + seed)
            torch.manual_seed(seed_of(case) + seed)
            result = transform(image)
            made += flat([np.asarray(r) for r in (result if isinstance(result, tuple) else [result])])
        record[case][kind] = made
with open(os.path.join(os.path.dirname(__file__), "transforms.json"), "w") as file:
    file.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in record.items()) + "\n}\n")
