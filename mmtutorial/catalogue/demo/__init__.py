"""The demo shop: drawn, titled and soiled by code, with its truth (lesson 01).

Read in this order: ``drawing`` (``draw_shop`` puts a whole shop together), ``vocabulary`` (words
and rates), ``records`` (attributes and titles of the products), ``pen`` and ``silhouettes`` (the
shapes), ``studio`` (cloth, light and camera make a photo of a shape), ``dirt``, ``queries``.
"""
