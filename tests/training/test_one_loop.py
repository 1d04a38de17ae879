"""Networks learn in one place: nowhere else in the package is a gradient taken or a network's optimizer moved."""

import ast
from pathlib import Path

import nasbook

ROOT = Path(nasbook.__file__).parent
# training holds the loop and its steps; predictors and controllers fit small nets of their own to scores
LEARNERS = ("training/", "searchers/predictors", "searchers/controllers/")
ENAS = Path("searchers", "enas", "loop.py")
"""ENAS's two steps, once they are ENAS's: its clipping tensor by tensor is nobody else's."""
MEASURES = (Path("book", "doctor.py"), Path("trials", "proxies.py"))
"""They look at a gradient, whether the device can take one and how large it is, and move nothing."""


def takes_a_gradient(call: ast.Call) -> bool:
    """``x.backward(...)``, ``torch.autograd.grad(...)``, or ``step()`` of something named an optimizer."""
    if not isinstance(call.func, ast.Attribute):
        return False
    said = ast.unparse(call.func)
    return said.endswith((".backward", "autograd.grad")) or (said.endswith(".step") and "optimizer" in said)


def places(tree: ast.AST) -> list[str]:
    return [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call) and takes_a_gradient(node)]


def test_only_training_takes_gradients():
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT)
        if not inside.as_posix().startswith(LEARNERS) and inside not in (ENAS, *MEASURES):
            found[inside.as_posix()] = places(ast.parse(path.read_text(encoding="utf-8")))
    assert {name: said for name, said in found.items() if said} == {}
    assert len(found) > 50 and "searchers/msg_das.py" in found


def test_every_training_runs_through_the_one_loop():
    """Only the loop counts steps and asks whether a checkpoint is due."""
    due = [path for path in ROOT.rglob("*.py") if ".due()" in path.read_text(encoding="utf-8")]
    assert due == [ROOT / "training" / "loop.py"]


def test_a_gradient_is_seen_where_it_is_taken():
    seen = "loss.backward()\na.b.backward(inputs=x)\ntorch.autograd.grad(y, x)\nsearch.weight_optimizer.step()\n"
    unseen = "walk.step()\nsearch.step\nbackward(x)\nself.step()\n"
    assert len(places(ast.parse(seen))) == 4 and not places(ast.parse(unseen))
