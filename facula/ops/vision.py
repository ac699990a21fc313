"""Boxes and regions of images: what facula.vision.ops is made of."""

from __future__ import annotations

import facula

from ._table import op


def _twice(name):
    def refuse(grad):
        raise RuntimeError(f"double backwards on {name} not supported")

    return refuse


op("_nms(Tensor boxes, Tensor scores, float iou_threshold)", kernel="vision.nms", method=False, differentiable=False)

# kind: 0 roi_align, 1 ps_roi_align, 2 ps_roi_pool
op("_roi_sums(Tensor input, Tensor boxes, int kind, float scale, int rows, int columns, int sampling, bool aligned)", kernel="vision.roi_sums",
   method=False, node="RoiAlignBackward0",
   vjp={"input": lambda grad, input_shape, boxes, kind, scale, rows, columns, sampling, aligned:
        facula._roi_sums_back(grad, boxes, input_shape, kind, scale, rows, columns, sampling, aligned)})
op("_roi_sums_back(Tensor grad_, Tensor boxes, int[] sizes, int kind, float scale, int rows, int columns, int sampling, bool aligned)",
   kernel="vision.roi_sums_back", method=False, node="RoiAlignBackwardBackward0",
   vjp={"grad_": lambda grad, boxes, kind, scale, rows, columns, sampling, aligned:
        facula._roi_sums(grad, boxes, kind, scale, rows, columns, sampling, aligned)})

op("_roi_max(Tensor input, Tensor boxes, float scale, int rows, int columns) -> (_, _)", kernel="vision.roi_max", method=False, node="RoiPoolBackward0",
   vjp={"input": lambda grads, input_shape, boxes, results: facula._roi_max_back(grads[0], boxes, results[1], input_shape)})
op("_roi_max_back(Tensor grad_, Tensor boxes, Tensor found, int[] sizes)", kernel="vision.roi_max_back", method=False,
   vjp={"grad_": _twice("roi_pool")})


def _deform_gradients(grad, input, offset, mask, kernel, stride, padding, dilation, needs):
    found = facula._deform_columns_back(grad, input, offset, mask, kernel, stride, padding, dilation)
    return tuple(g if need else None for g, need in zip(found, needs, strict=True))


op("_deform_columns(Tensor input, Tensor offset, Tensor? mask, int[] kernel, int[] stride, int[] padding, int[] dilation)",
   kernel="vision.deform_columns", method=False, node="DeformConv2dBackward0", vjp={"input, offset, mask": _deform_gradients})
op("_deform_columns_back(Tensor grad_, Tensor input, Tensor offset, Tensor? mask, int[] kernel, int[] stride, int[] padding, int[] dilation) "
   "-> (_, _, _)", kernel="vision.deform_columns_back", method=False,
   vjp={"grad_": lambda grads: _twice("deform_conv2d")(grads)})

op("_unit_planes(Tensor pixels) -> Tensor", kernel="image.unit_planes", method=False, differentiable=False)  # vision/_pixels.py
