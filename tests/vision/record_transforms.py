"""Writes transforms.json: what torchvision's transforms make of a small image. Needs torchvision 0.28."""

import json
import os
import random

import numpy as np
import torch
import torchvision.transforms as transforms
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms import InterpolationMode
from transform_cases import SEEDS, V2, cases, flat, pixels, sample, seed_of

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
for case in cases(V2):
    transform = eval(case, {**vars(v2), "tv_tensors": tv_tensors, "torch": torch})
    record["v2." + case] = made = {"repr": repr(transform), "samples": []}
    for seed in SEEDS:
        torch.manual_seed(seed_of(case) + seed)
        result = transform(sample(torch, tv_tensors))
        image = result["image"].mul(255).round().byte() if result["image"].is_floating_point() else result["image"]
        made["samples"].append({"image": flat([image.numpy()])[0], "masks": flat([result["masks"].numpy()])[0],
                                "boxes": result["boxes"].tolist(), "canvas": list(result["boxes"].canvas_size),
                                "labels": result["labels"].tolist()})
with open(os.path.join(os.path.dirname(__file__), "transforms.json"), "w") as file:
    file.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in record.items()) + "\n}\n")
