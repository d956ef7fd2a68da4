"""Trainings in torch as a `Loop`: options, loss, update, batches, parameter groups, several processes."""
