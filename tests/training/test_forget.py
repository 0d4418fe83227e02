"""`yuhee forget`: everything made from a corpus goes, after it was listed, and nothing else does."""

import json
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from tests.data.test_importing import TRIO, WINDOWS, accepted, chat, imported, names, plain_masker, refused, yuhee
from yuhee import paths
from yuhee.data.corpora import chat_jsonl
from yuhee.data.corpus import read_corpus
from yuhee.data.report import origin_of
from yuhee.training import forget as forgetting

__all__ = ["plain_masker"]  # a fixture for every test here too


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PATIENCE", 0.05)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """The user's own export."""
    file = tmp_path / "export" / "chat.txt"
    file.parent.mkdir()
    file.write_bytes(WINDOWS.read_bytes())
    return file


@pytest.fixture
def out(tmp_path: Path, export: Path) -> Path:
    return imported(export, tmp_path / "data" / "mine.jsonl")


def trained(folder: str | Path, *origins: Path) -> Path:
    """The folder of a run that read these, as training leaves it."""
    run = Path(folder)
    for name in (
        "checkpoints/best.ckpt",
        "bundle/model.safetensors",
        "cache/train.arrow",
        "train.log",
        ".hydra/x.yaml",
    ):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(b"weights")
    report = {"source": "kakaotalk", "origins": [origin_of(path) for path in origins]}
    (run / "read_report.json").write_text(json.dumps(report), encoding="utf-8")
    return run


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.name != ".lock"}


def listed(output: str) -> set[str]:
    return {line.strip() for line in output.splitlines() if line.startswith("  ")}


@pytest.mark.parametrize("by", ["import", "export", "gone export", "relative", "home"])
def test_import_report_page_and_runs_go_by_either_path(
    tmp_path: Path, export: Path, out: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    trained("outputs/2026-11-23/10-00-00", out, export)
    trained("outputs/sweep/2026-11-23_11/0", out, export)
    if by == "gone export":
        export.unlink()
    typed = {"import": out, "relative": "data/mine.jsonl", "home": "~/data/mine.jsonl"}.get(by, export)
    result = yuhee("forget", typed, "--yes")
    assert result.exit_code == 0
    assert names(tmp_path / "data") == set()
    assert not list(Path("outputs").rglob("*.ckpt"))
    assert export.exists() is (by != "gone export")  # the user's own
    assert "5가지를 지웠습니다" in result.output


def test_what_will_go_is_listed_first(tmp_path: Path, export: Path, out: Path) -> None:
    run = trained("outputs/2026-11-23/10-00-00", out, export)
    before = everything(tmp_path)
    result = yuhee("forget", out)
    expected = {str(out.with_name(name)) for name in TRIO} | {f"{run}/"}
    assert listed(result.output) == expected
    assert "--yes" in str(result.exception)
    assert everything(tmp_path) == before
    assert listed(yuhee("forget", out, "--yes").output) == expected


def test_without_a_terminal_and_without_yes_nothing_goes(tmp_path: Path, out: Path) -> None:
    before = everything(tmp_path)
    assert "--yes" in refused("forget", out)
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("said", "goes"), [("y", True), ("네", True), ("n", False), ("", False), ("지금은 yes", False)]
)
def test_a_person_at_a_terminal_is_asked(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, said: str, goes: bool
) -> None:
    class Terminal:
        class stdin:  # noqa: N801
            @staticmethod
            def isatty() -> bool:
                return True

    asked = []

    def ask(console: Console, prompt: str = "") -> str:
        asked.append(prompt)
        return said

    monkeypatch.setattr(forgetting, "sys", Terminal)
    monkeypatch.setattr(Console, "input", ask)
    if goes:
        assert yuhee("forget", out).exit_code == 0
    else:
        assert "지우지 않았습니다" in refused("forget", out)
    assert len(asked) == 1
    assert "3가지" in asked[0]
    assert out.exists() is not goes


def test_others_are_spared(tmp_path: Path, export: Path, out: Path) -> None:
    other_export = chat(tmp_path, ("밥 먹었어?", "아직"), name="other.txt")
    other = imported(other_export, tmp_path / "data" / "other.jsonl")
    kept = [
        trained("outputs/2026-11-23/10-00-01", other, other_export),
        trained("outputs/2026-11-23/10-00-02"),
        trained("outputs/2026-11-23/10-00-03", Path("data/mine.jsonl.bak")),
    ]
    trained("outputs/2026-11-23/10-00-00", out, export)
    (tmp_path / "data" / "mine.jsonl.notes").write_text("내 메모", encoding="utf-8")
    (tmp_path / "data" / "mine.jsonlx").write_text("내 메모", encoding="utf-8")
    before = {path for run in kept for path in everything(run)} | {other, export, other_export}
    yuhee("forget", out, "--yes")
    assert all(path.exists() for path in before)
    assert names(tmp_path / "data") == {
        "mine.jsonl.notes",
        "mine.jsonlx",
        *(name.replace("mine", "other") for name in TRIO),
    }
    assert not Path("outputs/2026-11-23/10-00-00").exists()


