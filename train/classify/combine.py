"""How the answers of several classifiers become one: arithmetic on their logits, without networks or files.

The answers of M members to N pictures of K classes are one tensor (M, N, K). Two kinds of rules make (N, K) scores of
it, the highest of which is the answer:

- Fixed rules: the mean of the probabilities (L. Hansen and P. Salamon, "Neural Network Ensembles", IEEE TPAMI 1990),
  the majority vote, and the average of ranks, which is Borda's count (T. Ho, J. Hull and S. Srihari, "Decision
  Combination in Multiple Classifier Systems", IEEE TPAMI 1994).
- Fitted rules learn from pictures that no member was trained on: weights of the members, stacking (D. Wolpert,
  "Stacked Generalization", Neural Networks 1992) and blending, which is stacking with a part of the pictures kept back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

Method = Literal["mean", "vote", "rank", "weights", "stacking", "blending"]
Combiner = Callable[[Tensor], Tensor]  # logits (M, N, K) -> scores (N, K)

METHODS: tuple[Method, ...] = get_args(Method)
FITTED: tuple[Method, ...] = ("weights", "stacking", "blending")
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # C of scikit-learn: small is a strong penalty on the weights of the regression
FOLDS = 3
KEPT_BACK = 1 / 3  # of the pictures, on which blending chooses its strength

_EM_STEPS = 500  # the weights of ten members change by less than 1e-4 a step long before
_MAX_ITER = 1000  # of the regression's solver; 100, the default, do not always suffice for 200 classes


def mean_probability(logits: Tensor) -> Tensor:
    """Logarithms (N, K) of the mean of the members' probabilities, from logits (M, N, K)."""
    return _checked(logits).softmax(dim=2).mean(dim=0).log()


def majority_vote(logits: Tensor) -> Tensor:
    """Scores (N, K): the votes for each class; the mean probability, which is at most 1, decides between equals."""
    answers = _checked(logits).argmax(dim=2)
    votes = torch.nn.functional.one_hot(answers, logits.shape[2]).sum(dim=0)
    return votes + logits.double().softmax(dim=2).mean(dim=0)


def rank_average(logits: Tensor) -> Tensor:
    """Scores (N, K): the sum over members of each class's rank, 0 for the least likely; mean probability as above.

    Ranks forget how sure a member is, so members that are surer than they should be weigh no more than others. They are
    taken over the classes of one picture, so a picture's answer does not depend on the other pictures.
    """
    ranks = _checked(logits).argsort(dim=2).argsort(dim=2).sum(dim=0)
    return ranks + logits.double().softmax(dim=2).mean(dim=0)


def weighted_mean(logits: Tensor, weights: Tensor) -> Tensor:
    """Logarithms (N, K) of the mean probability with weights (M,) that sum to 1."""
    return (weights.to(logits)[:, None, None] * _checked(logits).softmax(dim=2)).sum(dim=0).log()


def choose_weights(logits: Tensor, labels: Tensor) -> Tensor:
    """Weights (M,), none negative, that sum to 1: `weighted_mean` then has the lowest cross-entropy on these pictures.

    They are the shares of a mixture, so expectation maximisation finds them: the loss is convex in them, and each step
    lowers it (A. Dempster, N. Laird and D. Rubin, JRSS B 1977).
    """
    right = right_probability(logits, labels).double()
    weights = torch.full((len(right),), 1 / len(right), dtype=torch.float64)
    for _ in range(_EM_STEPS):
        shares = weights[:, None] * right
        weights = (shares / shares.sum(dim=0)).mean(dim=1)
    return weights


def fit_stacking(logits: Tensor, labels: Tensor, seed: int = 0) -> Combiner:
    """Logistic regression on all members' logits; cross-validation over these pictures chooses the strength of L2.

    Raises:
        ValueError: a class has fewer pictures than there are folds.
    """
    features, classes = _features(logits), _enough(logits, labels)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    grid = {"logisticregression__C": STRENGTHS}
    search = GridSearchCV(_regression(), grid, scoring="neg_log_loss", cv=folds).fit(features, classes)
    return _scores_of(search.best_estimator_)


