"""Tests of the plan: which files, to which names, in which part, and what is refused before any work."""

from collections import Counter
from pathlib import Path

import pytest

from srgan.pictures.find import LeftOutWarning
from srgan.prediction import Ledger, Shard, naming_note, plan_jobs
from srgan.prediction.place import Place, find_place, in_folder
from srgan.system.files import file_digest


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def targets(source: Path, output: Path, *, format: str = "png") -> dict[str, str]:
    jobs = plan_jobs(source, output, format=format)
    return {job.name: job.picture.relative_to(output).as_posix() for job in jobs}


def test_a_tree_is_mirrored_and_only_pictures_are_taken(tmp_path: Path) -> None:
    source = make(tmp_path / "in", "a.JPG", "sub/ü/b.v2.webp", "c.gif", "note.txt", ".hidden.png", ".cache/d.png")
    expected = {"a.JPG": "a.png", "c.gif": "c.png", "sub/ü/b.v2.webp": "sub/ü/b.v2.png"}
    assert targets(source, tmp_path / "out") == expected
    assert targets(source, tmp_path / "out", format="same")["a.JPG"] == "a.JPG"
    assert targets(source, tmp_path / "out", format="tiff")["c.gif"] == "c.tiff"


def test_pictures_of_all_kinds_are_taken_and_others_named(tmp_path: Path) -> None:
    source = make(tmp_path / "in", "a.avif", "b.jfif", "c.JPE", "d.jp2", "e.pgm", "f.apng")
    expected = {name: f"{name[0]}.png" for name in ("a.avif", "b.jfif", "c.JPE", "d.jp2", "e.pgm", "f.apng")}
    assert targets(source, tmp_path / "out") == expected
    make(source, "IMG_1.CR3", "sub/IMG_2.cr3", "x.svg", "note.txt")
    with pytest.warns(LeftOutWarning, match=r"Left out 3 pictures .*\(2 \.cr3, 1 \.svg\)") as told:
        assert targets(source, tmp_path / "out") == expected
    assert len(told) == 1


def test_a_folder_of_other_pictures_alone_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"(?s)found none\. Left out 1 pictures .*IMG_1\.CR3"):
        targets(make(tmp_path / "in", "IMG_1.CR3"), tmp_path / "out")


def test_earlier_results_inside_the_input_are_no_inputs(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "out/a.png", "half/.srgan-ledger.jsonl", "half/a.png", "half/sub/a.png")
    assert targets(tmp_path, tmp_path / "out") == {"a.jpg": "a.png"}


def test_results_alone_are_said_to_be_left_out(tmp_path: Path) -> None:
    for part in ("strength=0", "strength=1"):
        make(tmp_path / "sweep" / part, ".srgan-ledger.jsonl", "a.png")
    with pytest.raises(FileNotFoundError, match=r"outside of folders of results.* enlarge .*sweep/strength=0 again"):
        targets(tmp_path / "sweep", tmp_path / "out")
    assert targets(tmp_path / "sweep" / "strength=0", tmp_path / "out") == {"a.png": "a.png"}


def test_links_to_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    source = make(tmp_path / "in", "a.png")
    make(tmp_path / "album", "b.png")
    (source / "linked").symlink_to(tmp_path / "album")
    (source / "loop").symlink_to(source)
    assert targets(source, tmp_path / "out") == {"a.png": "a.png", "linked/b.png": "linked/b.png"}


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    assert targets(make(tmp_path / "in", "x.png/a.jpg"), tmp_path / "out") == {"x.png/a.jpg": "x.png/a.png"}


def test_an_input_is_never_a_target_not_even_through_a_link(tmp_path: Path) -> None:
    source = make(tmp_path / "in", "a.png")
    with pytest.raises(ValueError, match="Expected output= to be another folder than the input's"):
        plan_jobs(source, source, format="png")
    with pytest.raises(ValueError, match=r"a\.png would be overwritten"):
        plan_jobs(source / "a.png", source, format="png")
    (tmp_path / "linked").symlink_to(source)
    with pytest.raises(ValueError, match=r"a\.png would be overwritten"):
        plan_jobs(source / "a.png", tmp_path / "linked", format="png")