def test_a_mix_goes_with_each_of_its_parts(tmp_path: Path, out: Path, export: Path) -> None:
    run = trained("outputs/2026-11-23/10-00-00", Path("songys.csv"), out, export)
    yuhee("forget", out, "--yes")
    assert not run.exists()


def test_a_run_that_read_the_file_without_an_import_goes(tmp_path: Path) -> None:
    source = tmp_path / "chat.jsonl"
    source.write_text("{}", encoding="utf-8")
    run = trained("outputs/2026-11-23/10-00-00", source)
    yuhee("forget", source, "--yes")
    assert not run.exists()
    assert source.exists()


def test_a_run_that_read_the_import_as_a_chat_file_goes_with_the_export(export: Path, out: Path) -> None:
    """`data=chat_jsonl` looks at no receipt, so it knows nothing of the export."""
    run = trained("outputs/2026-11-23/10-00-00", out)
    yuhee("forget", export, "--yes")
    assert not run.exists()


def test_every_import_of_the_same_export_goes(tmp_path: Path, export: Path, out: Path) -> None:
    imported(export, tmp_path / "deep" / "er" / "second.jsonl", "--bot-side", "me")
    run = trained("outputs/2026-11-23/10-00-00", tmp_path / "deep" / "er" / "second.jsonl", export)
    yuhee("forget", out, "--yes")
    assert list((tmp_path / "deep" / "er").iterdir()) == []
    assert names(tmp_path / "data") == set()
    assert not run.exists()


def test_an_import_that_was_moved_with_its_receipt_is_found_by_the_export(
    tmp_path: Path, export: Path, out: Path
) -> None:
    run = trained("outputs/2026-11-23/10-00-00", out, export)
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    yuhee("forget", export, "--yes")
    assert names(tmp_path / "elsewhere") == set()
    assert not run.exists()


def test_an_import_that_was_not_accepted_or_is_damaged_goes_too(tmp_path: Path, export: Path) -> None:
    waiting = imported(export, tmp_path / "waiting.jsonl", "--ask")
    yuhee("forget", waiting, "--yes")
    damaged = imported(export, tmp_path / "damaged.jsonl")
    (tmp_path / "damaged.jsonl.report.json").write_text("{", encoding="utf-8")
    yuhee("forget", damaged, "--yes")
    assert names(tmp_path) == {"export"}


def test_a_file_that_is_already_gone_does_not_hide_the_rest(tmp_path: Path, export: Path, out: Path) -> None:
    run = trained("outputs/2026-11-23/10-00-00", out, export)
    out.unlink()
    out.with_name("mine.jsonl.report.html").unlink()
    result = yuhee("forget", out, "--yes")
    assert listed(result.output) == {f"{out}.report.json", f"{run}/"}
    assert not run.exists()


def test_outputs_may_be_elsewhere(tmp_path: Path, export: Path, out: Path) -> None:
    here = trained("outputs/2026-11-23/10-00-00", out, export)
    there = trained(tmp_path / "딴 곳" / "run", out, export)
    yuhee("forget", out, "--yes", "--outputs", tmp_path / "딴 곳")
    assert not there.exists()
    assert here.exists()
    yuhee("forget", export, "--yes")
    assert not here.exists()


def test_nothing_found_is_one_sentence(tmp_path: Path, export: Path) -> None:
    trained("outputs/2026-11-23/10-00-00", tmp_path / "other.txt")
    assert "--outputs" in refused("forget", export, "--yes")
    assert "찾지 못했습니다" in refused("forget", "nope.jsonl", "--yes")
    assert export.exists()


def test_a_second_time_there_is_nothing_left(tmp_path: Path, out: Path) -> None:
    yuhee("forget", out, "--yes")
    assert "찾지 못했습니다" in refused("forget", out, "--yes")


# What must not be touched


def test_a_run_that_is_going_on_stops_everything(tmp_path: Path, export: Path, out: Path) -> None:
    done = trained("outputs/2026-11-23/10-00-00", out, export)
    busy = trained("outputs/2026-11-23/10-00-01", out, export)
    before = everything(tmp_path)
    with FileLock(busy / ".lock"):
        message = refused("forget", out, "--yes")
    assert message.startswith(f"{busy}: ")
    assert everything(tmp_path) == before
    yuhee("forget", out, "--yes")
    assert not done.exists()
    assert not busy.exists()


