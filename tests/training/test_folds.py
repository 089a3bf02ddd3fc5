"""Tasks: what is trained on and what is tested on."""

import pytest

from hf_sne.training.folds import FOLDS, Domain

DOMAINS = [Domain(data, family) for data in ("cifar10", "mnist", "svhn") for family in ("cnn", "mlp")]


def folds(name):
    return list(FOLDS[name](DOMAINS))


@pytest.mark.parametrize("name", ["without_data", "without_family", "without_both"])
def test_nothing_of_what_is_left_out_is_trained_on(name):
    for fold in folds(name):
        assert fold.train
        assert not set(fold.train) & set(fold.test)
        for tested in fold.test:
            if name != "without_family":
                assert tested.data not in {trained.data for trained in fold.train}
            if name != "without_data":
                assert tested.family not in {trained.family for trained in fold.train}


@pytest.mark.parametrize("name", ["without_data", "without_family", "without_both", "together"])
def test_every_domain_is_tested_on_once(name):
    assert sorted(domain for fold in folds(name) for domain in fold.test) == sorted(DOMAINS)


def test_each_tests_one_family_across_all_data_sets():
    found = {fold.name: fold for fold in folds("each")}
    assert list(found) == [str(domain) for domain in DOMAINS]
    fold = found["mnist/cnn"]
    assert fold.train == (Domain("mnist", "cnn"),)
    assert fold.test == (Domain("cifar10", "cnn"), Domain("mnist", "cnn"), Domain("svhn", "cnn"))
