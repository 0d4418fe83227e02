"""The `yuhee` command."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from yuhee.errors import UserError

app = typer.Typer(
    help="유희: 한국어 대화로 만드는, 귀 기울이는 친구.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _commands() -> None:
    """유희: 한국어 대화로 만드는, 귀 기울이는 친구."""


@app.command()
def chat(
    path: Annotated[
        Path | None, typer.Argument(help="실행 폴더, bundle 폴더, 또는 .ckpt. 비우면 outputs/ 의 가장 새로 끝난 실행.")
    ] = None,
    emotion: Annotated[str | None, typer.Option(help="내 감정 표지 (songys: 0 일상, 1 슬픔, 2 기쁨).")] = None,
    seed: Annotated[int | None, typer.Option(help="같은 씨앗이면 같은 대답.")] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="늘 가장 그럴듯한 토큰을 고른다.")] = False,
    temperature: Annotated[float, typer.Option(help="높을수록 자유롭게.")] = 0.5,
    top_p: Annotated[float, typer.Option(help="확률 합이 이만큼인 후보에서만 뽑는다.")] = 0.9,
    repetition_penalty: Annotated[float, typer.Option(help="한 대답 안의 되풀이를 누른다(1: 끔).")] = 1.05,
    max_new_tokens: Annotated[int, typer.Option(help="한 대답의 길이 한도(토큰).")] = 64,
    history: Annotated[int | None, typer.Option(min=0, help="돌아볼 주고받음의 수. 비우면 학습한 만큼.")] = None,
) -> None:
    """학습한 모델과 이야기한다."""
    from yuhee.chat.companion import load
    from yuhee.chat.engine import Decoding, check_seed
    from yuhee.chat.terminal import Conversation, converse

    decoding = Decoding(
        greedy=greedy,
        temperature=temperature,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        max_new_tokens=max_new_tokens,
    )
    decoding.check()
    check_seed(seed)
    converse(Conversation(load(path or _newest_run()), decoding, emotion, seed, history))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def show(
    context: typer.Context,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="보여 줄 대화 수.")] = 3,
) -> None:
    """무엇을 배우는지 본다: 부호화한 대화를 색으로. 예: yuhee show data=songys model=kogpt2"""
    from yuhee.training.preview import print_examples

    print_examples(context.args, count)


def _newest_run() -> Path:
    from yuhee.training.run_folder import finished_runs

    if runs := finished_runs():
        return runs[-1]
    raise UserError("outputs/ 에 끝난 실행이 없습니다. 먼저 'python train.py' 로 학습하거나 모델의 경로를 적어 주세요.")


def main() -> None:
    """Entry point: a user's mistake is one sentence, a closed pipe or Ctrl-C is no error."""
    try:
        app()
    except UserError as error:
        print(f"오류: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
