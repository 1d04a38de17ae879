"""Searches that are stopped at any evaluation go on as if they had not been, and pay for nothing twice."""

import copy

import pytest
from tables import TinyTable

import nasbook as nb
from nasbook.trials.evaluators import Lookup

SETTINGS = {"successive_halving": {"arms": 4, "eta": 4}, "hyperband": {"eta": 4}, "local_search": {}, "tpe": {}}


class Stop(BaseException):
    pass


class Counted(Lookup):
    """A look-up that stops the search before evaluation ``left``; ``asked`` are the seconds of each, in order."""

    def __init__(self, left=10**9):
        super().__init__(TinyTable())
        self.asked, self.left = [], left

    def at(self, epochs, since=0):
        fewer = copy.copy(super().at(epochs, since))
        assert fewer.asked is self.asked
        return fewer

    def judge(self, architecture, seed):
        if hasattr(self, "asked"):
            if len(self.asked) == self.left:
                raise Stop
            self.asked.append(super().judge(architecture, seed).seconds)
        return super().judge(architecture, seed)


@pytest.mark.parametrize("method", SETTINGS)
@pytest.mark.parametrize("stop", [0, 1, 3, 4, 5, 22, 39])
def test_a_search_stopped_at_an_evaluation_continues_bit_for_bit(tmp_path, method, stop):
    def run(folder, evaluator):
        settings = {"space": TinyTable().space, "evaluations": 40, "seed": 1, **SETTINGS[method]}
        return nb.search(method, evaluator=evaluator, out=tmp_path / folder, **settings)

    with pytest.raises(Stop):
        run("broken", Counted(stop))
    whole, rest = Counted(), Counted()
    one, other = run("whole", whole), run("broken", rest)
    assert len(whole.asked) == 40 and rest.asked == whole.asked[stop:]
    assert one.evaluations.equals(other.evaluations) and one.trace.equals(other.trace)
    assert one.found == other.found and one.manifest["seconds"] == other.manifest["seconds"]
