from gensample.simulate import scheduler
from gensample.simulate.scheduler import Reporter


def test_a_log_gets_a_first_and_a_last_line(capsys):
    with Reporter("simulated", "tau", 200.0, 50.0, 4, 1) as reporter:
        for _ in range(3):
            reporter.advance(50.0)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "simulated: 25.0 % (50 of 200 tau), jobs 1/4"
    assert last == "simulated: 100.0 % (200 of 200 tau), jobs 4/4"


def test_a_log_gets_a_line_now_and_then_with_the_time_left(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: now[0])
    with Reporter("simulated", "tau", 100.0, 0.0, 100, 0) as reporter:
        for _ in range(100):
            now[0] += 12.0
            reporter.advance(1.0)
    lines = capsys.readouterr().err.splitlines()
    # Every 36 s of 1200, besides the first and the last line.
    assert 30 <= len(lines) <= 40
    assert lines[1] == "simulated: 3.0 % (3 of 100 tau), jobs 3/100, about 19 min left"


def test_nothing_is_claimed_when_nothing_was_done(capsys):
    try:
        with Reporter("simulated", "tau", 100.0, 0.0, 10, 0):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert len(capsys.readouterr().err.splitlines()) == 1
