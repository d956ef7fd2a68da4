"""A training with AutoLRCallback(mode="report") equals one without it, bit for bit; its steps are the Trainer's."""

import pytest
import torch
from loop_contract import LAWS, Subject
from transformers import TrainerCallback
from transformers_trainings import SHORT, Counting, Mean, Stream, adapters, bert, classes, llama, sentences, train
from twins import plain

from lrfinder.integrations._trainer import TrainerLoop, trainer_of
from lrfinder.integrations.transformers import AutoLRCallback

pytestmark = [
    pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated"),  # peft's own call too
    pytest.mark.filterwarnings("ignore:`torch.cpu.amp.autocast"),  # of the oldest transformers
]

CLASSES = {"model": bert, "data": classes}


CASES = {
    "accumulation over tokens": {"gradient_accumulation_steps": 3, "max_grad_norm": 0.1},
    "accumulation over batches": {**CLASSES, "gradient_accumulation_steps": 5, "label_smoothing_factor": 0.2},
    "a loss of one's own": {**CLASSES, "given": {"compute_loss_func": Mean()}, "gradient_accumulation_steps": 2},
    "bfloat16": {"bf16": True, "gradient_checkpointing": True},
    "no clipping": {"max_grad_norm": 0.0, "lr_scheduler_type": "cosine", "warmup_steps": 3, "optim": "sgd"},
    "workers": {"dataloader_num_workers": 1, "dataloader_persistent_workers": True},
    "a stream": {"data": Stream, "max_steps": 9},
    "a plateau": {
        "lr_scheduler_type": "reduce_lr_on_plateau",
        "eval_strategy": "epoch",
        "metric_for_best_model": "loss",
        "given": {"eval_dataset": sentences(16, 1)},
    },
    "adapters": {"model": adapters},
    "a Trainer that counts": {"kind": Counting, "gradient_accumulation_steps": 2},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_a_report_leaves_no_trace(tmp_path, options):
    """Weights, optimizer, scheduler, logged rows, counters and random streams are those of a training without it."""
    auto = AutoLRCallback(**{**SHORT, "mode": "report"})

    searched = train(tmp_path / "searched", [auto], **options)

    assert auto.result.curve is not None
    assert searched == train(tmp_path / "plain", **options)


def test_pilots_and_forwards_alone_leave_no_trace(tmp_path):
    """So do whole trainings in small, evaluated on data that is kept aside."""
    options = {"given": {"eval_dataset": sentences(40, 1)}, "gradient_accumulation_steps": 2, "kind": Counting}
    auto = AutoLRCallback(tune=True, budget=250, lr_min=1e-5, evaluate_on="validation", mode="report", verbose=False)

    searched = train(tmp_path / "searched", [auto], num_train_epochs=15, **options)

    assert len(auto.result.evidence.pilots[0].losses) > 1
    assert searched == train(tmp_path / "plain", num_train_epochs=15, **options)


class Within(TrainerCallback):
    """Does something with the loop of a Trainer before its first step."""

    def __init__(self, work):
        self.work, self.seen = work, []

    def on_train_begin(self, args, state, control, train_dataloader=None, **others):
        trainer = trainer_of(self)
        self.seen.append(self.work(trainer, TrainerLoop(trainer, train_dataloader)))


@pytest.mark.parametrize(
    "options",
    [
        {"gradient_accumulation_steps": 3},
        {"model": lambda: bert(0.0), "data": classes, "gradient_accumulation_steps": 5},
        {"bf16": True},
    ],
    ids=["over tokens", "over batches", "bfloat16"],
)
def test_a_step_is_one_of_the_trainer(tmp_path, options):
    """At a constant rate, without dropout, the losses before every step are those that the Trainer logs, in order."""

    def losses(trainer, loop):
        with loop.preserved():
            return [loop.step(loop.draw()) for _ in range(loop.facts.steps_per_epoch)]

    within = Within(losses)
    constant = {"lr_scheduler_type": "constant", "learning_rate": 1e-2, "model": lambda: llama(0.0)}
    trace = train(tmp_path, [within], num_train_epochs=1, **{**constant, **options})

    logged = [row["loss"] for row in trace.rows if "loss" in row]
    # The oldest transformers rounds its logs, and ends before a step of fewer micro-batches.
    assert logged == pytest.approx(within.seen[0][: len(logged)], rel=1e-4)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_trainer_keeps_the_law(tmp_path, law):
    """A Trainer that is about to train is a loop like any other."""

    def keep(trainer, loop):
        groups = trainer.optimizer.param_groups
        state = lambda: plain([trainer.model.state_dict(), trainer.optimizer.state_dict(), torch.get_rng_state()])  # noqa: E731
        law(Subject(loop, state, lambda: [float(group["lr"]) for group in groups]))

    within = Within(keep)
    train(tmp_path, [within], gradient_accumulation_steps=3, max_steps=1, given={"eval_dataset": sentences(16, 1)})

    assert within.seen == [None]
