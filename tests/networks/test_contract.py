"""PosterClassifier is one class in three files, with a stated contract."""

import ast
import inspect
import textwrap

import pytest

from sk_posters import PosterClassifier
from sk_posters._networks import _classifier
from sk_posters._networks._estimator import KerasEstimator
from sk_posters._networks._finetuning import BackboneTraining


def read_by(cls):
    """Names that the methods of a class read of `self`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
        and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize("part", [KerasEstimator, BackboneTraining])
def test_a_part_reads_what_it_says_it_expects(part):
    own = {name for base in part.__mro__ for name in vars(base)} - set(part.EXPECTS)
    assert read_by(part) - own == set(part.EXPECTS)


def test_the_classifier_brings_what_its_parts_expect():
    parameters = inspect.signature(PosterClassifier).parameters
    members = {name for base in PosterClassifier.__mro__ for name in vars(base)}
    classifier = inspect.getsource(_classifier)
    for name in {*KerasEstimator.EXPECTS, *BackboneTraining.EXPECTS}:
        is_set = f"self.{name} = " in classifier
        assert name in parameters or name in members or is_set, name
