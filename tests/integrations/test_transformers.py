"""What AutoLRCallback sets, says, saves and hands on in a Trainer of transformers."""

import json
import runpy
import sys

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainerCallback
from transformers_trainings import SHORT, adapters, rates, sentences, train

from lrfinder import InputError, LRResult, NoSignalError
from lrfinder.errors import LRFinderWarning
from lrfinder.integrations._trainer import trainer_of
from lrfinder.integrations.transformers import AutoLRCallback
from lrfinder.schedules import Linear

pytestmark = pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated")  # peft's own call

COSINE = {"lr_scheduler_type": "cosine", "warmup_steps": 3}


def halves(step):
    """A schedule of the user's own."""
    return 0.5 ** (step / 4)


class Initial(TrainerCallback):
    """Remembers the weights before the first step."""

    def on_train_begin(self, args, state, control, model=None, **others):
        self.weights = {name: value.tolist() for name, value in model.state_dict().items()}


def test_the_trainer_s_own_scheduler_follows_the_peak(tmp_path):
    """Its shape stays, and its highest rate is the peak that was found for this shape and length."""
    auto = AutoLRCallback(**SHORT)

    found = rates(train(tmp_path / "found", [auto], **COSINE))
    given = rates(train(tmp_path / "given", learning_rate=1e-3, **COSINE))

    assert found == pytest.approx([rate / 1e-3 * auto.plan.lr for rate in given])
    assert max(found) == pytest.approx(auto.plan.lr)
    assert auto.plan.total_steps == len(found) == 14


@pytest.mark.parametrize("schedule", ["recommended", Linear(20), halves], ids=["name", "shape", "function"])
def test_a_schedule_takes_the_trainer_s_place(tmp_path, schedule):
    """Every optimizer step runs at the rate that the plan has for it."""
    auto = AutoLRCallback(**SHORT, schedule=schedule)

    found = rates(train(tmp_path, [auto], **COSINE))

    assert found == pytest.approx([auto.plan.lr * auto.plan.schedule(step) for step in range(14)])


class OwnScheduler(LambdaLR):
    """Rates of its own, which no optimizer says."""

    def __init__(self, optimizer):
        super().__init__(optimizer, lambda step: 0.9**step)

    def get_lr(self):
        return [1e-3 * 0.9**self.last_epoch for _ in self.base_lrs]


def with_own_scheduler(folder, *callbacks):
    """A training with such a scheduler."""

    class Scheduled(Trainer):
        def __init__(self, model, args, **options):
            optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
            super().__init__(model, args, **options, optimizers=(optimizer, OwnScheduler(optimizer)))

    return train(folder, callbacks, kind=Scheduled)


def test_a_scheduler_that_does_not_follow_ends_no_training(tmp_path, capsys):
    """A warning names the way out, the report says that nothing was done, and the rates are those without a search."""
    auto = AutoLRCallback(**{**SHORT, "verbose": True})

    with pytest.warns(LRFinderWarning, match='nothing was applied, .* OwnScheduler: .* Pass schedule="recommended"'):
        found = with_own_scheduler(tmp_path / "found", auto)
    replaced = AutoLRCallback(**SHORT, schedule="recommended")

    assert auto.plan is not None
    assert "nothing: the training goes on at the rates that it had" in " ".join(capsys.readouterr().out.split())
    assert rates(found) == rates(with_own_scheduler(tmp_path / "given"))
    assert max(rates(with_own_scheduler(tmp_path / "replaced", replaced))) == pytest.approx(replaced.plan.lr)


@pytest.mark.parametrize(
    ("schedule", "stop"), [(None, 7), ("recommended", 9), (halves, 7)], ids=["kept", "plan", "function"]
)
def test_a_resumed_training_goes_on_along_the_same_rates(tmp_path, schedule, stop):
    """Nothing is measured again, and the training ends as one that was not interrupted."""
    options = {"save_strategy": "steps", "save_steps": stop, **COSINE}
    whole = train(tmp_path, [AutoLRCallback(**SHORT, schedule=schedule)], **options)
    again = AutoLRCallback(**SHORT, schedule=schedule, rule=lambda curve: 1 / 0)

    resumed = train(tmp_path, [again], resume=str(tmp_path / f"checkpoint-{stop}"), **options)

    assert again.result.lr is not None
    assert rates(resumed) == rates(whole)
    assert resumed.weights == whole.weights


