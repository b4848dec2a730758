"""Teach, a part of the Classify tab: a visitor's own classes from a few pictures each.

`classes` draws their names and pictures, `lesson` teaches and says how good the head is, `answers` names new pictures
with it, `camera` does so live, `api` is for programs. All of it lives in the visitor's session.
"""
