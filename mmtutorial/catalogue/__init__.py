"""The shop: products with their photos, and what is asked for (lesson 01).

Read in this order: ``catalogue`` (``load_catalogue``, and the split), ``attribute_reader``
(values in titles), ``cleaning``, ``groups``
(products that belong together), ``queries`` (the exam that a search is measured by). Where
catalogues come from: ``reading`` and ``spreadsheet`` (files of your own), ``fashion`` (the real
one), ``demo`` (the drawn one). ``real_sets`` finds and fetches sets of others; ``shoppers``,
``reviews`` and ``offers`` read them (lessons 12 to 14), ``rows`` sets bad rows aside. What people
do and say is also drawn on any catalogue, with the truth behind it: ``drawn_shoppers`` (lesson 12),
``drawn_reviews`` with its ``review_phrases`` (lesson 13), ``drawn_offers`` (lesson 14).
"""
