"""What a shop builds on its catalogue and on what people did (lessons 12 to 14).

Recommendation (lesson 12), in this order: ``histories`` (a log becomes questions without the
future, and answers are judged), ``recommend`` (by counting), ``factors`` (ALS, BPR), ``next_item``
(GRU, LSTM, self-attention), ``two_tower`` (by photo and title; a varied page), ``behaviour`` (will
this session buy?). Every recommender has the same face: ``fit(sequences)``, ``scores(histories)``.

Reviews (lesson 13): ``review_analysis`` (what they say), ``product_quality`` (what that makes of a
product).

Prices (lesson 14): ``offer_tables``, ``offer_blocking``, ``offer_features``, ``offer_clusters``,
``offer_matching``, ``plain_matcher``, ``cross_encoder``, ``prices``; ``match_tables`` is all of it
on two files, ``shop_offers`` what a shop shows beside a product.
"""
