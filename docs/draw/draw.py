"""Draw the dashboards into docs/dashboard-*.png, with Grafana's own components, of a made-up history.

`make dashboards-draw` installs what this needs from npm; promtool, prometheus
and chromium come with Debian.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import history
import httpx
from PIL import Image

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BOARDS = ROOT / "deploy" / "monitoring" / "grafana" / "dashboards"
RULES = sorted((ROOT / "deploy" / "monitoring" / "rules").glob("*.rules.yml"))
ADDRESS = "127.0.0.1:19099"
WIDTH = 1600


def main() -> None:
    """Make the history, serve it, draw each dashboard."""
    end = time.time() // history.STEP_S * history.STEP_S
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "history").write_text("\n".join(history.write(end)) + "\n")
        (folder / "prometheus.yml").write_text("{}\n")
        run("promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "history"), str(folder / "tsdb"))
        start = end - history.STEPS * history.STEP_S
        with prometheus(folder):
            span = (
                f"--start={start:.0f}",
                f"--end={end:.0f}",
                "--eval-interval=15s",
                f"--output-dir={folder / 'tsdb'}",
            )
            run("promtool", "tsdb", "create-blocks-from", "rules", f"--url=http://{ADDRESS}", *span, *map(str, RULES))
        bundle = folder / "draw.js"
        options = ("--bundle", '--define:process.env.NODE_ENV="production"', "--jsx=automatic", "--target=chrome110")
        loaders = ("--loader:.svg=dataurl", "--loader:.ttf=empty", "--log-level=error")
        run("npx", "esbuild", "draw.tsx", *options, *loaders, f"--outfile={bundle}", cwd=HERE)
        with prometheus(folder):
            for path in sorted(BOARDS.glob("*.json")):
                job = {
                    "board": json.loads(path.read_text()),
                    "prometheus": f"http://{ADDRESS}",
                    "end": end,
                    "hours": 1.25,
                }
                draw(job, folder, ROOT / "docs" / f"dashboard-{path.stem.removeprefix('tapetum-')}.png")


def draw(job: dict[str, object], folder: Path, target: Path) -> None:
    """One dashboard into a picture of few colours."""
    page, raw = folder / "page.html", folder / "raw.png"
    words = json.dumps(job | {"width": WIDTH}).replace("</", "<\\/")
    page.write_text(
        '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="draw.css">'
        '<body style="margin:0"><div id="page"></div>'
        f'<script>window.job = {words}</script><script src="draw.js"></script>'
    )
    browser = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    wait = ("--virtual-time-budget=60000", "--hide-scrollbars", "--allow-file-access-from-files")
    title = run(*browser, *wait, "--dump-dom", page.as_uri()).partition("<title>")[2].partition("</title>")[0]
    if not title.startswith("drawn "):
        sys.exit(f"{target.name} was not drawn: {title}")
    height = round(float(title.removeprefix("drawn ")))
    run(*browser, *wait, f"--window-size={WIDTH},{height}", f"--screenshot={raw}", page.as_uri())
    Image.open(raw).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"drew {target.relative_to(ROOT)}, {target.stat().st_size // 1000} kB")


@contextmanager
def prometheus(folder: Path) -> Iterator[None]:
    """Serve the history from when it is ready until the block ends."""
    files = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}")
    with (folder / "prometheus.log").open("w") as log:
        server = subprocess.Popen(
            # A history has no marks where series end: without them, they seem to live on for this long.
            ["prometheus", *files, f"--web.listen-address={ADDRESS}", "--query.lookback-delta=20s"],  # noqa: S607  # from the PATH
            stdout=log,
            stderr=log,
        )
    try:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport) as client:
            while client.get(f"http://{ADDRESS}/-/ready").status_code != httpx.codes.OK:
                time.sleep(0.2)  # between two looks: it has a history to read
        yield
    finally:
        server.terminate()
        server.wait()


def run(*command: str, cwd: Path | None = None) -> str:
    """What a command says."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed: {done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    main()
