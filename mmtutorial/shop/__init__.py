"""The shop page (lesson 24).

Read in this order: ``page`` (the widgets), ``cards``, ``language``, ``uploads``, ``serve`` (the
page behind Voila), ``visitors`` (who is let in).
"""
