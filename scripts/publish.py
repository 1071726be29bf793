"""Put a finished run's folder, or an export of one, on the Hugging Face Hub: one commit, then a tag.

    python scripts/publish.py runs/quickstart OWNER/rajniti-quickstart --dry-run
    python scripts/publish.py runs/quickstart OWNER/rajniti-quickstart --message "First release" --tag v1
    python scripts/predict.py OWNER/rajniti-quickstart@v1 article.txt

A new repository is private unless --public says otherwise. The token is that of HF_TOKEN or of `hf auth login`. A folder is
refused whose card has placeholders, whose scores, card or ONNX graphs are of other weights, whose licence its encoder's does
not allow, or that was trained on a source with `release: false`.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The names of these scripts must not shadow the packages `train` and `evaluate`.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p).resolve() != HERE)]

from train.cli import run  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a folder that train.py or export.py wrote, or OWNER/NAME[@REVISION] on the Hub")
    parser.add_argument("name", metavar="OWNER/NAME", help="the repository")
    parser.add_argument("--public", action="store_true", help="for all to see, once everything is there")
    parser.add_argument("--message", help="of the commit and the tag (default: the tag and the weights' hash)")
    parser.add_argument("--tag", help="default: v1, or the next number")
    parser.add_argument("--dry-run", action="store_true", help="list what would go, and send nothing")
    arguments = parser.parse_args()
    from train.publish import prepare, publish

    release = prepare(arguments.checkpoint, arguments.name)
    if arguments.dry_run:
        for name, size in release.sizes().items():
            print(f"{size:>13,}  {name}")
        print(f"{sum(release.sizes().values()):>13,}  bytes in {len(release.files)} files would go to {arguments.name}")
        return
    done = publish(release, public=arguments.public, message=arguments.message, tag=arguments.tag)
    tag = f"tag {done.tag}" if done.tag else "no change and no tag"
    print(f"{done.url} ({'private' if done.private else 'public'}): commit {done.commit}, {tag}")


if __name__ == "__main__":
    run(main)
