"""Tests of srgan.data.preview: from overrides to a sheet."""

from pathlib import Path

import pytest
import torch

from srgan.commands.preview import main
from srgan.data.preview import preview_sheet
from srgan.pictures.rgb import read_image

CAPTION_HEIGHT, GAP = 26, 6


@pytest.mark.parametrize("degradation", ["bicubic", "real"])
def test_sheet_shows_what_the_settings_do(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], degradation: str
) -> None:
    out = tmp_path / "new" / "sheet.png"
    settings = ["data=folder", f"data.root={photos}", "data.hr_crop_size=32", "data.batch_size=3"]
    assert main([*settings, f"data/degradation={degradation}", f"out={out}"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    sheet = read_image(out)
    assert sheet.shape == (1, 3, 192 + CAPTION_HEIGHT, 6 * 192 + 5 * GAP)
    bicubic, given = (sheet[..., :192, left : left + 192] for left in (198, 396))
    difference = (bicubic - given)[..., 48:-48, 48:-48].abs().mean()  # crops end where the photo goes on
    assert difference < 0.01 if degradation == "bicubic" else difference > 0.02


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        pytest.param(["data=folder"], "data.root", id="no-root"),
        pytest.param(["data=folder", "data.root=/no/such"], "/no/such does not exist", id="no-folder"),
        pytest.param(["data=folder", "data.rot=/photos"], "rot", id="misspelled"),
        pytest.param(["data=foldr"], "foldr", id="no-such-group"),
        pytest.param(["data=folder", "data.root={0}"], "Expected pictures", id="empty"),
        pytest.param(["data=sample", "out={0}/sheet.jpg"], "Expected a .png file, got out={0}/sheet.jpg.", id="jpg"),
        pytest.param(["data=sample", "data.hr_crop_size=2000"], "smaller than the 2000x2000", id="too-small"),
    ],
)
def test_a_users_mistake_ends_in_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], message: str
) -> None:
    assert main([each.format(tmp_path) for each in overrides]) == 2
    captured = capsys.readouterr()
    assert message.format(tmp_path) in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "usage: srgan preview data=folder" in capsys.readouterr().out


def test_crops_are_enlarged_pixel_by_pixel_beside_each_other() -> None:
    batch = {"lr": torch.rand(16, 3, 24, 24), "hr": torch.rand(16, 3, 96, 96)}
    sheet = preview_sheet(batch)
    assert sheet.shape == (1, 3, 4 * (192 + CAPTION_HEIGHT) + 3 * GAP, 6 * 192 + 5 * GAP)
    for row, number in ((0, 0), (3, 6)):
        top = row * (192 + CAPTION_HEIGHT + GAP)
        hr, lr = sheet[0, :, top : top + 192, :192], sheet[0, :, top : top + 192, 396:588]
        torch.testing.assert_close(hr[:, ::2, 1::2], batch["hr"][number], atol=0.003, rtol=0)
        torch.testing.assert_close(lr[:, 7::8, ::8], batch["lr"][number], atol=0.003, rtol=0)
