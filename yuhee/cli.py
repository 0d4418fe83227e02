"""The `yuhee` command."""

import signal
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from yuhee.errors import UserError
from yuhee.usage import UsageError, usage_sentence

TALKS = ("text-generation", "text2text-generation")  # tasks of models, as the Hugging Face hub calls them
READS_EMOTIONS = ("text-classification",)

app = typer.Typer(
    help="유희: 한국어 대화로 만드는, 귀 기울이는 친구.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables lose words of two cells a letter
)


@app.callback()
def _commands() -> None:
    """유희: 한국어 대화로 만드는, 귀 기울이는 친구."""


@app.command()
def chat(
    path: Annotated[
        Path | None, typer.Argument(help="실행 폴더, bundle 폴더, 또는 .ckpt. 비우면 outputs/ 의 가장 새로 끝난 실행.")
    ] = None,
    emotion: Annotated[
        str | None,
        typer.Option(help="내 감정 표지 (songys: 0 일상, 1 이별, 2 사랑). auto: 감정 모델이 내 말에서 읽는다."),
    ] = None,
    emotion_model: Annotated[
        Path | None, typer.Option(help="auto가 쓸 감정 모델. 비우면 outputs/ 의 가장 새로 끝난 감정 모델.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="같은 씨앗이면 같은 대답.")] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="늘 가장 그럴듯한 토큰을 고른다.")] = False,
    temperature: Annotated[float, typer.Option(help="높을수록 자유롭게.")] = 0.3,
    top_p: Annotated[float, typer.Option(help="확률 합이 이만큼인 후보에서만 뽑는다.")] = 0.9,
    repetition_penalty: Annotated[float, typer.Option(help="한 대답 안의 되풀이를 누른다(1: 끔).")] = 1.05,
    max_new_tokens: Annotated[int, typer.Option(help="한 대답의 길이 한도(토큰).")] = 64,
    beams: Annotated[int, typer.Option(help="2부터: 뽑는 대신 이만큼의 갈래에서 가장 그럴듯한 답(빔 탐색).")] = 1,
    history: Annotated[int | None, typer.Option(min=0, help="돌아볼 주고받음의 수. 비우면 학습한 만큼.")] = None,
    engine: Annotated[str, typer.Option(help="auto(가장 빠른 것), torch, int8, ctranslate2.")] = "auto",
) -> None:
    """학습한 모델과 이야기한다."""
    from yuhee.chat.companion import load_classifier, load_companion
    from yuhee.chat.emotion import AUTO
    from yuhee.chat.engine import Decoding, check_seed
    from yuhee.chat.selection import engine_named
    from yuhee.chat.terminal import Conversation, converse

    decoding = Decoding(
        greedy=greedy,
        temperature=temperature,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        max_new_tokens=max_new_tokens,
        beams=beams,
    )
    decoding.check()
    check_seed(seed)
    if emotion == AUTO and emotion_model is None:
        emotion_model = _newest_run(READS_EMOTIONS)
    reader = load_classifier(emotion_model) if emotion_model else None
    companion = load_companion(path or _newest_run(TALKS) or _nothing_to_talk_to(), engine_named(engine))
    converse(Conversation(companion, decoding, emotion, seed, history, reader))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def show(
    context: typer.Context,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="보여 줄 대화 수.")] = 3,
) -> None:
    """무엇을 배우는지 본다: 부호화한 대화를 색으로. 예: yuhee show data=songys model=kogpt2"""
    from yuhee.training.preview import print_examples

    print_examples(context.args, count)