def test_results_that_would_meet_keep_both_endings(tmp_path: Path) -> None:
    source = make(tmp_path / "in", "a.jpg", "a.png", "b.jpg", "sub/a.webp", "a.jpg.png")
    named = targets(source, tmp_path / "out")
    assert named == {
        "a.jpg": "a.jpg.png",
        "a.jpg.png": "a.jpg.png.png",
        "a.png": "a.png.png",
        "b.jpg": "b.png",
        "sub/a.webp": "sub/a.png",
    }
    assert len(plan_jobs(source, tmp_path / "out", format="same", companions=[".trust.png"])) == 5


def test_a_result_never_meets_a_trust_map(tmp_path: Path) -> None:
    source = make(tmp_path / "in", "a.png", "a.png.trust.jpg")
    jobs = plan_jobs(source, tmp_path / "out", format="png", companions=[".trust.png"])
    names = [target.name for job in jobs for target in job.targets]
    assert len(set(names)) == 4


def test_a_result_keeps_its_name_whatever_comes_beside_it(tmp_path: Path) -> None:
    source = make(tmp_path / "in", "a.jpg", "a.png")

    def named(owners: dict[str, str]) -> list[str]:
        paths = {name: (source / owner).resolve() for name, owner in owners.items()}
        return [job.picture.name for job in plan_jobs(source, tmp_path / "out", format="png", owners=paths)]

    assert named({"a.png": "a.jpg"}) == ["a.png", "a.png.png"]  # a.png came later
    (source / "a.png").unlink()
    assert named({"a.jpg.png": "a.jpg", "a.png.png": "a.png"}) == ["a.jpg.png"]  # a.png has gone
    assert named({}) == ["a.png"]


def test_names_that_meet_are_told_in_one_line(tmp_path: Path) -> None:
    source = make(tmp_path / "in", *(f"{number}.{ending}" for number in range(9) for ending in ("jpg", "png")), "x.png")
    note = naming_note(plan_jobs(source, tmp_path / "out", format="png"))
    assert note is not None
    assert note.startswith("18 of 19 results keep the ending of their picture")
    assert "0.jpg → 0.jpg.png" in note
    assert "\n" not in note
    for format in ("png", "same"):
        assert naming_note(plan_jobs(source / "x.png", tmp_path / "out", format=format)) is None


def test_companions_lie_beside_the_picture_which_comes_last(tmp_path: Path) -> None:
    (job,) = plan_jobs(make(tmp_path / "in", "a.jpg"), tmp_path / "out", format="jpg", companions=[".trust.png"])
    assert job.targets == (tmp_path / "out" / "a.jpg.trust.png", tmp_path / "out" / "a.jpg")


