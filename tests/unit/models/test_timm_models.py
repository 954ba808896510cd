"""Architectures of timm in our form: their names, their stems, their weights."""

import foreign
import pytest
import torch

from tapetum.errors import ConfigError
from tapetum.image import Preprocess
from tapetum.models.network import Network
from tapetum.recipe import Model

SPEC = Preprocess(height=32, width=32)


def test_resnet50_is_that_of_torchvision_in_names_and_arithmetic():
    theirs = foreign.resnet50(10)
    ours = Network(Model(architecture="resnet50"), 10, SPEC).eval()
    images = torch.rand(2, 3, 65, 47)

    ours.backbone.named.load_state_dict(theirs.state_dict())

    assert list(ours.backbone.named.state_dict()) == list(theirs.state_dict())
    with torch.inference_mode():
        logits = ours.backbone.forward_head(ours.backbone.pool(ours.backbone.forward_features(images)))
        torch.testing.assert_close(logits, theirs(images), atol=1e-5, rtol=1e-5)


def test_a_small_stem_keeps_every_pixel():
    def first(stem: str) -> torch.Size:
        backbone = Network(Model(architecture="resnet18", stem=stem), 2, SPEC).eval().backbone
        return backbone.forward_features(torch.zeros(1, 3, 32, 32)).shape

    assert first("standard") == (1, 512, 1, 1)
    assert first("small") == (1, 512, 4, 4)


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        ({"stem": "small"}, "simple_cnn has no stem"),
        ({"architecture": "test_vit", "stem": "small"}, "test_vit has no stem that can be"),
        ({"pretrained": True}, "nobody offers weights of simple_cnn"),
        ({"architecture": "resnet50.none"}, "timm has no weights 'none' of resnet50; it has .*resnet50.a1_in1k"),
        ({"architecture": "levit_128s"}, "levit_128s cannot be used for pictures of 32×32 pixels .*try another"),
        ({"architecture": "test_vit", "pretrained": True}, r"learned from other values: set image\.kernel=bicubic$"),
        (
            {"architecture": "resnet50", "pretrained": True},
            r"set image\.mean=\[0\.485,0\.456,0\.406\] image\.std=\[0\.229,0\.224,0\.225\] image\.kernel=bicubic$",
        ),
    ],
)
def test_a_choice_that_cannot_be_is_a_config_error(choices, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Network(Model(**choices), 2, SPEC)


def test_weights_that_nobody_offers_are_a_config_error():
    with pytest.raises(ConfigError, match="timm offers no weights of densenet264d: set it to false"):
        Network(Model(architecture="densenet264d", pretrained=True), 2, SPEC)
