"""The result in the forms that toolstacks read: one module a toolstack, each of them pure.

A renderer takes the :class:`~pypxeboot.artifacts.Artifacts` of an entry that boots (and the
:class:`~pypxeboot.guest.Guest` where it needs it) and returns bytes, or raises HandoverError where the form
cannot say it.
"""
