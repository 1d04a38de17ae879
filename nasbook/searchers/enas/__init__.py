"""ENAS: ``method`` says what is searched and with which settings, ``loop`` how, ``state`` what changes meanwhile."""

from nasbook.searchers.enas.method import PROFILES, Config, EdgeShared, controller_of, dropout, network_of, space_of

__all__ = ["PROFILES", "Config", "EdgeShared", "controller_of", "dropout", "network_of", "space_of"]