def test_a_callback_that_the_trainer_restores_goes_on_too(tmp_path):
    """With `restore_callback_states_from_checkpoint` the Trainer makes another callback of the saved options."""
    options = {"save_strategy": "steps", "save_steps": 7, "restore_callback_states_from_checkpoint": True}
    whole = train(tmp_path, [AutoLRCallback(**SHORT, schedule="linear")], **options)

    resumed = train(tmp_path, [AutoLRCallback()], resume=str(tmp_path / "checkpoint-7"), **options)

    (auto,) = [one for one in resumed.trainer.callback_handler.callbacks if isinstance(one, AutoLRCallback)]
    assert (auto.options.steps, auto.options.schedule, auto.plan is None) == (30, "linear", False)
    assert rates(resumed) == rates(whole)


def test_a_training_begun_without_it_is_not_measured_later(tmp_path):
    """On resume there is a warning, and the training goes on as it was configured."""
    options = {"save_strategy": "steps", "save_steps": 7}
    train(tmp_path, **options)
    auto = AutoLRCallback(**SHORT)

    with pytest.warns(LRFinderWarning, match="measures nothing in this training, which was begun without it"):
        train(tmp_path, [auto], resume=str(tmp_path / "checkpoint-7"), **options)

    assert auto.result is None


def test_a_resumed_training_of_another_length_is_told(tmp_path):
    """The schedule that was planned stays; a warning names both lengths, what comes of it, and the rescaled plan."""
    options = {"save_strategy": "steps", "save_steps": 7}
    train(tmp_path, [AutoLRCallback(**SHORT, schedule="linear")], **options)

    words = (
        r"planned for 14 optimizer steps, and this training has {}: it is kept{}.*\. Rescaled it would be .* at step {}"
    )
    for steps, end in ((21, " and stays at its end from step 14 on"), (9, ", and the training ends before it")):
        with pytest.warns(LRFinderWarning, match=words.format(steps, end, steps)):
            train(tmp_path, [AutoLRCallback()], resume=str(tmp_path / "checkpoint-7"), max_steps=steps, **options)


def test_trials_are_evaluated_in_the_mode_that_is_asked_for(tmp_path):
    """In train mode where the option says so, although eval mode would give a loss too."""
    auto = AutoLRCallback(**{**SHORT, "steps": 80}, evaluate_in="train", mode="report")

    train(tmp_path, [auto])

    assert auto.result.facts.evaluated_in == "train"
    assert len(auto.result.trials) > 0


def test_only_trains_nothing(tmp_path):
    """The result is there, the weights are as before, no step is counted, nothing is saved or evaluated."""
    auto, initial = AutoLRCallback(**SHORT, mode="only"), Initial()
    options = {"save_strategy": "epoch", "eval_strategy": "epoch", "given": {"eval_dataset": sentences(16, 1)}}

    trace = train(tmp_path, [initial, auto], **options)

    assert auto.plan is not None
    assert (trace.weights, trace.counts[0], trace.optimizer["state"]) == (initial.weights, 0, {})
    assert [row for row in trace.rows if "loss" in row or "eval_loss" in row] == []
    assert not list(tmp_path.glob("checkpoint-*"))


def test_peak_and_interval_are_logged(tmp_path):
    """They stand in the history, once, before the first step, and so went to every reporter."""
    auto = AutoLRCallback(**SHORT)

    (row,) = [row for row in train(tmp_path, [auto]).trainer.state.log_history if "lr_find_peak" in row]

    low, high = auto.plan.interval
    assert row == {"lr_find_peak": auto.plan.lr, "lr_find_low": low, "lr_find_high": high, "epoch": 0, "step": 0}


