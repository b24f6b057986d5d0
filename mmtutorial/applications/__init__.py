"""What a shop builds on its catalogue and on what people did (lessons 12 to 14).

``recommend`` stands alone (what a shopper may want next, lesson 12). Prices (lesson 14), in this
order: ``offer_tables``, ``offer_blocking``, ``offer_features``, ``offer_clusters``,
``offer_matching``, ``plain_matcher``, ``cross_encoder``, ``prices``; ``match_tables`` is all of it
on two files, ``shop_offers`` what a shop shows beside a product.
"""
