"""Reading a zip in the shape of AI Hub's 한국어 SNS, with one member of so many MB: seconds and peak memory.

    python benchmarks/aihub_memory.py 1000

The text is invented and repeats; what counts is that no more than a window of the member is ever held.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

READ = """
from yuhee.data.corpora.aihub.reader import read
from yuhee.data.report import ReadReport
report = ReadReport("aihub")
print(sum(1 for _ in report.count(read({path!r}, report))), len(report.skipped))
"""


def dialogue(number: int) -> dict[str, object]:
    people = [{"participantID": f"P0{n}", "gender": "여성", "age": "20대"} for n in (1, 2)]
    body = [
        {
            "utteranceID": f"U{n}",
            "turnID": f"T{n}",
            "participantID": f"P0{n % 2 + 1}",
            "date": "2020-11-11",
            "time": f"14:{n:02d}:00",
            "utterance": f"{number}번째 이야기의 {n}번째 말이야 오늘 저녁에 뭐 먹을까",
        }
        for n in range(16)
    ]
    info = {"dialogueID": f"d-{number}", "numberOfParticipants": 2, "type": "일상 대화", "topic": "식음료"}
    return {"header": {"dialogueInfo": info, "participantsInfo": people}, "body": body}


def write_zip(path: Path, megabytes: int) -> None:
    """One list of dialogues, written as it is made."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("TL_SNS/식음료.json", "w", force_zip64=True) as member,
    ):
        written, number = member.write(b'{"numberOfItems": 0, "data": ['), 0
        while written < megabytes * 10**6:
            text = json.dumps(dialogue(number), ensure_ascii=False)
            written += member.write((text if number == 0 else "," + text).encode())
            number += 1
        member.write(b"]}")


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "TL_SNS.zip"
        write_zip(path, megabytes)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", READ.format(path=str(path))], check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
    dialogues, skipped = done.stdout.split()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{megabytes} MB: {dialogues} dialogues, {skipped} skipped, {seconds:.1f} s, peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
