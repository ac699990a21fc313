import pytest

import facula
from facula.vision import utils


def test_a_grid_has_the_images_row_by_row():
    images = facula.arange(1.0, 6.0).view(5, 1, 1, 1).expand(5, 3, 2, 2)
    grid = utils.make_grid(images, nrow=2, padding=1, pad_value=9.0)
    assert grid.shape == (3, 10, 7)
    assert grid[0, 1::3, 1::3].tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]]
    assert grid[0, 0].eq(9).all() and grid[0, :, 3].eq(9).all()


def test_a_grid_normalizes_without_changing_its_input():
    images = facula.tensor([0.0, 4.0]).view(2, 1, 1, 1)
    assert utils.make_grid(images, normalize=True, padding=0)[0].tolist() == [[0.0, 1.0]]
    assert images.flatten().tolist() == [0.0, 4.0]


def test_a_box_is_its_outline():
    drawn = utils.draw_bounding_boxes(facula.zeros(1, 6, 7, dtype=facula.uint8), facula.tensor([[1, 1, 5, 4]]), colors="red")
    assert drawn.shape == (3, 6, 7) and drawn[1:].eq(0).all()
    assert (drawn[0] == 255).int().tolist() == [[0] * 7, [0, 1, 1, 1, 1, 1, 0], [0, 1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1, 0],
                                                [0, 1, 1, 1, 1, 1, 0], [0] * 7]


def test_the_first_side_of_a_rotated_box_is_dashed():
    corners = facula.tensor([[1.0, 1, 18, 1, 18, 4, 1, 4]])
    drawn = utils.draw_bounding_boxes(facula.zeros(3, 6, 20, dtype=facula.uint8), corners, colors=(7, 8, 9))[0]
    assert "".join(".#"[int(v) > 0] for v in drawn[1]) == ".######....######.#."
    assert drawn[4, 1:19].eq(7).all()


def test_masks_mix_and_overlaps_are_dark():
    masks = facula.tensor([[[True, True, False]], [[False, True, False]]])
    drawn = utils.draw_segmentation_masks(facula.full((3, 1, 3), 100, dtype=facula.uint8), masks, 0.5, [(200, 0, 0), "blue"])
    assert drawn[:, 0].T.tolist() == [[150, 50, 50], [50, 50, 50], [100, 100, 100]]


def test_hidden_keypoints_are_not_drawn():
    points = facula.tensor([[[2.0, 2.0], [6.0, 2.0]]])
    drawn = utils.draw_keypoints(facula.zeros(3, 5, 9, dtype=facula.uint8), points, colors="red", radius=1,
                                 visibility=facula.tensor([[True, False]]))
    assert drawn[0, 2].tolist() == [0, 255, 255, 255, 0, 0, 0, 0, 0]


def test_flow_shows_direction_as_colour():
    flow = facula.tensor([[[1.0, 0.0, -1.0, 0.0]], [[0.0, 1.0, 0.0, 0.0]]])
    assert utils.flow_to_image(flow)[:, 0].T.tolist()[3] == [255, 255, 255]
    assert len({tuple(c) for c in utils.flow_to_image(flow)[:, 0].T.tolist()}) == 4


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="Pass individual images"):
        utils.draw_segmentation_masks(facula.zeros(1, 3, 4, 4, dtype=facula.uint8), facula.zeros(4, 4, dtype=facula.bool))
    with pytest.raises(ValueError, match="mismatch"):
        utils.draw_bounding_boxes(facula.zeros(3, 4, 4, dtype=facula.uint8), facula.tensor([[0, 0, 1, 1]]), labels=["a", "b"])
    with pytest.raises(TypeError, match="tensor or list of tensors"):
        utils.make_grid(5)