@app.command(name="import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="대화 파일, zip, 또는 폴더. 카카오톡은 한 방의 여러 조각도 함께.")
    ],
    out: Annotated[Path, typer.Option(help="쓸 파일(JSON lines). 예: data/mine.jsonl")],
    format_: Annotated[str | None, typer.Option("--format", help="형식. 비우면 내용을 보고 알아낸다.")] = None,
    me: Annotated[str | None, typer.Option(help="카카오톡: 내 이름(대화방에 보이는 대로).")] = None,
    friend: Annotated[str | None, typer.Option(help="카카오톡: 친구의 이름. 단체방에서는 봇이 될 사람.")] = None,
    bot_side: Annotated[str | None, typer.Option(help="카카오톡: 봇이 배울 쪽. friend, me, both.")] = None,
    session_gap: Annotated[float | None, typer.Option(help="카카오톡: 이만큼(시간) 말이 없으면 새 대화.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="형식마다 다른 설정. 예: --option domain=daily")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="보고서를 보았고 학습에 써도 좋다.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="읽지 못한 줄이 하나라도 있으면 쓰지 않는다.")] = False,
    no_mask: Annotated[bool, typer.Option("--no-mask", help="개인정보를 가리지 않는다. 모델도 비공개가 된다.")] = False,
    save_mapping: Annotated[Path | None, typer.Option(help="원래 이름과 가명의 표를 이 파일에 남긴다.")] = None,
) -> None:
    """대화 파일을 들여온다: 개인정보를 가리고, 무엇을 읽었는지 보고한다."""
    from yuhee.data.import_command import import_files

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leaves no half file either
    own = {"me": me, "friend": friend, "bot_side": bot_side, "session_gap": session_gap}
    import_files(
        files,
        out,
        format_=format_,
        options={key: value for key, value in own.items() if value is not None},
        typed_options=option or [],
        accept=accept,
        strict=strict,
        mask=not no_mask,
        save_mapping=save_mapping,
    )


@app.command()
def evaluate(
    paths: Annotated[
        list[Path], typer.Argument(help="실행 폴더(여럿이면 씨앗끼리 평균도), 그 안의 bundle 폴더나 .ckpt.")
    ],
    against: Annotated[Path | None, typer.Option(help="같은 질문에서 견줄 다른 실행. 차이와 p값이 나온다.")] = None,
    on: Annotated[Literal["test", "val"], typer.Option(help="시험할 부분. 설정은 val로 고른다.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="질문을 이만큼만 뽑아서. 비우면 모두.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="가장 그럴듯한 토큰 대신 대화할 때처럼 뽑는다.")] = False,
    beams: Annotated[int, typer.Option(help="2부터: 이만큼의 갈래에서 가장 그럴듯한 답(빔 탐색).")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="질문 뽑기, 대답 뽑기, 무작위 기준선의 씨앗.")] = 0,
    split: Annotated[
        Literal["group", "row"] | None, typer.Option(help="row: 새는 분할(행 단위)을 새지 않는 분할 옆에 보인다.")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="그 분할로 학습한 실행이 없으면 같은 설정으로 새로 학습한다.")
    ] = False,
    emotion_control: Annotated[
        bool, typer.Option("--emotion-control", help="감정 슬롯의 표지를 바꾸어 넣고 무엇이 달라지는지도 잰다.")
    ] = False,
    emotion_model: Annotated[
        Path | None, typer.Option(help="그때 내 말의 감정을 읽을 모델. 비우면 같은 학습 대화로 맞춘 선형 모델.")
    ] = None,
    data_path: Annotated[str | None, typer.Option(help="학습한 말뭉치를 옮겼을 때 지금 있는 곳.")] = None,
    log_wandb: Annotated[bool, typer.Option("--log-wandb", help="보고서를 그 실행의 W&B 기록에도 올린다.")] = False,
) -> None:
    """얼마나 좋은 모델인지 잰다: 시험 대화에서, 기준선 옆에서, 오차와 함께."""
    from yuhee.chat.engine import Decoding, check_seed
    from yuhee.evaluation.command import Asked, evaluate_paths
    from yuhee.evaluation.evaluate import Options

    check_seed(seed)
    if sample and beams > 1:
        raise UserError("--sample 과 --beams 는 함께 쓸 수 없습니다. 하나를 빼 주세요.")
    if retrain and split is None:
        raise UserError("--retrain: 어느 분할로 새로 학습할지 --split row 처럼 알려 주세요.")
    if emotion_model is not None and not emotion_control:
        raise UserError("--emotion-model: --emotion-control 과 함께 써 주세요. 혼자서는 하는 일이 없습니다.")
    decoding = Decoding(greedy=not sample, beams=beams)
    decoding.check()
    options = Options(on=on, limit=limit, decoding=decoding, seed=seed)
    asked = Asked(options, split, _retrain if retrain else None, data_path, emotion_control, emotion_model)
    if log_wandb:
        from yuhee.evaluation.run_data import run_folder_of
        from yuhee.training import check_recorded, log_evaluation

        for folder in filter(None, map(run_folder_of, paths)):
            check_recorded(folder)
        asked = replace(asked, publish=log_evaluation)
    evaluate_paths(paths, asked, against)


