"""Frameworks that people train with, each as a `Loop`: one file per framework, which imports it where it is used."""
