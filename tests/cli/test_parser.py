"""The options of the command line: what is refused, and what the help tells."""

import pytest

from cvdemo.cli.parser import config_from, make_parser, parse
from cvdemo.cli.run import main
from cvdemo.cli.verbs import PICTURE_VERBS
from cvdemo.config import settings_of
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.selection import DetectConfig
from cvdemo.sample.generate import SampleConfig
from cvdemo.sample.latent_walk import WalkConfig


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scale", "5"], "argument --scale: invalid choice: "),
        (["--tile-px", "9"], "tile_px must be at least 64, got 9"),
        (["--tile-px", "many"], "argument --tile-px: invalid int value: 'many'"),
        (["--device", "abacus"], "abacus"),
        (["--colour", "3"], "unrecognized arguments: --colour 3"),
    ],
)
def test_a_wrong_option_is_a_usage_error(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["upscale", "in.png", "out.png", *options])
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", [*PICTURE_VERBS, "sample"])
def test_help_tells_every_setting(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    text = capsys.readouterr().out
    configs = [PICTURE_VERBS[name].config] if name in PICTURE_VERBS else [SampleConfig, WalkConfig]
    for setting_name, described in (item for config in configs for item in settings_of(config).items()):
        assert "--" + setting_name.replace("_", "-") in text
        assert described.label.split()[0] in text


def test_the_six_verbs_and_the_one_that_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        make_parser().parse_args(["--help"])
    assert set(PICTURE_VERBS) | {"sample"} == {"classify", "detect", "dream", "stylize", "sample", "upscale"}
    assert "teach a network classes of your own" in " ".join(capsys.readouterr().out.split())


def test_a_setting_may_be_left_to_the_detector() -> None:
    parser = make_parser()
    assert config_from(parse(parser, ["detect", "a.png"]), DetectConfig()).score_threshold is None
    args = parse(parser, ["detect", "a.png", "--score-threshold", "0.5", "--detector", "people-hog"])
    config = config_from(args, DetectConfig())
    assert config.score_threshold == 0.5 and config.detector == "people_hog" and config.nms_iou is None


@pytest.mark.parametrize("name", ["score_threshold", "nms_iou", "agnostic_nms_iou", "max_upscale"])
def test_what_is_given_counts_though_it_is_the_default_of_another_detector(name: str) -> None:
    own = {detector: getattr(kind, name) for detector, kind in DETECTORS.items()}
    assert len(set(own.values())) > 1
    parser, option = make_parser(), f"--{name.replace('_', '-')}"
    for detector in own:
        for given in own.values():
            args = parse(parser, ["detect", "a.png", "--detector", detector, option, str(given)])
            assert getattr(config_from(args, DetectConfig()), name) == given