def test_a_run_of_another_corpus_may_go_on(tmp_path: Path, export: Path, out: Path) -> None:
    busy = trained("outputs/2026-11-23/10-00-01", tmp_path / "other.txt")
    with FileLock(busy / ".lock"):
        yuhee("forget", out, "--yes")
    assert not out.exists()
    assert busy.exists()


def test_links_inside_a_run_are_cut_not_followed(tmp_path: Path, export: Path, out: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "photo.jpg").write_bytes(b"jpg")
    (tmp_path / "diary.txt").write_bytes(b"diary")
    run = trained("outputs/2026-11-23/10-00-00", out, export)
    (run / "album").symlink_to(album, target_is_directory=True)
    (run / "checkpoints" / "diary.txt").symlink_to(tmp_path / "diary.txt")
    (run / "export").symlink_to(export)
    yuhee("forget", out, "--yes")
    assert not run.exists()
    assert (album / "photo.jpg").read_bytes() == b"jpg"
    assert (tmp_path / "diary.txt").read_bytes() == b"diary"
    assert export.read_bytes() == WINDOWS.read_bytes()


def test_a_linked_folder_below_outputs_is_not_looked_into(tmp_path: Path, export: Path, out: Path) -> None:
    foreign = trained(tmp_path / "foreign" / "run", out, export)
    Path("outputs").mkdir()
    Path("outputs/link").symlink_to(tmp_path / "foreign", target_is_directory=True)
    Path("outputs/loop").symlink_to(tmp_path / "outputs", target_is_directory=True)
    yuhee("forget", out, "--yes")
    assert not out.exists()
    assert (foreign / "checkpoints" / "best.ckpt").exists()


def test_an_import_that_is_a_link_is_cut_not_followed(tmp_path: Path, out: Path) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    out.rename(elsewhere)
    out.symlink_to(elsewhere)
    yuhee("forget", out, "--yes")
    assert not out.is_symlink()
    assert elsewhere.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "1", '{"origins": []}', '{"origins": ["x"]}', '"origins"'])
@pytest.mark.parametrize("place", ["outputs/a/read_report.json", "notes.report.json", "data/b.report.json"])
def test_foreign_and_broken_reports_are_passed_over(tmp_path: Path, out: Path, place: str, content: str) -> None:
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_text(content, encoding="utf-8")
    Path(place.removesuffix(".report.json")).write_text("foreign", encoding="utf-8")
    before = {Path(place), Path(place.removesuffix(".report.json"))}
    assert yuhee("forget", out, "--yes").exit_code == 0
    assert all(path.exists() for path in before)
    assert not out.exists()


@pytest.mark.parametrize("name", [".git", ".venv", "node_modules", "__pycache__"])
def test_folders_that_hold_no_imports_are_not_searched(tmp_path: Path, export: Path, out: Path, name: str) -> None:
    hidden = imported(export, tmp_path / name / "mine.jsonl")
    yuhee("forget", out, "--yes")
    assert hidden.exists()


def test_a_real_reports_origins_are_what_forget_looks_for(tmp_path: Path, export: Path, out: Path) -> None:
    """What a run saves of its corpus, not what these tests think it does."""
    folder = trained("outputs/2026-11-23/10-00-00")
    report = accepted(out).report
    (folder / "read_report.json").write_text(json.dumps(report.as_dict()), encoding="utf-8")
    yuhee("forget", export, "--yes")
    assert not folder.exists()


def test_what_went_on_from_a_model_of_the_corpus_goes_too(export: Path, out: Path) -> None:
    """Also at second hand, and whether it started from a bundle or from a checkpoint; others stay."""
    first = trained("outputs/1", out)
    runs = {
        "2": "model: {pretrained: outputs/1/bundle}",
        "3": "{model: {}, ckpt_path: outputs/2/checkpoints/best.ckpt}",
    }
    runs |= {"4": "model: {pretrained: skt/kogpt2-base-v2}", "5": "model: [", "6": "model: null"}
    for name, config in runs.items():
        folder = trained(f"outputs/{name}", Path("elsewhere.txt"))
        (folder / ".hydra" / "config.yaml").write_text(config, encoding="utf-8")
    assert yuhee("forget", out, "--yes").exit_code == 0
    assert not first.exists()
    assert sorted(path.name for path in Path("outputs").iterdir()) == ["4", "5", "6"]


def test_the_text_of_an_import_that_was_called_public_goes_from_the_cache(
    tmp_path: Path, export: Path, out: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(out.read_bytes())
    for file in (out, other):
        assert read_corpus("chat_jsonl", chat_jsonl.read, str(file), public=True).report.privacy == "public"
    kept = set((tmp_path / "cache" / "corpora").iterdir())
    gone = forgetting.forget(export, Path("outputs"), yes=True)
    left = set((tmp_path / "cache" / "corpora").iterdir())
    assert len(kept) == 2
    assert kept - left == {file for file in gone if "cache" in file.parts}
    assert len(left) == 1