@pytest.mark.parametrize("mode", ["apply", "report"])
def test_the_report_says_what_was_done(tmp_path, capsys, mode):
    """It has the peak, whose schedule that is for, and what was done with the peak or how to pass it."""
    train(tmp_path, [AutoLRCallback(**{**SHORT, "verbose": True}, mode=mode)], max_steps=1)

    out = capsys.readouterr().out
    done = "the rate is set, and the linear scheduler of the Trainer" if mode == "apply" else "TrainingArguments("
    assert "AutoLRCallback: peak " in out
    assert done in out
    assert mode == "report" or "The Trainer attaches this schedule" in out


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_tensorboard_gets_picture_and_record(tmp_path):
    """The figure can be turned into an image, the record beside the events can be read."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    auto = AutoLRCallback(**SHORT)

    train(tmp_path, [auto], report_to=["tensorboard"])

    (record,) = tmp_path.rglob("lr_find.json")
    assert "lr_find" in EventAccumulator(str(record.parent)).Reload().Tags()["images"]
    assert LRResult.from_json(record).lr == pytest.approx(auto.result.lr)


def test_a_checkpoint_holds_plain_data(tmp_path):
    """The Trainer's own file has the result as JSON, and a rule that is a function is left out."""
    auto = AutoLRCallback(**SHORT, rule=lambda curve: 1e-2)

    train(tmp_path, [auto], save_strategy="epoch", num_train_epochs=1)

    held = json.loads((tmp_path / "checkpoint-7" / "trainer_state.json").read_text())
    held = held["stateful_callbacks"]["AutoLRCallback"]
    assert LRResult.parse(held["attributes"]["saved"]["result"]).lr == pytest.approx(1e-2)
    assert "rule" not in held["args"]


def test_adapters_alone_are_copied(tmp_path, monkeypatch):
    """Of a model that peft has frozen for the most part, the snapshot holds what is trained and the buffers."""
    from lrfinder.snapshot.contents import Memory

    copied, keep = set(), Memory._keep_tensor
    monkeypatch.setattr(Memory, "_keep_tensor", lambda memory, t: copied.add(id(t)) or keep(memory, t))

    trainer = train(tmp_path, [AutoLRCallback(**SHORT)], model=adapters, max_steps=1).trainer

    held = {name: id(p) in copied for name, p in trainer.model.named_parameters()}
    assert {name: "lora" in name for name in held} == held


def test_a_second_training_is_searched_anew(tmp_path):
    """The same Trainer, started again from step 0, finds a rate for the weights that it has by then."""
    auto = AutoLRCallback(**SHORT)
    trainer = train(tmp_path, [auto]).trainer
    first = auto.result

    trainer.train()

    assert auto.result.curve.losses != first.curve.losses


def test_no_signal_raises_where_it_should(tmp_path):
    """A rule without an answer ends the training before its first step, or lets it go on as configured."""
    options = {**SHORT, "rule": lambda curve: None}

    with pytest.raises(NoSignalError, match="`lr_m"):
        train(tmp_path, [AutoLRCallback(**options, on_no_signal="error")])
    assert rates(train(tmp_path, [AutoLRCallback(**options)])) == rates(train(tmp_path))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mode": "aply"}, "`mode` must be one of apply, report, only, got 'aply'"),
        ({"schedule": "reduce_on_plateau"}, "`schedule` must be one of recommended, .*got 'reduce_on_plateau'"),
        ({"tune": "yes"}, "`tune` must be one of auto, True, False, got 'yes'"),
        ({"evaluate_in": "test"}, "`evaluate_in` must be one of None, eval, train, got 'test'"),
        ({"also": 3}, "`also` must be a list of objects"),
        ({"budget": 5}, "`budget` must be"),
        ({"tune": True, "rule": "valley"}, "`rule` must be left out beside tune=True, got 'valley'"),
        ({"tune": False, "budget": 300}, "`budget` must be left out beside tune=False, got 300"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(options, sentence):
    """Each with what it must be and what it was."""
    with pytest.raises(InputError, match=sentence):
        AutoLRCallback(**options)


def test_a_call_from_elsewhere_is_refused():
    """Without a Trainer that holds the callback there is nothing to search."""
    with pytest.raises(InputError, match="`AutoLRCallback` must be called by the Trainer that it was given to"):
        trainer_of(AutoLRCallback())


def test_a_missing_package_is_named(monkeypatch):
    """Without transformers the import says which command installs it."""
    monkeypatch.setitem(sys.modules, "transformers.trainer_callback", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lrfinder\[transformers\]'"):
        runpy.run_path(sys.modules[AutoLRCallback.__module__].__file__)
