"""Teach, a part of the Classify tab: a visitor's own classes from a few pictures each.

`classes` draws their names and pictures, `lesson` teaches, `taught_lesson` says how good the head is and
renames its classes, `answers` names new pictures with it, `camera` does so live, `api` is for programs. All of it lives
in the visitor's session.
"""
