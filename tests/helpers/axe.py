"""axe-core, the accessibility checks of frontend/node_modules, run on a page."""

from __future__ import annotations

from functools import cache

from helpers import TESTS
from helpers.explorer_parts import ROOT

SOURCE = TESTS.parent / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async ([within, tags]) => {
    const context = within ? document.querySelector(within) : document;
    const found = await axe.run(context, {
        runOnly: { type: "tag", values: tags },
        resultTypes: ["violations", "incomplete", "passes"],
        preload: false,
    });
    const short = rule => ({
        rule: rule.id,
        impact: rule.impact,
        help: rule.help,
        nodes: rule.nodes.map(node => ({
            at: node.target.join(" "),
            html: node.html.slice(0, 120),
            why: node.failureSummary,
        })),
    });
    return {
        violations: found.violations.map(short),
        incomplete: found.incomplete.map(short),
        passes: found.passes.map(({ id }) => id),
    };
}"""


@cache
def source() -> str:
    """Return axe-core's script."""
    assert SOURCE.exists(), "axe-core is missing; `npm ci --prefix frontend` installs it"
    return SOURCE.read_text(encoding="utf-8")


def audit(page, within: str | None = ROOT) -> dict:
    """Return what axe found: in the element, or in the whole page if there is None.

    The debugger runs the script, so that the policy of a saved page allows it.
    """
    page.evaluate(source())
    found = page.evaluate(RUN, [within, TAGS])
    assert len(found["passes"]) > 10, f"axe checked next to nothing: {found['passes']}"
    return found


def violations(page, within: str | None = ROOT) -> list[str]:
    """Return a line for each element that violates a rule."""
    return [
        f"{rule['rule']} ({rule['impact']}): {node['at']} {node['html']}\n    {node['why']}"
        for rule in audit(page, within)["violations"]
        for node in rule["nodes"]
    ]
