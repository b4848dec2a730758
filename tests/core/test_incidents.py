"""What nobody foresaw has a number, a trace in the log, and one sentence."""

import logging
import re

import pytest

from cvdemo.incidents import report_unexpected
from cvdemo.limits import TRACE_LENGTH

SENTENCE = re.compile(r"Something unexpected went wrong; it is logged under number ([0-9a-f]{6})\.")


def _raised(message: str) -> Exception:
    try:
        raise KeyError(message)
    except KeyError as error:
        return error


def test_the_sentence_has_the_number_of_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    sentence = report_unexpected(_raised("/home/someone/secret.png"))
    match = SENTENCE.fullmatch(sentence)
    assert match, sentence
    (record,) = caplog.records
    text = record.getMessage()
    assert record.levelno == logging.ERROR and text.startswith(f"Number {match[1]}: Traceback")
    assert "in _raised" in text and "KeyError: '/home/someone/secret.png'" in text


def test_two_errors_have_two_numbers() -> None:
    assert report_unexpected(_raised("a")) != report_unexpected(_raised("a"))


def test_the_cause_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise RuntimeError("outer") from _raised("inner")
    except RuntimeError as error:
        report_unexpected(error)
    assert "KeyError: 'inner'" in caplog.text and "RuntimeError: outer" in caplog.text


def test_a_huge_message_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    report_unexpected(ValueError("begin" + "x" * 1_000_000 + "end"))
    assert len(caplog.text) < TRACE_LENGTH + 500
    assert "begin" in caplog.text and "characters left out" in caplog.text and caplog.text.rstrip().endswith("end")


def test_a_file_name_that_is_not_utf_8_can_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    report_unexpected(OSError("cannot read caf\udce9.png"))
    assert "caf\\udce9.png" in caplog.text
    caplog.text.encode("utf-8")
