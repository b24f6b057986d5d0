"""What a shop builds on its catalogue and on what people did (lessons 12 to 14).

Each module stands alone: ``recommend`` (what a shopper may want next, lesson 12).
"""
