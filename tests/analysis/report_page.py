"""The report in a real browser, at three widths, light and dark, in one start of Chromium."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from tests import browser

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
FRAMES = {"wide": (1400, "light"), "middle": (800, "dark"), "narrow": (360, "light")}

PROBE = """<script src="axe.min.js"></script><script>
const seen = async () => {
  const wait = () => new Promise((go) => setTimeout(go, 20));
  const until = async (test) => { for (let i = 0; i < 100 && !test(); i++) await wait(); };
  const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const images = [...document.images];
  const out = {
    width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches, overflow: overflow(),
    images: images.length, clipped: images.filter((i) => i.getBoundingClientRect().right > innerWidth + 1).length,
    broken: images.filter((i) => !i.closest("details") && (!i.complete || i.naturalWidth === 0)).length,
    outside: performance.getEntriesByType("resource").map((r) => r.name).filter((n) => !/^(data|file):/.test(n)),
  };
  // lists that open: whether what they say begins beside their mark; and whether frames that scroll show it
  out.marks = [...document.querySelectorAll(".answer summary")].map((one) => {
    const [first] = one.querySelector(".verdict").getClientRects();
    return first.top - one.getBoundingClientRect().top < first.height;
  });
  out.shaded = [...document.querySelectorAll(".scroll")].filter((one) => one.scrollWidth > one.clientWidth)
    .map((one) => (getComputedStyle(one).backgroundAttachment.match(/scroll/g) || []).length >= 2);
  const table = document.querySelector("table.sortable");
  const heads = [...table.querySelectorAll("th button")];
  const column = heads.findIndex((b) => b.textContent === "Last return");
  const values = () => [...table.tBodies[0].rows].map((r) => r.cells[column].dataset.value).filter((v) => v)
    .map(Number);
  heads[column].click();
  const up = values();
  heads[column].click();
  const down = values();
  out.sorted = up.every((v, i) => i === 0 || up[i - 1] <= v) && down.every((v, i) => i === 0 || down[i - 1] >= v);
  const status = document.querySelector("#runs select");
  status.value = "diverged";
  status.dispatchEvent(new Event("change"));
  out.filtered = document.querySelector("#runs .tools [role=status]").textContent;

  const figure = document.querySelector("figure[data-curves]"), button = figure.querySelector("button");
  figure.scrollIntoView();
  button.click();
  await until(() => figure.querySelector("canvas"));
  out.canvases = figure.querySelectorAll("canvas").length;
  const host = figure.querySelector(".panel [tabindex]");
  host.focus();
  host.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
  out.said = figure.querySelector(".explorer > [role=status]").textContent;
  figure.querySelector(".key").click();
  host.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
  out.without = figure.querySelector(".explorer > [role=status]").textContent;
  const over = figure.querySelectorAll(".tools select")[1];
  over.value = "hours";
  over.dispatchEvent(new Event("change"));
  host.dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
  out.hours = figure.querySelector(".explorer > [role=status]").textContent;
  out.wider = overflow();
  const rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, { runOnly: rules, resultTypes: ["violations"] });
  out.axe = found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(" | ")}`);
  return out;
};
addEventListener("load", () => seen().catch((error) => ({ error: String(error) })).then((out) =>
  parent.postMessage({ name: location.pathname.split("/").pop(), ...out }, "*")));
</script></body>"""


def look(page: Path, folder: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What a probe saw in each of FRAMES, by name; and all that the browser complained of."""
    shutil.copyfile(AXE, folder / "axe.min.js")
    text = page.read_text(encoding="utf-8")
    shutil.copyfile(page, folder / "plain.html")  # as it is, under its own content policy
    # with a probe, for which its content policy must be lifted
    probed = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace("</body>", PROBE)
    frames = [("plain.html", "width:1400px")]
    for name, (width, scheme) in FRAMES.items():
        (folder / f"{name}.html").write_text(probed, encoding="utf-8")
        frames.append((f"{name}.html", f"width:{width}px;color-scheme:{scheme}"))
    found, complaints = browser.look(folder, frames, folder / "profile")
    return {probe["name"].removesuffix(".html"): probe for probe in found}, complaints