def test_parts_cover_every_file_once_and_new_files_move_none(tmp_path: Path) -> None:
    source = make(tmp_path / "in", *(f"{number}.png" for number in range(40)))

    def parts() -> dict[str, int]:
        shards = [Shard.parse(f"{index}/4") for index in range(4)]
        plans = [plan_jobs(source, tmp_path / "out", format="png", shard=shard) for shard in shards]
        return {job.name: index for index, jobs in enumerate(plans) for job in jobs}

    before = parts()
    assert len(before) == 40
    assert max(Counter(before.values()).values()) < 20  # each takes some
    make(source, *(f"new_{number}.png" for number in range(10)))
    after = parts()
    assert len(after) == 50
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("text", ["4/4", "1", "a/b", "-1/4", "0/0"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expected shard=i/n with i from 0 to n-1"):
        Shard.parse(text)


def test_nothing_to_do_says_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        plan_jobs(tmp_path / "nowhere", tmp_path / "out", format="png")
    with pytest.raises(FileNotFoundError, match="found none"):
        plan_jobs(make(tmp_path / "in", "note.txt"), tmp_path / "out", format="png")
    with pytest.raises(ValueError, match="Expected format to be one of same, png, jpg, webp, avif, tiff, got bmp"):
        plan_jobs(tmp_path, tmp_path / "out", format="bmp")


def test_several_inputs_are_one_list_of_jobs(tmp_path: Path) -> None:
    source = make(tmp_path, "one/a.jpg", "two/b.jpg", "two/a.png", "three/sub/c.png")
    sources = [source / "one" / "a.jpg", source / "two", source / "two" / "b.jpg", source / "three"]
    jobs = plan_jobs(sources, tmp_path / "out", format="png")
    names = [job.picture.relative_to(tmp_path / "out").as_posix() for job in jobs]
    assert names == ["a.jpg.png", "a.png.png", "b.png", "sub/c.png"]


def planned(*sources: Path, output: Path, owners: dict[str, Path] | None = None, format: str = "png") -> list[str]:
    """Where results go, in the order of the inputs."""
    jobs = plan_jobs(sources, output, format=format, owners=owners)
    return [job.picture.relative_to(output).as_posix() for job in jobs]


def test_pictures_of_one_name_in_two_folders_stay_apart(tmp_path: Path) -> None:
    source, output = make(tmp_path, "one/i.jpg", "one/x.jpg", "two/i.jpg", "two/sub/i.jpg"), tmp_path / "out"
    folders = [source / "one", source / "two"]
    assert planned(*folders, output=output) == ["one/i.png", "x.png", "two/i.png", "sub/i.png"]
    assert planned(*folders, output=output, format="same") == ["one/i.jpg", "x.jpg", "two/i.jpg", "sub/i.jpg"]
    files = [source / "one" / "i.jpg", source / "two" / "i.jpg"]
    assert planned(*files, output=output) == ["one/i.png", "two/i.png"]
    jobs = plan_jobs(folders, output, format="png")
    assert [job.name for job in jobs] == ["one/i.jpg", "x.jpg", "two/i.jpg", "sub/i.jpg"]  # of which no two are one
    note = naming_note(jobs)
    assert note is not None
    assert note.startswith("2 of 4 results go into a folder called as the one of their picture, to tell them from")
    assert note.endswith(f"{files[0]} → {output / 'one' / 'i.png'}")


def test_folders_of_one_name_are_told_by_those_around_them(tmp_path: Path) -> None:
    source = make(tmp_path, "2024/photos/i.jpg", "2025/photos/i.jpg", "2025/photos/i.png", "2025/photos/photos/i.jpg")
    folders = [source / "2024" / "photos", source / "2025" / "photos"]
    assert planned(*folders, output=tmp_path / "out") == [
        "2024/photos/i.png",
        "2025/photos/i.png",
        "i.png",
        "photos/i.png",
    ]


def test_a_folder_in_the_other_one_may_have_its_name(tmp_path: Path) -> None:
    source = make(tmp_path, "one/i.jpg", "two/i.jpg", "two/one/i.jpg", "two/two/i.jpg", "two/two/i.png")
    found = planned(source / "one", source / "two", output=tmp_path / "out")
    assert len(set(found)) == 5
    assert found[0] == "one/i.png"


def test_a_picture_of_two_folders_keeps_its_place(tmp_path: Path) -> None:
    source, output = make(tmp_path, "one/i.jpg", "two/i.jpg"), tmp_path / "out"
    one, two = (source / name for name in ("one", "two"))
    alone = {"i.png": (one / "i.jpg").resolve()}
    assert planned(one, two, output=output, owners=alone) == ["i.png", "two/i.png"]  # the second came later
    assert planned(two, output=output, owners={**alone, "two/i.png": (two / "i.jpg").resolve()}) == ["two/i.png"]
    both = {f"{name}/i.png": (source / name / "i.jpg").resolve() for name in ("one", "two")}
    (two / "i.jpg").rename(two / "j.jpg")
    assert planned(one, two, output=output, owners=both) == ["one/i.png", "j.png"]


def test_names_that_differ_by_case_stay_where_they_were_given(tmp_path: Path) -> None:
    source, output = make(tmp_path, "A.jpg", "a.png"), tmp_path / "out"
    owners = {name: (source / own).resolve() for name, own in (("A.png", "A.jpg"), ("a.png", "a.png"))}
    assert planned(source, output=output, owners=owners) == ["A.png", "a.png"]
    assert planned(source, output=output, owners={"A.png": owners["A.png"]}) == ["A.png", "a.png.png"]


def test_a_name_that_was_given_among_others_stays(tmp_path: Path) -> None:
    source, output = make(tmp_path, "2024/b/i.jpg", "2025/b/i.jpg", "2025/b/i.png"), tmp_path / "out"
    roots = [source / year / "b" for year in ("2024", "2025")]
    pictures = [roots[0] / "i.jpg", roots[1] / "i.jpg", roots[1] / "i.png"]
    names = planned(*roots, output=output)
    assert names == ["2024/b/i.png", "2025/b/i.png", "i.png"]
    owners = {name: path.resolve() for name, path in zip(names, pictures, strict=True)}
    assert planned(roots[1], output=output, owners=owners) == names[1:]
    assert planned(roots[0], output=output, owners=owners) == names[:1]
    assert planned(pictures[2], output=output, owners=owners) == names[2:]
    assert planned(roots[1], output=output, owners=owners, format="webp") == ["i.jpg.webp", "i.png.webp"]


def test_names_that_are_one_to_some_file_systems_meet(tmp_path: Path) -> None:
    composed, decomposed = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"
    files = ("IMG_1.JPG", "img_1.png", f"{composed}.jpg", f"{decomposed}.png", "STRASSE.png", "straße.jpg", "z.jpg")
    source = make(tmp_path / "in", *files)
    assert set(targets(source, tmp_path / "out").values()) == {*(f"{name}.png" for name in files[:-1]), "z.png"}


def test_inputs_told_apart_by_case_alone_keep_their_names(tmp_path: Path) -> None:
    source = make(tmp_path, "in/Photo.jpg", "in/photo.jpg", "one/i.jpg", "One/i.jpg")
    assert planned(source / "in", output=tmp_path / "out") == ["Photo.png", "photo.png"]
    assert planned(source / "one", source / "One", output=tmp_path / "out") == ["one/i.png", "One/i.png"]


def test_an_output_that_ends_like_a_picture_is_the_file(tmp_path: Path) -> None:
    photo = make(tmp_path, "photo.jpg") / "photo.jpg"
    large = tmp_path / "big" / "large.WEBP"
    assert find_place([photo], large, format=None) == Place(large.parent, "large.WEBP", "webp")
    assert find_place([photo], tmp_path / "x.jpg", format="same").format == "same"
    assert find_place([tmp_path / "a.gif"], tmp_path / "x.gif", format=None).format == "same"
    assert find_place([photo], tmp_path / "out", format=None) == Place(tmp_path / "out", None, "png")
    (tmp_path / "album.png").mkdir()
    assert find_place([photo], tmp_path / "album.png", format=None).file is None
    assert in_folder(large, "strength=0") == tmp_path / "big" / "strength=0" / "large.WEBP"
    with pytest.raises(ValueError, match="Expected output= to be a folder, for several pictures"):
        find_place([tmp_path], large, format=None)
    with pytest.raises(ValueError, match="and format=png to agree"):
        find_place([photo], large, format="png")
    with pytest.raises(ValueError, match=r"Expected output= to end in one of \.png, .* got .*x\.gif"):
        find_place([photo], tmp_path / "x.gif", format=None)


def test_a_named_result_among_photos_is_no_input_and_hides_none(tmp_path: Path) -> None:
    source = make(tmp_path / "in", "a.jpg", "sub/b.jpg", "sub/large.png")
    ledger = Ledger(source / "sub", among_others=True)
    digest = file_digest(source / "sub" / "large.png")
    ledger.record(source / "sub" / "large.png", digest, key="k", source=source / "sub" / "b.jpg", overwrite=True)
    assert targets(source, tmp_path / "out") == {"a.jpg": "a.png", "sub/b.jpg": "sub/b.png"}
