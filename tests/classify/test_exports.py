"""The classes of several pictures as JSON and CSV."""

from cvdemo.classify.classifier import Prediction
from cvdemo.classify.exports import classes_of, csv_of_pictures


def test_probabilities_are_rounded() -> None:
    assert classes_of(Prediction(["a"], [0.123456], [0])) == {"classes": [{"label": "a", "probability": 0.1235}]}


def test_one_line_a_picture_and_as_many_columns_as_the_longest() -> None:
    pictures = [
        ("x.jpg", classes_of(Prediction(["a, b", "c"], [0.6, 0.4], [0, 1]))),
        ("y.jpg", classes_of(Prediction(["c"], [1.0], [1]))),
    ]
    assert csv_of_pictures(pictures).splitlines() == [
        "file,label_1,probability_1,label_2,probability_2",
        'x.jpg,"a, b",0.6,c,0.4',
        "y.jpg,c,1.0",
    ]


def test_no_picture_is_a_head_alone() -> None:
    assert csv_of_pictures([]).splitlines() == ["file"]