def fit_blending(logits: Tensor, labels: Tensor, seed: int = 0) -> Combiner:
    """As stacking, on two thirds of the pictures alone; the third that is kept back chooses the strength of L2.

    Raises:
        ValueError: a class has fewer than three pictures.
    """
    features, classes = _features(logits), _enough(logits, labels)
    x, held_x, y, held_y = train_test_split(features, classes, test_size=KEPT_BACK, stratify=classes, random_state=seed)
    names = np.arange(logits.shape[2])
    fitted = [_regression(strength).fit(x, y) for strength in STRENGTHS]
    losses = [log_loss(held_y, model.predict_proba(held_x), labels=names) for model in fitted]
    return _scores_of(fitted[int(np.argmin(losses))])


def fit(method: Method, logits: Tensor, labels: Tensor, seed: int = 0) -> Combiner:
    """One of the fitted rules, from the members' logits (M, N, K) on pictures that none of them was trained on.

    Raises:
        ValueError: the method learns nothing, or there are too few pictures.
    """
    if method == "weights":
        weights = choose_weights(logits, labels)
        return lambda others: weighted_mean(others, weights)
    fits = {"stacking": fit_stacking, "blending": fit_blending}
    if method not in fits:
        raise ValueError(f"{method} learns nothing from pictures; {', '.join(FITTED)} do")
    return fits[method](logits, labels, seed)


FIXED: Mapping[Method, Combiner] = {"mean": mean_probability, "vote": majority_vote, "rank": rank_average}


def right_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """(M, N): the probability that each member gives to each picture's right class."""
    return _checked(logits).softmax(dim=2)[:, torch.arange(len(labels)), labels]


def correlation(logits: Tensor, labels: Tensor) -> npt.NDArray[np.float64]:
    """(M, M): Pearson's correlation over the pictures of the probabilities that two members give to the right class.

    Not of their errors: an error is right or wrong, so among good members few pictures would count, and how sure a
    member was would not. The probabilities are also what `mean_probability` averages: the variance of their mean is
    the mean of all their covariances. Of a member that gives the same probability to every picture it is not a number.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix: npt.NDArray[np.float64] = np.corrcoef(right_probability(logits, labels).double().numpy())
    return matrix


def leave_one_out(logits: Tensor) -> list[Tensor]:
    """The mean probability (N, K), as logarithms, of all members but the first, all but the second, and so on.

    Raises:
        ValueError: there is one member alone.
    """
    if len(logits) < 2:
        raise ValueError("one member cannot be left out of one")
    every = torch.arange(len(logits))
    return [mean_probability(logits[every != left_out]) for left_out in range(len(logits))]


def _checked(logits: Tensor) -> Tensor:
    if logits.ndim != 3 or 0 in logits.shape:
        raise ValueError(f"need logits (members, pictures, classes), none of them 0, got {tuple(logits.shape)}")
    return logits


def _features(logits: Tensor) -> npt.NDArray[np.float32]:
    """(N, M * K): all members' logits of a picture, less their mean over the classes, which says nothing."""
    centred = _checked(logits) - logits.mean(dim=2, keepdim=True)
    features: npt.NDArray[np.float32] = centred.permute(1, 0, 2).flatten(1).float().numpy()
    return features


def _enough(logits: Tensor, labels: Tensor) -> npt.NDArray[np.int64]:
    """The labels, which hold every class often enough."""
    fewest = int(labels.bincount(minlength=logits.shape[2]).min())
    if fewest < FOLDS:
        raise ValueError(f"a regression on logits needs {FOLDS} pictures or more of each class, one class has {fewest}")
    classes: npt.NDArray[np.int64] = labels.numpy()
    return classes


def _regression(strength: float = 1.0) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=_MAX_ITER))


def _scores_of(model: Any) -> Combiner:
    return lambda logits: torch.from_numpy(model.predict_log_proba(_features(logits)))
