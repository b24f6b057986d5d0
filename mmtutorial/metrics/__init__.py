"""How good is a list of products? (lessons 06, 10)

Read in this order: ``similarity`` (cosine, dot, Euclidean), ``top_k`` (the k best, and the rule for
ties), ``measures`` (recall, nDCG and the others), ``runs`` (what a search found, as dictionaries
and files), ``evaluation`` (score what a search found), ``significance`` (is a difference more than
luck?).
"""
