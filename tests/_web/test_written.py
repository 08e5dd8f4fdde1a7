"""What is not written, and why."""

from tornadolike._web import written


def test_lists_have_a_reason_of_their_own() -> None:
    assert written.refusal(3) == "write() only accepts bytes, unicode, and dict objects"
    assert written.refusal([]).startswith(written.refusal(3) + ". Lists not accepted")
