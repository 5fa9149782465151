"""What the API's JSON answers say, in all the shapes that a task queue gives them."""

from __future__ import annotations

import json

import pytest

from tap_advexport.api.answers import (
    AnswerError,
    FailedTask,
    Finished,
    Unfinished,
    names_no_task,
    parse_poll_answer,
    parse_submit_answer,
    words_of,
)


def poll(state: object, result: object = None) -> Unfinished | Finished | FailedTask:
    return parse_poll_answer(json.dumps({"state": state, "result": result}).encode())


@pytest.mark.parametrize("result", [None, "", {"pid": 7, "hostname": "w1"}, {"current": 3}, [1], 5])
def test_a_result_counts_only_where_the_state_is_success(result: object) -> None:
    assert poll("STARTED", result) == Unfinished("STARTED", is_known=True)
    assert poll("PROGRESS", result) == Unfinished("PROGRESS", is_known=False)


@pytest.mark.parametrize("state", ["SUCCESS", "success", "Success"])
def test_words_count_in_any_letters(state: str) -> None:
    found = poll(state, " https://h/f ")
    assert isinstance(found, Finished)
    assert found.url == "https://h/f"
    for result in ("QUEUED", "queued", "Queued"):
        answer, _ = parse_submit_answer(b'{"result": "%b", "task_id": "t"}' % result.encode())
        assert answer.is_queued


@pytest.mark.parametrize(
    ("body", "is_so"),
    [
        (b'{"error": "too many exports"}', True),
        (b"{}", True),
        (b'{"task_id": "t"}', False),
        (b'{"result": 1, "error": "no"}', False),
        (b'["error"]', False),
        (b"<html>", False),
    ],
)
def test_an_answer_about_something_else_names_no_task(body: bytes, *, is_so: bool) -> None:
    assert names_no_task(body) == is_so


@pytest.mark.parametrize("result", [None, "", "  "])
def test_success_may_come_before_its_url(result: object) -> None:
    found = poll("SUCCESS", result)
    assert isinstance(found, Finished)
    assert found.url is None


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, ""),
        ("choose a shorter range", "choose a shorter range"),
        ({"exc_type": "ValueError", "exc_message": ["too long"]}, "ValueError: too long"),
        ({"exc_type": "Oops", "exc_message": "no", "exc_module": "m"}, "Oops: no"),
        ({"exc_type": "Oops"}, "Oops"),
        ({"exc_type": "Oops", "exc_message": ["a", 1]}, 'Oops: ["a", 1]'),
        ({"detail": "quota"}, "quota"),
        ({"code": 7}, '{"code": 7}'),
        ([], ""),
    ],
)
def test_a_failure_is_told_with_its_reason(result: object, reason: str) -> None:
    assert poll("FAILURE", result) == FailedTask("FAILURE", reason)
    assert poll("revoked", result) == FailedTask("REVOKED", reason)


def test_success_with_anything_but_a_url_is_no_file() -> None:
    found = poll("SUCCESS", {"url": 5})
    assert found == FailedTask("SUCCESS", 'its result is no URL: {"url": 5}')


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ({}, ""),
        ({"message": "quota of 5 exports a day"}, "quota of 5 exports a day"),
        ({"code": 7, "why": "no"}, '{"code": 7, "why": "no"}'),
    ],
)
def test_an_error_result_is_told_with_what_stands_beside_it(
    rest: dict[str, object], reason: str
) -> None:
    body = json.dumps({"result": "ERROR", "task_id": None, **rest}).encode()
    answer, said = parse_submit_answer(body)
    assert not answer.is_queued
    assert said == reason


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"[]", b"{}", b'{"state": 5}', b'{"state": null}', b'{"result": {}}']
)
def test_another_shape_is_none(body: bytes) -> None:
    with pytest.raises(AnswerError):
        parse_poll_answer(body)
    with pytest.raises(AnswerError):
        parse_submit_answer(body)


def test_of_a_long_page_the_beginning_is_read() -> None:
    page = "<p>Sorry</p>" + "<!-- " * 1000 + "<p>at the end</p>" + "<script>" * 100_000
    said = words_of(page)
    assert said.startswith("Sorry")
    assert "at the end" not in said


@pytest.mark.parametrize("depth", [200, 700, 900, 1200, 5000])
def test_a_reason_that_is_nested_deeply_is_a_reason_or_no_answer(depth: int) -> None:
    nested = b"[" * depth + b"1" + b"]" * depth
    for answer in (b'{"state": "FAILURE", "result": %b}', b'{"state": "SUCCESS", "result": %b}'):
        try:
            assert isinstance(parse_poll_answer(answer % nested), FailedTask)
        except AnswerError:
            assert depth > 200
    try:
        parse_submit_answer(b'{"result": "ERROR", "message": %b}' % nested)
    except AnswerError:
        assert depth > 200


def test_a_byte_order_mark_before_an_answer_is_no_part_of_it() -> None:
    mark = b"\xef\xbb\xbf"
    assert parse_poll_answer(mark + b'{"state": "PENDING"}') == Unfinished("PENDING", is_known=True)
    answer, _ = parse_submit_answer(mark + b'{"result": "QUEUED", "task_id": "t"}')
    assert (answer.is_queued, answer.task_id) == (True, "t")
    assert names_no_task(mark + b'{"detail": "busy"}')
