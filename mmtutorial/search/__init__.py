"""Finding products (lessons 00, 04, 08, 11).

Read in this order: ``lexical`` (TF-IDF, BM25), ``score_fusion`` (several scores in one ranking),
``indexes`` (approximate search), ``store`` (Milvus), ``filters``, ``query_reader`` (what a query
says), ``scorers`` (what a search can rank by beside vectors), ``relevance`` (how likely a
product is right), ``product_search`` (all of it behind one object); then what a shop's page shows
beside products: ``facets`` (how many have which value), ``suggestions`` (while one types).
"""
