from lrfinder.schedules import Linear, Schedule, Warmup, describe


def test_a_function_of_the_step_is_a_schedule():
    """Shapes and plain functions both satisfy the protocol; a number does not."""
    assert isinstance(Linear(3), Schedule)
    assert isinstance(lambda step: 1.0, Schedule)
    assert not isinstance(0.1, Schedule)


def test_words_count_from_the_start_of_the_training():
    """The end named in a description is the step of the training, whatever comes before."""
    text = describe(Warmup(Linear(1900), 100))

    assert text == "warm-up over 100 steps, then linear decay to zero at step 2,000"


def test_words_of_a_foreign_function_are_its_name():
    """A function that is no shape is described by its name."""

    def halving(step: int) -> float:
        return 0.5**step

    assert describe(halving) == "the function halving"
