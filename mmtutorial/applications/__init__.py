"""What a shop builds on its catalogue and on what people did (lessons 12 to 14).

Each module stands alone: ``recommend`` (what a shopper may want next, lesson 12),
``review_analysis`` (what reviews say) and ``product_quality`` (what that makes of a product,
lesson 13).
"""
