"""``aml-gitops invoke``"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.cli import output
from reconciler.cli.place import connection_of, path_of, project_root, session
from reconciler.errors import UsageError
from reconciler.naming import nearest

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from reconciler.arm.client import Arm
    from reconciler.arm.score import Answer
    from reconciler.sync import Checked


@dataclass(frozen=True, slots=True)
class _Question:
    endpoint: str
    file: Path
    expect: Any = None
    tolerance: float = 0.0
    compared: bool = False


def run(options: argparse.Namespace) -> int:
    """Print each answer; 1 when one is not a 200 or not what the sample expects."""
    root = project_root(options)
    questions = _questions(options, root)

    async def work(arm: Arm) -> list[Answer]:
        import asyncio

        from reconciler.arm.score import ask

        return await asyncio.gather(*(ask(arm, q.endpoint, q.file.read_bytes(), options.deployment) for q in questions))

    answers = session(connection_of(options, root), work)
    results = [_judged(question, answer) for question, answer in zip(questions, answers, strict=True)]
    if options.output == "json":
        output.show_json({"version": 1, "answers": results})
    else:
        for result in results:
            _tell(result)
    return 0 if all(result["ok"] for result in results) else 1


def _questions(options: argparse.Namespace, root: Path) -> list[_Question]:
    if options.request:
        if not options.endpoint:
            raise UsageError("--request needs the ENDPOINT to ask")
        file = path_of(options, options.request)
        if not file.is_file():
            raise UsageError(f"--request {options.request}: no such file")
        return [_Question(options.endpoint, file)]
    from reconciler.sync import check

    questions = _samples(check(root, options.environment).sound(), root)
    if options.endpoint:
        known = [question.endpoint for question in questions]
        questions = [question for question in questions if question.endpoint == options.endpoint.lower()]
        if not questions:
            near = nearest(options.endpoint, known)
            raise UsageError(f"endpoint/{options.endpoint} declares no sample: give one with --request FILE{near}")
    if not questions:
        raise UsageError("no endpoint declares a sample (`gitops: {sample: {request: …}}`); name one, with --request")
    return questions


def _samples(checked: Checked, root: Path) -> list[_Question]:
    from reconciler.compose.overlays import local_path

    found = []
    for manifest in checked.manifests:
        sample = (manifest.document.data.get("gitops") or {}).get("sample")
        path = local_path(manifest.document, ("gitops", "sample", "request"))
        if manifest.kind == "endpoint" and sample and path:
            name = manifest.document.data["name"].lower()
            found.append(
                _Question(name, root / path, sample.get("expect"), sample.get("tolerance", 1e-6), "expect" in sample)
            )
    return found


def _judged(question: _Question, answer: Answer) -> dict[str, Any]:
    from reconciler.sample import differences

    try:
        body: Any = json.loads(answer.text)
    except ValueError:
        body = answer.text
    wrong = [] if answer.status == 200 else [f"HTTP {answer.status} {answer.reason}".strip()]
    if answer.status == 200 and question.compared:
        wrong = differences(question.expect, body, question.tolerance)
    return {
        "endpoint": question.endpoint,
        "deployment": answer.deployment,
        "status": answer.status,
        "body": body,
        "compared": question.compared,
        "differences": wrong,
        "ok": not wrong,
    }


def _tell(result: dict[str, Any]) -> None:
    body = json.dumps(result["body"])
    verdict = "as expected" if result["ok"] and result["compared"] else "ok" if result["ok"] else "NOT as expected"
    output.show(f"endpoint/{result['endpoint']} ({result['deployment'] or 'no deployment'})  {body}  {verdict}\n")
    for difference in result["differences"]:
        output.show(f"    {difference}\n")
