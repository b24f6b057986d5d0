"""The demo shop: drawn, titled and soiled by code, with its truth (lesson 01).

``drawing.draw_shop`` makes it.
"""