@app.command()
def probe(
    path: Annotated[Path, typer.Argument(help="실행 폴더, 그 안의 bundle 폴더나 .ckpt. 다른 곳의 bundle이면 비밀만.")],
    data_path: Annotated[str | None, typer.Option(help="학습한 말뭉치를 옮겼을 때 지금 있는 곳.")] = None,
) -> None:
    """무엇을 외웠는지 잰다: 심어 둔 비밀, 베낀 답, 첫마디만 주어도 이어 말하는 학습 답."""
    from yuhee.evaluation.probe_command import probe_path

    probe_path(path, data_path)


@app.command()
def compare(
    paths: Annotated[
        list[Path], typer.Argument(help="실행 폴더들, 또는 그것들이 든 폴더. 예: outputs/sweep/* (도는 중이어도 된다)")
    ],
    by: Annotated[
        str | None, typer.Option(help="늘어놓을 수치. 비우면 실행들이 줄이려 한 것(optimized_metric).")
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="씨앗만 다른 실행도 모으지 않고 하나씩.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="그림과 표를 쓸 폴더. 비우면 실행들이 함께 든 폴더의 comparison/.")
    ] = None,
) -> None:
    """실행들을 견준다: 다른 설정만 열로 보이는 표, 설정의 중요도, 그림."""
    from yuhee.evaluation.compare_command import compare as compare_runs

    compare_runs(paths, by, out, each=each)


@app.command()
def forget(
    corpus: Annotated[Path, typer.Argument(help="들여온 파일이나 그 원본.")],
    yes: Annotated[bool, typer.Option("--yes", help="묻지 않고 지운다.")] = False,
    outputs: Annotated[Path, typer.Option(help="실행 폴더들이 있는 곳.")] = Path("outputs"),
) -> None:
    """말뭉치와 그것으로 만든 모든 것(들여온 파일, 캐시, 체크포인트, 모델)을 찾아 보여 주고 지운다."""
    from yuhee.training.forget import forget as forget_corpus

    forget_corpus(corpus, outputs, yes=yes)


def _retrain(folder: Path, by: str, data_path: str | None) -> Path:
    from yuhee.training.retrain import retrain

    return retrain(folder, by, data_path)


def _newest_run(tasks: Collection[str]) -> Path | None:
    from yuhee.training.run_folder import newest_run

    return newest_run(tasks)


def _nothing_to_talk_to() -> NoReturn:
    raise UserError(
        "outputs/ 에 이야기할 수 있는 끝난 실행이 없습니다. 먼저 'python train.py' 로 학습하거나 모델의 경로를 적어 주세요."
    )


def main() -> None:
    """Entry point: a user's mistake is one sentence, a closed pipe or Ctrl-C is no error."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except UserError as error:
        print(f"오류: {error}", file=sys.stderr)
        sys.exit(1)
    except UsageError as error:
        if str(error):  # a command without arguments has printed its help
            print(f"오류: {usage_sentence(error)}", file=sys.stderr)
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
