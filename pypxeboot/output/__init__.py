"""The result in the forms that toolstacks read: one pure module a form.

A renderer takes the :class:`~pypxeboot.result.BootResult` of an entry that boots (and the
:class:`~pypxeboot.guest.Guest` where it needs it) and returns bytes, or raises HandoverError where the form
cannot say it.
"""
