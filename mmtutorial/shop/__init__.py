"""The shop page (lesson 24).

Read in this order: ``opening`` (a catalogue and a model become a search), ``market`` (reviews and
offers beside it), ``shopfront`` (what the page answers), ``service`` (the same over HTTP), ``door``
(who is let in), ``page`` (the page in a notebook cell), ``language``, ``uploads``, ``terminal``.
The page itself is ``page.html``, ``style.css``, ``page.js`` and the modules that it imports.
"""
