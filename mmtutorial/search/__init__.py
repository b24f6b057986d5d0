"""Finding products (lessons 00, 04, 08, 11).

Read in this order: ``lexical`` (TF-IDF, BM25), ``score_fusion`` (several scores in one ranking),
``indexes`` (approximate search), ``store`` (Milvus), ``filters``, ``query_reader`` (what a query
says), ``scorers`` (what a search can rank by beside vectors), ``product_search`` (all of it behind
one object).
"""
